// Streams text from a model: generate [FOLDER [PROMPT]]. Ctrl-C, or the end of a line, stops it.
// Without a folder it first trains a model that counts; the second time it finds that model there.
#include <hone/hone.hpp>

#include <csignal>
#include <cstdio>
#include <fstream>
#include <string>

namespace {

volatile std::sig_atomic_t interrupted = 0;

std::string trained_model() {
  std::ofstream text("counting.txt");
  for (int i = 0; i < 3000; ++i) text << 10 + i % 90 << (i % 10 == 9 ? "\n" : " ");
  text.close();
  hone::TrainingRun run;  // what `hone train` does; started again, a finished run does no step
  run.model = "tiny";
  run.data = "counting.txt";
  run.out = "counting";
  run.steps = 200;
  run.warmup = 20;
  run.adamw.lr = 2e-3f;
  run.plan = {.batch = 8, .seq = 32, .precision = hone::Precision::bf16};
  hone::train(run);
  return run.out;
}

}  // namespace

int main(int argc, char** argv) try {
  const std::string folder = argc > 1 ? argv[1] : trained_model(), prompt = argc > 2 ? argv[2] : "21 22 23 ";
  std::signal(SIGINT, [](int) { interrupted = 1; });  // the library installs no handler

  const hone::Model model = hone::open(folder);
  const hone::Tokenizer tokenizer = hone::Tokenizer::open(folder);
  hone::Generator generator(hone::GeneratePlan(model, {.precision = hone::Precision::bf16}));
  const hone::SamplingOptions sampling{.temperature = 0.5f, .seed = 1, .stop_tokens = tokenizer.encode("\n")};
  std::fputs(prompt.c_str(), stdout);
  for (const hone::Piece& piece : generator.generate(tokenizer.encode(prompt), sampling, &tokenizer)) {
    std::fwrite(piece.text.data(), 1, piece.text.size(), stdout);
    std::fflush(stdout);
    if (interrupted) break;
  }
  std::printf("\n(%s)\n", interrupted ? "interrupted" : hone::name(generator.finish()));
} catch (const hone::Error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return hone::exit_code(e.kind());
}
