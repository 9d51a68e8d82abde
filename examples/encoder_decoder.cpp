// torch.nn.Transformer(d_model=512, nhead=8, num_encoder_layers=6, num_decoder_layers=6) with AdamW, cross-entropy,
// mixed precision and eight accumulated micro-batches: saved, killed by the system, resumed.
//
// It learns to write a sequence backwards. Batch n is a function of n, so the step that was lost is the one that
// is done again, bit by bit.
#include <hone/hone.hpp>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

namespace {

constexpr std::int64_t batch = 16, micro_batch = 2, length = 12;
constexpr std::int32_t vocabulary = 32, begin_token = 0;
constexpr const char* checkpoint = "encoder_decoder.checkpoint";

struct Pairs {
  std::vector<std::int32_t> source, lengths, target, labels;  // [16,12], [16], [16,12], [16,12]
  explicit Pairs(std::int64_t n) : lengths(batch, length) {
    for (std::int64_t i = 0; i < batch * length; ++i)
      source.push_back(static_cast<std::int32_t>(1 + (n * 7919 + i * (i + 31)) % (vocabulary - 1)));
    for (auto end = source.begin() + length; target.size() < source.size(); end += length) {
      target.push_back(begin_token);
      for (auto from = end; from != end - length; --from) labels.push_back(from[-1]);
      target.insert(target.end(), labels.end() - length, labels.end() - 1);  // what was written so far
    }
  }
  hone::Samples samples() const {
    hone::Samples all(batch);
    return all.set("source", source).set("source_lengths", lengths).set("target", target).set("labels", labels);
  }
};

void train(std::int64_t steps, std::int64_t killed_at) {
  const hone::Model model = hone::preset("transformer-base", {.vocab_size = vocabulary});
  hone::Trainer trainer(hone::TrainPlan(
      model, {.batch = batch, .micro_batch = micro_batch, .seq = length, .precision = hone::Precision::bf16}));
  if (std::filesystem::exists(checkpoint)) trainer.resume(checkpoint);
  const hone::Linear lr{.peak = 5e-4f, .warmup = 2, .steps = steps + 1};
  for (auto n = trainer.steps(); n < steps; n = trainer.steps()) {
    const Pairs pairs(n);
    for (std::int64_t first = 0; first < batch; first += micro_batch)
      trainer.accumulate(pairs.samples().rows(first, micro_batch));  // forward, loss, backward
    std::printf("step %ld: loss %.3f\n", long(n), trainer.update({.lr = lr(n), .clip = 1}).loss), std::fflush(stdout);
    if (n + 2 == killed_at) trainer.save_checkpoint(checkpoint);
    if (n + 1 == killed_at) std::raise(SIGKILL);
  }
}

}  // namespace

int main(int argc, char** argv) try {
  const std::int64_t steps = argc > 1 ? std::atoll(argv[1]) : 4;
  if (fork() == 0) train(steps, steps - 1);  // a process of its own, which does not come to its end
  wait(nullptr);
  train(steps, -1);
  std::filesystem::remove_all(checkpoint);
} catch (const hone::Error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return hone::exit_code(e.kind());
}
