// Quantizes a model by two methods, and measures what each cost: quantize [MODEL TEXT [OUT]]. Without
// arguments the model is a small one that learned to count.
#include <hone/hone.hpp>

#include <cstdio>
#include <string>

namespace {

std::string counting() {  // "10 11 12 ... 99 10 11 ..."
  std::string text;
  for (int i = 0; i < 3000; ++i) text += std::to_string(10 + i % 90) + " ";
  return text;
}

hone::Model counter(const hone::Text& text) {
  hone::Trainer trainer(
      hone::TrainPlan(hone::preset("tiny", {.vocab_size = text.vocab_size()}), {.batch = 8, .seq = 32}));
  while (trainer.steps() < 150) trainer.step(text.batch(trainer.steps(), 8, 32), {.lr = 2e-3f, .clip = 1});
  return trainer.model();
}

}  // namespace

int main(int argc, char** argv) try {
  const bool given = argc > 2;
  const hone::Text text = given ? hone::Text(argv[2], {.tokenizer = argv[1]}) : hone::Text::of(counting());
  const hone::Model model = given ? hone::open(argv[1]) : counter(text);
  for (const char* method : {"rtn", "gptq"}) {
    const hone::Quantized small =
        hone::quantize(model, &text, {.method = method, .bits = 3, .sample = {.windows = 16, .seq = 32}});
    const hone::CompareReport r =
        hone::compare(model, small.model, text, {.seq = 32, .max_tokens = 1024, .held_out_only = true});
    std::printf("%-5s perplexity %.3f to %.3f, KL %.5f, %.1f %% of the top tokens flipped\n", method,
                r.before.perplexity, r.after.perplexity, r.kl, 100 * r.flipped);
    small.model.save((argc > 3 ? std::string(argv[3]) : "quantized") + "-" + method);
  }
} catch (const hone::Error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return hone::exit_code(e.kind());
}
