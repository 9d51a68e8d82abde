// Prunes a model little by little while it is trained, and compares it with one that is pruned at the end:
// prune_while_training [TEXT [OUT]]. The share of zeros rises as Zhu and Gupta, "To prune, or not to prune",
// arXiv 1710.01878, have it; `hone train --sparsity 0.8` does the same.
#include <hone/hone.hpp>

#include <cstdio>
#include <string>

namespace {

constexpr std::int64_t batch = 8, seq = 32, steps = 240;
constexpr double last = 0.8;

std::string counting() {  // "10 11 12 ... 99 10 11 ..."
  std::string text;
  for (int i = 0; i < 3000; ++i) text += std::to_string(10 + i % 90) + " ";
  return text;
}

double loss(const hone::Model& model, const hone::Text& text) {
  return hone::evaluate(model, text, {.seq = seq, .held_out_only = true}).loss;
}

}  // namespace

int main(int argc, char** argv) try {
  const hone::Text text = argc > 1 ? hone::Text(argv[1]) : hone::Text::of(counting());
  const hone::Model begin = hone::preset("tiny", {.vocab_size = text.vocab_size()});
  const hone::CubicSparsity share{.last = last, .start = steps / 6, .end = steps * 3 / 4};
  hone::Trainer little_by_little(hone::TrainPlan(begin, {.batch = batch, .seq = seq, .prunes = true}));
  hone::Trainer dense(hone::TrainPlan(begin, {.batch = batch, .seq = seq}));
  for (std::int64_t n = 0; n < steps; ++n) {
    // What was pruned stays zero; the steps behind the last time heal.
    if (n % 10 == 0 && n <= share.end) little_by_little.prune(share(n));
    for (hone::Trainer* trainer : {&little_by_little, &dense})
      trainer->step(text.batch(n, batch, seq), {.lr = 2e-3f, .clip = 1});
    if ((n + 1) % 40 == 0)
      std::printf("%2.0f %% zeros: loss %.4f, dense %.4f\n", 100 * share(n),
                  loss(little_by_little.model(), text), loss(dense.model(), text));
  }
  const hone::Model at_the_end = hone::prune(dense.model(), {.sparsity = last}).model;
  std::printf("pruned at the end: loss %.4f\n", loss(at_the_end, text));
  little_by_little.save(argc > 2 ? argv[2] : "pruned");
} catch (const hone::Error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return hone::exit_code(e.kind());
}
