// Fine-tunes a model by an adapter of low rank: lora [MODEL TEXT [OUT]]. Without arguments a model that
// counts up learns to count down.
#include <hone/hone.hpp>

#include <algorithm>
#include <cstdio>
#include <string>

namespace {

std::string counting(bool down) {  // "10 11 12 ... 99 10 11 ..."
  std::string text;
  for (int i = 0; i < 3000; ++i) text += std::to_string(down ? 99 - i % 90 : 10 + i % 90) + " ";
  return text;
}

void train(hone::Trainer& trainer, const hone::Text& text, std::int64_t steps, float lr) {
  const hone::TrainPlan& plan = trainer.plan();
  while (trainer.steps() < steps)
    trainer.step(text.batch(trainer.steps(), plan.batch(), plan.seq()), {.lr = lr, .clip = 1});
}

hone::Model counter() {
  const auto text = hone::Text::of(counting(false));
  hone::Trainer trainer(
      hone::TrainPlan(hone::preset("tiny", {.vocab_size = text.vocab_size()}), {.batch = 8, .seq = 32}));
  train(trainer, text, 150, 2e-3f);
  return trainer.model();
}

}  // namespace

int main(int argc, char** argv) try {
  const bool given = argc > 2;
  const hone::Model base = given ? hone::open(argv[1]) : counter();
  const hone::Text text =
      given ? hone::Text(argv[2], {.tokenizer = argv[1]}) : hone::Text::of(counting(true));
  const hone::Model model = hone::with_lora(base, {.rank = 8, .alpha = 16, .base = given ? argv[1] : ""});
  const hone::TrainPlanOptions options{.batch = 8, .seq = given ? 128 : 32};
  const hone::TrainPlan plan(model, options), whole(base, options);
  std::printf("trains %s of %s in %s; the whole model would take %s\n",
              hone::human_count(static_cast<double>(model.parameters() - base.parameters())).c_str(),
              hone::human_count(static_cast<double>(model.parameters())).c_str(),
              hone::human_bytes(static_cast<double>(plan.peak_bytes())).c_str(),
              hone::human_bytes(static_cast<double>(whole.peak_bytes())).c_str());
  hone::Trainer trainer(plan);  // reads the base where it is, and leaves it as it is
  const hone::Batch unseen =
      text.held_out(0, std::min<std::int64_t>(8, text.held_out_windows(plan.seq())), plan.seq());
  const double before = trainer.evaluate(unseen).loss;
  train(trainer, text, 150, 1e-2f);
  std::printf("held out: %.3f before, %.3f after\n", before, trainer.evaluate(unseen).loss);
  const std::string out = argc > 3 ? argv[3] : "adapter";
  trainer.save(out);  // PEFT's files; `hone generate MODEL --adapter adapter` reads them
  hone::merge(hone::with_adapter(base, out), out + "-merged");  // a model without an adapter
} catch (const hone::Error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return hone::exit_code(e.kind());
}
