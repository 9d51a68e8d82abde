// Distils a student of fewer layers, and compares it with the same one trained alone: distill [TEACHER TEXT
// [OUT]]. Without arguments the teacher is a small model that learned to count.
#include <hone/hone.hpp>

#include <cstdio>
#include <string>

namespace {

constexpr std::int64_t batch = 8, seq = 32, steps = 60;

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

// Its loss on text that was held out.
double learned(hone::Trainer& student, const hone::Text& text, hone::Teacher* teacher) {
  while (student.steps() < steps) {
    const hone::Batch windows = text.batch(student.steps(), batch, seq);
    hone::Samples samples = windows.samples();
    hone::SoftLabels soft;  // what the teacher makes of them
    if (teacher) soft = teacher->soft_labels(samples), samples = soft.beside(samples);
    student.step(samples, {.lr = 2e-3f, .clip = 1});
  }
  return student.evaluate(text.held_out(0, batch, seq)).loss;
}

}  // namespace

int main(int argc, char** argv) try {
  const bool given = argc > 2;
  const hone::Text text = given ? hone::Text(argv[2], {.tokenizer = argv[1]}) : hone::Text::of(counting());
  const hone::Model large = given ? hone::open(argv[1]) : counter(text);
  const hone::Model small = hone::student_of(large, {.layers = 1});  // begins as the first of its layers
  const hone::DistillLoss loss{.temperature = 2, .alpha = 0.7f, .top_k = 16};

  hone::Teacher teacher(large, {.batch = batch, .seq = seq, .loss = loss});
  hone::Trainer taught(
      hone::TrainPlan(small, {.batch = batch, .seq = seq, .objective = hone::distillation(loss)}));
  hone::Trainer alone(hone::TrainPlan(small, {.batch = batch, .seq = seq}));
  std::printf("of 1 layer, held out: %.4f alone, %.4f taught\n", learned(alone, text, nullptr),
              learned(taught, text, &teacher));
  taught.save(argc > 3 ? argv[3] : "student");
} catch (const hone::Error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return hone::exit_code(e.kind());
}
