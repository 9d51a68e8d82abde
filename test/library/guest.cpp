// A host program as hone's good manners are tested by: it trains a little in whatever surroundings it is
// given, and prints the weights' hash. Exit 1 where the library changed what belongs to the host, or wrote to
// its streams.
//
// guest [LOCALE]: stopped in the C locale, resumed under one whose decimal point is a comma.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xmmintrin.h>
#include <hone/hone.hpp>

#include <clocale>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <locale>
#include <string>

using namespace hone;  // no name of the library's clashes with the system's headers

namespace {

void require(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "guest: %s\n", what);
  std::exit(1);
}

// Standard output and error in files while the library works.
class Silence {
 public:
  Silence() {
    for (int fd : {1, 2}) {
      std::fflush(fd == 1 ? stdout : stderr);
      kept_[fd - 1] = dup(fd);
      const int file = ::open(name(fd), O_CREAT | O_TRUNC | O_WRONLY, 0600);
      dup2(file, fd);
      ::close(file);
    }
  }
  ~Silence() {
    std::fflush(nullptr);
    for (int fd : {1, 2}) dup2(kept_[fd - 1], fd), ::close(kept_[fd - 1]);
    for (int fd : {1, 2}) {
      struct stat s {};
      require(stat(name(fd), &s) == 0 && s.st_size == 0, "the library wrote to a standard stream");
      unlink(name(fd));
    }
  }

 private:
  static const char* name(int fd) { return fd == 1 ? "stdout.txt" : "stderr.txt"; }
  int kept_[2];
};

constexpr std::uint64_t seed = 5;

void write(const char* path, const std::string& text) {
  std::FILE* file = std::fopen(path, "w");
  std::fwrite(text.data(), 1, text.size(), file);
  std::fclose(file);
}

Text counting() {
  std::string text;
  for (int i = 100; i < 1000; ++i) text += std::to_string(i) + " ";
  write("counting.txt", text);
  return Text::of(text, Tokenizer::bytes(), seed);
}

std::string train_in_steps(const Text& text) {
  const Model model =
      preset("tiny", {.vocab_size = text.vocab_size(), .context = 24, .dropout = 0.1f, .seed = seed});
  Trainer trainer(
      TrainPlan(model, {.batch = 4, .seq = 24, .precision = Precision::bf16, .threads = 2, .seed = seed}));
  const Cosine lr{.peak = 1e-3f, .warmup = 3, .steps = 12, .least = 1e-5f};
  for (auto n = trainer.steps(); n < 12; n = trainer.steps())
    trainer.step(text.batch(n, 4, 24), {.lr = lr(n), .clip = 0.5f});
  trainer.evaluate(text.held_out(0, 3, 24));
  write("programs.txt", trainer.plan().print());
  trainer.save("model");
  text.tokenizer().save("model");
  return trainer.weights_hash();
}

// The same run in one call, stopped and resumed on the way: what a checkpoint says of its options is read
// back.
std::string train_in_one_call(std::int64_t stop_after) {
  std::stop_source stop;
  TrainingRun run;
  run.model = "tiny", run.data = "counting.txt", run.out = "run", run.steps = 12, run.warmup = 3;
  run.adamw = {.lr = 1e-3f, .clip = 0.5f}, run.min_lr = 1e-5f, run.dropout = 0.1f;
  run.plan = {.batch = 4, .seq = 24, .precision = Precision::bf16, .threads = 2, .seed = seed};
  run.stop = stop.get_token();
  run.on_step = [&](const StepEvent& e) {
    if (e.step == stop_after) stop.request_stop();
  };
  return train(run).weights_hash;
}

void generate_a_little() {
  const Tokenizer tokenizer = Tokenizer::open("model");
  Generator generator{GeneratePlan(hone::open("model"), {.threads = 2})};
  std::size_t bytes = 0;
  for (const Piece& piece : generator.generate(tokenizer.encode("250 "), {.max_tokens = 12}, &tokenizer))
    bytes += piece.text.size();
  require(bytes > 0, "nothing was generated");
  const EvalReport report = evaluate(hone::open("model"), Text("counting.txt"), {.seq = 24, .threads = 2});
  require(report.loss > 0 && report.tokens > 0, "nothing was evaluated");
}

void use_decimal_comma(const char* locale) {
  std::locale::global(std::locale(locale));  // C's too
  char half[8];
  std::snprintf(half, sizeof half, "%.1f", 0.5);
  require(std::strcmp(half, "0,5") == 0, "the locale writes no decimal comma");
}

}  // namespace

int main(int argc, char** argv) {
  const Text text = counting();
  const std::string half = train_in_one_call(5);
  if (argc > 1) use_decimal_comma(argv[1]);
  // Round upwards, flush denormals: whatever the host computes with is its own affair.
  const unsigned mode = 0x1f80u | 0x4000u | 0x8040u;
  _mm_setcsr(mode);
  const std::string locale = std::setlocale(LC_ALL, nullptr);
  struct sigaction interrupt {
  }, after{};
  sigaction(SIGINT, nullptr, &interrupt);
  char folder[4096], folder_after[4096];
  require(getcwd(folder, sizeof folder) != nullptr, "no folder");
  std::string hash, whole;
  {
    const Silence silence;
    hash = train_in_steps(text);
    whole = train_in_one_call(0);
    generate_a_little();
    try {
      hone::open("nowhere");
    } catch (const Error& e) {
      require(std::strlen(e.what()) > 0, "an error without words");
    }
    require((_mm_getcsr() & ~0x3fu) == (mode & ~0x3fu),
            "the floating-point mode was changed");  // but for the flags
    require(locale == std::setlocale(LC_ALL, nullptr), "the locale was changed");
    sigaction(SIGINT, nullptr, &after);
    require(interrupt.sa_handler == after.sa_handler, "a signal handler was installed");
    require(getcwd(folder_after, sizeof folder_after) && std::strcmp(folder, folder_after) == 0,
            "the folder was changed");
  }
  require(half != whole, "the first run was not stopped");
  require(hash == whole, "a loop of one's own, and one call that was stopped and resumed, differ");
  std::printf("%s\n", hash.c_str());
}
