// torch.nn.Transformer(512, 8, 6, 6) with AdamW, cross-entropy, fp16 and eight accumulated micro-batches:
// saved, killed, resumed. It learns to write a sequence backwards; batch n is a function of n.
#include <hone/hone.hpp>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

namespace {

constexpr std::int64_t batch = 16, micro_batch = 2, length = 12, vocabulary = 32;

struct Pairs {
  std::vector<std::int32_t> source, lengths, target, labels;  // [16,12], [16], [16,12], [16,12]
  explicit Pairs(std::int64_t n) : lengths(batch, length) {
    const auto id = [n](std::int64_t i, std::int64_t t) { return std::int32_t(1 + (n * 17 + i * t) % 31); };
    for (std::int64_t i = 0; i < batch; ++i)
      for (std::int64_t t = 0; t < length; ++t) {
        source.push_back(id(i, t));
        labels.push_back(id(i, length - 1 - t));
        target.push_back(t == 0 ? 0 : id(i, length - t));  // the labels so far, behind a 0
      }
  }
};

void train(std::int64_t steps, std::int64_t killed_at) {
  const std::string checkpoint = "encoder_decoder.checkpoint";
  const hone::Model model = hone::preset("transformer-base", {.vocab_size = vocabulary});
  hone::Trainer trainer(hone::TrainPlan(
      model,
      {.batch = batch, .micro_batch = micro_batch, .seq = length, .precision = hone::Precision::fp16}));
  if (std::filesystem::exists(checkpoint)) trainer.resume(checkpoint);
  for (auto n = trainer.steps(); n < steps; n = trainer.steps()) {
    const Pairs p(n);
    const auto samples = hone::Samples(batch).set("source", p.source).set("source_lengths", p.lengths);
    const auto all = hone::Samples(samples).set("target", p.target).set("labels", p.labels);
    const auto counts = trainer.label_counts(all);  // what counts in all eight
    for (std::int64_t i = 0; i < batch; i += micro_batch)
      trainer.accumulate(all.rows(i, micro_batch), counts);
    std::fprintf(stderr, "step %ld: loss %.3f\n", long(n), trainer.update({.lr = 5e-4f, .clip = 1}).loss);
    if (n + 2 == killed_at) trainer.save_checkpoint(checkpoint);
    if (n + 1 == killed_at) std::raise(SIGKILL);
  }
  std::filesystem::remove_all(checkpoint);
}

}  // namespace

int main() try {
  if (fork() == 0) train(4, 3);  // a process of its own, which does not come to its end
  wait(nullptr);
  train(4, -1);
} catch (const hone::Error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return hone::exit_code(e.kind());
}
