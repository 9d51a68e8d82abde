// Trains a GPT: train_gpt [TEXT [OUT]]. Without a text it learns to count, in seconds.
#include <hone/hone.hpp>

#include <algorithm>
#include <cstdio>
#include <string>

namespace {

std::string counting() {  // "10 11 12 ... 99 10 11 ..."
  std::string text;
  for (int i = 0; i < 3000; ++i) text += std::to_string(10 + i % 90) + " ";
  return text;
}

}  // namespace

int main(int argc, char** argv) try {
  const bool given = argc > 1;
  const hone::Text text = given ? hone::Text(argv[1], {.tokenizer = "byte"}) : hone::Text::of(counting());
  const hone::Model gpt =
      hone::preset(given ? "nano" : "tiny", {.vocab_size = text.vocab_size(), .context = 128});
  const hone::TrainPlan plan(
      gpt, {.batch = given ? 16 : 8, .seq = given ? 128 : 32, .precision = hone::Precision::bf16});
  const hone::Forecast& forecast = plan.forecast();  // no memory is taken yet
  std::printf("%s parameters; will need %s and %s a step\n",
              hone::human_count(static_cast<double>(gpt.parameters())).c_str(),
              hone::human_bytes(static_cast<double>(forecast.peak_bytes)).c_str(),
              hone::human_duration(forecast.step_ms / 1e3).c_str());

  hone::Trainer trainer(plan);  // takes that memory, and no more
  const std::int64_t steps = given ? 1000 : 200;
  const hone::Cosine lr{.peak = 2e-3f, .warmup = 20, .steps = steps};
  const hone::Batch unseen =
      text.held_out(0, std::min<std::int64_t>(16, text.held_out_windows(plan.seq())), plan.seq());
  for (auto n = trainer.steps(); n < steps; n = trainer.steps()) {  // the loop is yours
    const hone::StepResult done =
        trainer.step(text.batch(n, plan.batch(), plan.seq()), {.lr = lr(n), .clip = 1});
    if ((n + 1) % (steps / 5) == 0)
      std::printf("step %4ld  loss %.3f  held out %.3f\n", static_cast<long>(n + 1), done.loss,
                  trainer.evaluate(unseen).loss);
  }
  const std::string out = argc > 2 ? argv[2] : "gpt";
  trainer.save(out);  // in Hugging Face's layout; `hone generate gpt --prompt "25 26 "` goes on from here
  text.tokenizer().save(out);
  std::printf("saved to %s, weights %s\n", out.c_str(), trainer.weights_hash().c_str());
} catch (const hone::Error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return hone::exit_code(e.kind());
}
