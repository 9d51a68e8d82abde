// Prunes a model little by little while it is trained, and compares it with one that is pruned at the end:
// prune_while_training [TEXT [OUT]]. The share of zeros rises as Zhu and Gupta, "To prune, or not to prune",
// arXiv 1710.01878, have it: 1 - (1 - t)^3 of the last one, fast at first.
#include <hone/hone.hpp>

#include <cmath>
#include <cstdio>
#include <string>

namespace {

constexpr std::int64_t batch = 8, seq = 32, stretches = 6, steps = 40;  // of each stretch
constexpr double last = 0.8;

std::string counting() {  // "10 11 12 ... 99 10 11 ..."
  std::string text;
  for (int i = 0; i < 3000; ++i) text += std::to_string(10 + i % 90) + " ";
  return text;
}

// What is zero stays zero; the optimizer begins anew.
hone::Model trained(const hone::Model& model, const hone::Text& text, std::int64_t stretch) {
  hone::Trainer trainer(hone::TrainPlan(model, {.batch = batch, .seq = seq, .keep_zeros = true}));
  while (trainer.steps() < steps)
    trainer.step(text.batch(stretch * steps + trainer.steps(), batch, seq), {.lr = 2e-3f, .clip = 1});
  return trainer.model();
}

double loss(const hone::Model& model, const hone::Text& text) {
  return hone::evaluate(model, text, {.seq = seq, .held_out_only = true}).loss;
}

}  // namespace

int main(int argc, char** argv) try {
  const hone::Text text = argc > 1 ? hone::Text(argv[1]) : hone::Text::of(counting());
  hone::Model little_by_little = hone::preset("tiny", {.vocab_size = text.vocab_size()}),
              at_the_end = little_by_little;
  for (std::int64_t stretch = 0; stretch < stretches; ++stretch) {
    const double t = static_cast<double>(stretch) / (stretches - 1), share = last * (1 - std::pow(1 - t, 3));
    little_by_little = trained(hone::prune(little_by_little, {.sparsity = share}).model, text, stretch);
    at_the_end = trained(at_the_end, text, stretch);
    std::printf("%2.0f %% zeros: loss %.4f, dense %.4f\n", 100 * share, loss(little_by_little, text),
                loss(at_the_end, text));
  }
  at_the_end = hone::prune(at_the_end, {.sparsity = last}).model;
  std::printf("pruned at the end: loss %.4f\n", loss(at_the_end, text));
  little_by_little.save(argc > 2 ? argv[2] : "pruned");
} catch (const hone::Error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return hone::exit_code(e.kind());
}
