#include "hone/eval.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "../temporary_folder.hpp"
#include "hone/train.hpp"
#include "machine/isa.hpp"
#include "run/logits.hpp"

namespace hone {
namespace {

std::string some_text() {
  std::string text;
  for (int i = 0; text.size() < 3000; ++i)
    text += "line " + std::to_string(i * i) + " of a text, caf\xC3\xA9.\n";
  return text;
}

// 512 ids, 128 positions.
Model small() { return open(HONE_TEST_DATA "/models/gpt2"); }

TEST(Evaluate, IsTheLossOfTheForwardPass) {
  const TemporaryFolder folder;
  const Text text(folder.write("text", some_text()));
  const Model model = small();
  std::int64_t last = 0;
  const EvalReport r =
      evaluate(model, text, {.seq = 50, .progress = [&](std::int64_t done, std::int64_t) { last = done; }});
  const std::int64_t windows = text.all_windows(50);
  EXPECT_EQ(last, windows);
  EXPECT_EQ(r.tokens, windows * 50);

  double loss = 0, correct = 0;
  for (std::int64_t w = 0; w < windows; ++w) {
    const Batch batch = text.all(w, 1, 50);
    const auto logits = logits_of(model, batch, 1, best_isa());
    for (std::size_t t = 0; t < 50; ++t) {
      const auto row = std::span(logits).subspan(t * 512, 512);
      const auto label = static_cast<std::size_t>(batch.labels[t]);
      double sum = 0;
      std::size_t best = 0;
      for (std::size_t v = 0; v < 512; ++v) {
        sum += std::exp(static_cast<double>(row[v]));
        if (row[v] > row[best]) best = v;
      }
      loss += std::log(sum) - static_cast<double>(row[label]);
      correct += best == label;
    }
  }
  const auto tokens = static_cast<double>(r.tokens);
  EXPECT_NEAR(r.loss, loss / tokens, 1e-5);
  EXPECT_NEAR(r.accuracy, correct / tokens, 1e-12);
  EXPECT_NEAR(r.perplexity, std::exp(r.loss), 1e-9);
  EXPECT_NEAR(r.bits_per_byte, r.loss / std::log(2.0), 1e-9);  // a byte is a token here
}

TEST(Evaluate, SaysWhatTheTrainerSaysOfTheHeldOutPart) {
  const TemporaryFolder folder;
  const Text text(folder.write("text", some_text()));
  const Model model = small();
  for (const Precision precision : {Precision::f32, Precision::bf16}) {
    const TrainPlan plan(model, {.batch = 2, .seq = 64, .precision = precision});
    Trainer trainer(plan);
    const EvalResult expected = trainer.evaluate(text.held_out(0, text.held_out_windows(64), 64));
    const EvalReport found =
        evaluate(model, text, {.seq = 64, .precision = precision, .held_out_only = true});
    EXPECT_EQ(found.tokens, expected.tokens);
    EXPECT_EQ(found.loss, expected.loss);
    EXPECT_EQ(
        evaluate(model, text, {.seq = 64, .precision = precision, .threads = 3, .held_out_only = true}).loss,
        found.loss);
  }
}

TEST(Evaluate, DecidesTheWindowAndHeedsTheLimit) {
  const TemporaryFolder folder;
  const Text text(folder.write("text", some_text())), brief(folder.write("brief", "ten bytes."));
  EXPECT_EQ(evaluate(small(), text, {.max_tokens = 300}).tokens, 256);  // whole windows of the context
  EXPECT_EQ(evaluate(small(), brief).seq, 9);
}

TEST(Evaluate, RefusesWhatDoesNotFit) {
  const TemporaryFolder folder;
  const Text text(folder.write("text", "ten bytes."));
  const std::string message =
      error_of(ErrorKind::input, [&] { evaluate(preset("nano", {.vocab_size = 100}), text); });
  EXPECT_NE(message.find("256"), std::string::npos);
  EXPECT_NE(message.find("100"), std::string::npos);
  error_of(ErrorKind::input, [&] { evaluate(small(), text, {.seq = 10}); });
  error_of(ErrorKind::usage, [&] { evaluate(small(), text, {.seq = 129}); });
  error_of(ErrorKind::usage, [&] { evaluate(small(), text, {.max_tokens = -1}); });
}

TEST(Evaluate, AWeightThatIsNotFiniteIsNamed) {
  const TemporaryFolder folder;
  small().save(folder.path());
  std::string file = read_whole(folder.file("model.safetensors"));
  const auto header = static_cast<std::size_t>(static_cast<unsigned char>(file[0])) +
                      256 * static_cast<std::size_t>(static_cast<unsigned char>(file[1]));
  const std::string name = "\"transformer.h.1.ln_2.bias\":";
  const auto offsets = file.find("data_offsets\":[", file.find(name)) + 15;
  const std::size_t at = 8 + header + std::stoul(file.substr(offsets));
  file.replace(at, 4, std::string("\0\0\xc0\x7f", 4));
  folder.write("model.safetensors", file);
  const Text text(folder.write("text", some_text()));
  for (const Precision precision : {Precision::f32, Precision::bf16}) {
    const std::string message = error_of(
        ErrorKind::failed, [&] { evaluate(open(folder.path()), text, {.seq = 50, .precision = precision}); });
    EXPECT_NE(message.find("NaN"), std::string::npos) << message;
    EXPECT_NE(message.find("the weight transformer.h.1.ln_2.bias"), std::string::npos) << message;
  }
}

}  // namespace
}  // namespace hone
