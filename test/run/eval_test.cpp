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
  const std::int64_t predicted = text.all_tokens() - 1, windows = (predicted + 49) / 50;
  ASSERT_NE(predicted % 50, 0);  // the last window is shorter
  EXPECT_EQ(last, windows);
  EXPECT_EQ(r.tokens, predicted);

  double loss = 0, correct = 0;
  for (std::int64_t w = 0; w < windows; ++w) {
    const std::int64_t tokens = std::min<std::int64_t>(50, predicted - 50 * w);
    const auto ids = text.ids(50 * w, tokens + 1);
    const Batch batch{1, tokens, {ids.begin(), ids.end() - 1}, {ids.begin() + 1, ids.end()}};
    const auto logits = logits_of(model, batch, 1, best_isa());
    for (std::size_t t = 0; t < static_cast<std::size_t>(tokens); ++t) {
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

// The sum of the losses of ids[from..] within a window of ids.
double loss_of(const Model& model, const std::vector<std::int32_t>& ids, std::int64_t from) {
  const auto tokens = std::ssize(ids) - 1;
  const Batch batch{1, tokens, {ids.begin(), ids.end() - 1}, {ids.begin() + 1, ids.end()}};
  const auto logits = logits_of(model, batch, 1, best_isa());
  double loss = 0;
  for (std::int64_t t = std::max<std::int64_t>(from, 1) - 1; t < tokens; ++t) {
    const auto row = std::span(logits).subspan(static_cast<std::size_t>(t) * 512, 512);
    double sum = 0;
    for (const float x : row) sum += std::exp(static_cast<double>(x));
    loss += std::log(sum) -
            static_cast<double>(row[static_cast<std::size_t>(batch.labels[static_cast<std::size_t>(t)])]);
  }
  return loss;
}

// The loop of Hugging Face's page "Perplexity of fixed-length models", each token weighed alike.
TEST(Evaluate, WithAStrideIsWhatTransformersPageDefines) {
  const TemporaryFolder folder;
  const Model model = small();
  for (const std::int64_t length : {2, 29, 40, 41, 100, 333})
    for (const auto& [window, stride] :
         {std::pair<std::int64_t, std::int64_t>{40, 13}, {40, 40}, {40, 39}, {2, 1}}) {
      const Text text(folder.write("text", some_text().substr(0, static_cast<std::size_t>(length))));
      double loss = 0;
      std::int64_t tokens = 0, scored = 0;
      for (std::int64_t begin = 0; scored < length; begin += stride) {
        const std::int64_t end = std::min(begin + window, length),
                           from = std::max(scored - begin, std::int64_t{1});
        if (end - begin > 1) loss += loss_of(model, text.ids(begin, end - begin), from);
        tokens += std::max<std::int64_t>(0, end - begin - from);
        scored = end;
      }
      const EvalReport r = evaluate(model, text, {.seq = window, .stride = stride});
      EXPECT_EQ(r.tokens, tokens) << length << " " << window << " " << stride;
      EXPECT_EQ(r.stride, stride);
      EXPECT_NEAR(r.loss, loss / static_cast<double>(tokens), 1e-5)
          << length << " " << window << " " << stride;
    }
}

// Windows are filled up to one length, and computed together: neither may be seen in a number.
TEST(Evaluate, PaddingChangesNoPerplexity) {
  const TemporaryFolder folder;
  const Text brief(folder.write("brief", "some thirty bytes of a text..."));
  for (const std::int64_t stride : {0, 30}) {
    const double alone = evaluate(small(), brief, {.seq = 30, .stride = stride}).loss;
    for (const std::int64_t seq : {31, 64, 128})
      EXPECT_NEAR(evaluate(small(), brief, {.seq = seq, .stride = stride}).loss, alone, 1e-6) << seq;
  }
}

TEST(Evaluate, AStrideLeavesNoTokenOut) {
  const TemporaryFolder folder;
  const Text text(folder.write("text", some_text()));
  for (const std::int64_t stride : {-1, 65})
    EXPECT_NE(error_of(ErrorKind::usage, [&] { evaluate(small(), text, {.seq = 64, .stride = stride}); })
                  .find("stride"),
              std::string::npos);
}

TEST(Evaluate, SaysWhatTheTrainerSaysOfTheHeldOutPart) {
  const TemporaryFolder folder;
  const Text text(folder.write("text", some_text()));
  const Model model = small();
  for (const Precision precision : {Precision::f32, Precision::bf16, Precision::fp16}) {
    const TrainPlan plan(model, {.batch = 2, .seq = 64, .precision = precision});
    Trainer trainer(plan);
    const std::int64_t windows = text.held_out_windows(64);
    const EvalResult expected = trainer.evaluate(text.held_out(0, windows, 64));
    EvalOptions options{.seq = 64, .precision = precision, .max_tokens = 64 * windows, .held_out_only = true};
    const EvalReport found = evaluate(model, text, options);
    EXPECT_EQ(found.tokens, expected.tokens);
    EXPECT_EQ(found.loss, expected.loss);
    options.threads = 3;
    EXPECT_EQ(evaluate(model, text, options).loss, found.loss);
    options.max_tokens = 0;
    EXPECT_EQ(evaluate(model, text, options).tokens, text.held_out_tokens() - 1);
  }
}

TEST(Evaluate, DecidesTheWindowAndHeedsTheLimit) {
  const TemporaryFolder folder;
  const Text text(folder.write("text", some_text())), brief(folder.write("brief", "ten bytes."));
  for (const std::int64_t tokens : {1, 7, 128, 300})
    EXPECT_EQ(evaluate(small(), text, {.max_tokens = tokens}).tokens, tokens);
  EXPECT_EQ(evaluate(small(), text, {.max_tokens = 9999}).tokens, text.all_tokens() - 1);
  const EvalReport all = evaluate(small(), brief), padded = evaluate(small(), brief, {.seq = 100});
  EXPECT_EQ(all.seq, 9);
  EXPECT_EQ(padded.tokens, 9);
  EXPECT_NEAR(padded.loss, all.loss, 1e-6);
}

TEST(Evaluate, RefusesWhatDoesNotFit) {
  const TemporaryFolder folder;
  const Text text(folder.write("text", "ten bytes."));
  const std::string message =
      error_of(ErrorKind::input, [&] { evaluate(preset("nano", {.vocab_size = 100}), text); });
  EXPECT_NE(message.find("256"), std::string::npos);
  EXPECT_NE(message.find("100"), std::string::npos);
  const Text single(folder.write("single", "1"));
  const std::string none = error_of(ErrorKind::input, [&] { evaluate(small(), single); });
  EXPECT_NE(none.find("single"), std::string::npos) << none;
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
  for (const Precision precision : {Precision::f32, Precision::bf16, Precision::fp16}) {
    const std::string message = error_of(
        ErrorKind::input, [&] { evaluate(open(folder.path()), text, {.seq = 50, .precision = precision}); });
    EXPECT_NE(message.find("NaN"), std::string::npos) << message;
    EXPECT_NE(message.find("the weight transformer.h.1.ln_2.bias"), std::string::npos) << message;
  }
}

// Computed by length, as in training; in f32 a sample has the same losses padded or not.
TEST(Evaluate, PairsOfManyLengthsHaveTheLossAndHitsOfOneLength) {
  const TemporaryFolder folder;
  std::string lines;
  for (int i = 0; i < 90; ++i) {
    const std::size_t letters = i % 9 == 0 ? 60 : static_cast<std::size_t>(i % 7 + 1);
    lines += std::string(letters, static_cast<char>('a' + i % 5)) + "\t" + std::string(letters / 2 + 1, 'x') +
             "\n";
  }
  const Pairs pairs(folder.write("p.tsv", lines), {.tokenizer = "char"});
  ASSERT_FALSE(pairs.buckets().empty());
  const Model model = preset("transformer-tiny", {.vocab_size = pairs.vocab_size(),
                                                  .context = 64,
                                                  .seed = 3,
                                                  .sequence_tokens = pairs.tokenizer().sequence_tokens()});
  TrainPlanOptions one_length{.batch = 90, .seq = pairs.seq(), .threads = 1};
  one_length.sizes = {{"source_seq", pairs.source_seq()}};
  one_length.hits = true;
  Trainer trainer{TrainPlan(model, one_length)};
  const EvalResult expected = trainer.evaluate(pairs.all(0, 90).samples());
  const EvalReport found = evaluate(model, pairs);
  EXPECT_EQ(found.pairs, 90);
  EXPECT_EQ(found.tokens, expected.tokens);
  EXPECT_NEAR(found.loss, expected.loss, 1e-7 * expected.loss);
  EXPECT_NEAR(found.accuracy * static_cast<double>(found.tokens), static_cast<double>(expected.hits), 1e-6);
  EXPECT_NEAR(found.exact_match * 90, static_cast<double>(expected.exact), 1e-6);
  EXPECT_EQ(evaluate(model, pairs, {.threads = 1}).loss, found.loss);
}

}  // namespace
}  // namespace hone
