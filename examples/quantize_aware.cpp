// Heals a model of what two bits will lose before it is quantized: quantize_aware [MODEL TEXT [OUT]]. Without
// arguments the model is a small one that learned to count. `hone train --model M --qat-bits 2` does the
// same.
#include <hone/hone.hpp>

#include <cstdio>
#include <optional>
#include <string>

namespace {

constexpr std::int64_t batch = 8, seq = 32, steps = 60;
const hone::QatOptions qat{.bits = 2, .group = hone::whole_row, .table_bits = 2};

std::string counting() {  // "10 11 12 ... 99 10 11 ..."
  std::string text;
  for (int i = 0; i < 3000; ++i) text += std::to_string(10 + i % 90) + " ";
  return text;
}

hone::Model counter(const hone::Text& text) {
  hone::Trainer trainer(
      hone::TrainPlan(hone::preset("tiny", {.vocab_size = text.vocab_size()}), {.batch = batch, .seq = seq}));
  while (trainer.steps() < 150)
    trainer.step(text.batch(trainer.steps(), batch, seq), {.lr = 2e-3f, .clip = 1});
  return trainer.model();
}

// Rounded to the nearest codes, as training has simulated it.
hone::Model rounded(const hone::Model& model) {
  return hone::quantize(
             model, nullptr,
             {.bits = static_cast<double>(qat.bits), .group = qat.group, .table_bits = qat.table_bits})
      .model;
}

double loss(const hone::Model& model, const hone::Text& text) {
  return hone::evaluate(model, text, {.seq = seq, .held_out_only = true}).loss;
}

}  // namespace

int main(int argc, char** argv) try {
  const bool given = argc > 2;
  const hone::Text text = given ? hone::Text(argv[2], {.tokenizer = argv[1]}) : hone::Text::of(counting());
  const hone::Model model = given ? hone::open(argv[1]) : counter(text);
  std::printf("as it is:    loss %.4f, in two bits %.4f\n", loss(model, text), loss(rounded(model), text));
  // The same steps twice: without a word of codes, and with.
  for (const std::optional<hone::QatOptions>& aware :
       {std::optional<hone::QatOptions>(), std::optional(qat)}) {
    hone::Trainer trainer(hone::TrainPlan(model, {.batch = batch, .seq = seq, .qat = aware}));
    while (trainer.steps() < steps)
      trainer.step(text.batch(trainer.steps(), batch, seq), {.lr = 1e-3f, .clip = 1});
    const hone::Model small = rounded(trainer.model());
    std::printf("%s loss %.4f, in two bits %.4f\n",
                aware ? "healed:     " : "trained on: ", loss(trainer.model(), text), loss(small, text));
    if (aware) small.save(argc > 3 ? argv[3] : "quantize_aware");
  }
} catch (const hone::Error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return hone::exit_code(e.kind());
}
