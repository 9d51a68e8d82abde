// Generation by an encoder-decoder: the source is read once, the target step by step.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "../temporary_folder.hpp"
#include "base/random.hpp"
#include "hone/generate.hpp"
#include "machine/isa.hpp"
#include "run/beams.hpp"
#include "run/logits.hpp"

namespace hone {
namespace {

using Ids = std::vector<std::int32_t>;

constexpr std::int32_t begin_token = 3, end_token = 7;

Model golden(const std::string& name) {
  return open(HONE_TEST_DATA "/models/" + name,
              {.sequence_tokens = {.begin = begin_token, .end = end_token}});
}

// Positions, scaled and tied embeddings, whose first weights tell tokens apart.
Model tiny(const std::string& positions) {
  const TemporaryFolder folder;
  const std::string path = folder.write(
      "config.json",
      fmt::format(
          R"({{"model_type": "torch_transformer", "d_model": 32, "nhead": 4, "num_encoder_layers": 2,
                   "num_decoder_layers": 2, "dim_feedforward": 64, "dropout": 0.1, "vocab_size": 50,
                   "positions": "{}", "scale_embedding": true, "tie_word_embeddings": true,
                   "max_position_embeddings": 150, "norm_first": true,
                   "bos_token_id": {}, "eos_token_id": {}}})",
          positions, begin_token, end_token));
  return from_config(path, {.seed = 5});
}

Ids some_ids(std::int64_t count, std::int64_t below) {
  Stream stream(stream_key("source", static_cast<std::uint64_t>(count)));
  Ids ids;
  for (std::int64_t i = 0; i < count; ++i)
    ids.push_back(static_cast<std::int32_t>(stream.below(static_cast<std::uint64_t>(below))));
  return ids;
}

// The logits behind a target, by the program that evaluates: source and target whole, and nothing cached.
std::vector<float> logits_behind(const Model& model, const Ids& source, const Ids& target) {
  const std::vector<std::int32_t> length{static_cast<std::int32_t>(source.size())},
      labels(target.size(), -100);
  const Samples samples = Samples(1)
                              .set("source", source)
                              .set("source_lengths", length)
                              .set("target", target)
                              .set("labels", labels);
  const auto all = logits_of(model, samples,
                             {.seq = std::ssize(target),
                              .sizes = {{"source_seq", std::ssize(source)}},
                              .threads = 1,
                              .isa = best_isa()});
  return {all.end() - model.vocab_size(), all.end()};
}

double difference(std::span<const float> found, const std::vector<float>& expected) {
  double most = 0, largest = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    most = std::max(most, std::abs(static_cast<double>(found[i] - expected[i])));
    largest = std::max(largest, std::abs(static_cast<double>(expected[i])));
  }
  return most / largest;
}

// Lengths on both sides of the buckets that sources are padded to.
TEST(EncoderDecoder, StepsHaveTheLogitsOfTheWhole) {
  for (const Model& model : {golden("torch_transformer"), golden("torch_transformer_pre_norm"),
                             tiny("sinusoidal"), tiny("learned")})
    for (const auto precision : {Precision::f32, Precision::bf16}) {
      Generator generator{GeneratePlan(model, {.precision = precision, .threads = 2})};
      for (const std::int64_t length : {1, 16, 17, 100}) {
        const Ids source = some_ids(length, model.vocab_size());
        generator.read_source(source);
        Ids target;
        for (const std::int32_t token : {begin_token, 11, 12, 30, 5}) {
          target.push_back(token);
          generator.append({&token, 1});
          EXPECT_LT(difference(generator.logits(), logits_behind(model, source, target)),
                    precision == Precision::f32 ? 2e-6 : 0.04)
              << length << " " << target.size();
        }
      }
    }
}

Ids generated(const Model& model, const Ids& source, const GenerateOptions& options,
              const SamplingOptions& sampling) {
  Generator generator{GeneratePlan(model, options)};
  Ids ids;
  for (const Piece& piece : generator.generate(source, sampling)) ids.push_back(piece.token);
  return ids;
}

TEST(EncoderDecoder, GreedyIsTheLargestLogitOfTheEvaluationProgram) {
  for (const Model& model : {golden("torch_transformer"), tiny("sinusoidal")}) {
    const Ids source = some_ids(23, model.vocab_size());
    const Ids found = generated(model, source, {.threads = 2}, {.temperature = 0, .max_tokens = 12});
    Ids target{begin_token};
    for (const std::int32_t token : found) {
      const auto logits = logits_behind(model, source, target);
      EXPECT_EQ(token, std::max_element(logits.begin(), logits.end()) - logits.begin());
      target.push_back(token);
    }
    EXPECT_TRUE(found.size() == 12 || found.back() == end_token);
    EXPECT_EQ(found, generated(model, source, {.threads = 1}, {.temperature = 0, .max_tokens = 12}));
    EXPECT_EQ(generated(model, source, {.threads = 1}, {.seed = 4, .max_tokens = 12}),
              generated(model, source, {.threads = 2}, {.seed = 4, .max_tokens = 12}));
  }
}

// The same search without a cache: every sequence read anew at every step.
Ids searched_plainly(const Model& model, const Ids& source, std::int64_t count, std::int64_t max_tokens) {
  ThreadPool pool(1);
  Beams all({.beams = count, .is_stop = [](std::int32_t id) { return id == end_token; }}, best_isa(), pool);
  std::vector<Ids> targets{{begin_token}};
  for (std::int64_t length = 1; length <= max_tokens; ++length) {
    std::vector<float> logits;
    for (const Ids& target : targets) {
      const auto row = logits_behind(model, source, target);
      logits.insert(logits.end(), row.begin(), row.end());
    }
    all.advance(logits, std::ssize(targets), model.vocab_size());
    if (all.done()) break;
    std::vector<Ids> next;
    for (std::size_t i = 0; i < all.parents().size(); ++i) {
      next.push_back(targets[static_cast<std::size_t>(all.parents()[i])]);
      next.back().push_back(all.tokens()[i]);
    }
    targets = std::move(next);
  }
  Ids ids;
  for (const BeamToken& t : all.best().tokens) ids.push_back(t.token);
  return ids;
}

// Past a block of the cache, so that beams share whole blocks and copy the one that is being filled.
TEST(EncoderDecoder, BeamsFindWhatASearchWithoutACacheFinds) {
  for (const Model& model : {golden("torch_transformer"), tiny("sinusoidal"), tiny("learned")}) {
    const Ids source = some_ids(9, model.vocab_size());
    const std::int64_t tokens = model.context() ? 75 : 20;
    const Ids expected = searched_plainly(model, source, 3, tokens);
    for (const int threads : {1, 2})
      EXPECT_EQ(generated(model, source, {.threads = threads, .beams = 3}, {.max_tokens = tokens}), expected);
  }
}

std::string complaint(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "nothing";
}

TEST(EncoderDecoder, WhatCannotBeReadIsSaid) {
  const auto says = [](const char* part, const std::string& message) {
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  const Model model = tiny("sinusoidal");
  Generator generator{GeneratePlan(model, {.threads = 1, .source_context = 20})};
  const Ids begin{begin_token};
  says("a target without a source", complaint([&] { generator.append(begin); }));
  says("source exceeds the context", complaint([&] { generator.generate(some_ids(21, 50)); }));
  says("token 1 of the source", complaint([&] { generator.read_source(Ids{1, 50}); }));
  says("source is empty", complaint([&] { generator.read_source({}); }));
  says("beams", complaint([&] { GeneratePlan(model, {.beams = 0}); }));
  says("bos_token_id", complaint([&] {
         const Model silent = open(HONE_TEST_DATA "/models/torch_transformer");
         Generator(GeneratePlan(silent, {.threads = 1})).generate(begin);
       }));
  says("reads no source", complaint([&] {
         const Model gpt = open(HONE_TEST_DATA "/models/gpt2");
         Generator(GeneratePlan(gpt, {.threads = 1})).read_source(begin);
       }));
  const Network pixels = [](Builder& b) -> Outputs {
    return {{"logits", linear(b.input("pixels", {3, 8}, {}), "head", 50)}};
  };
  const Objective objective = [](Builder& b, const Outputs& out) -> std::vector<LossTerm> {
    const auto labels = b.input("labels", {3}, {.kind = InputKind::labels, .below = 50});
    return {{"loss", cross_entropy(out.at("logits"), labels)}};
  };
  says("inputs that generation does not know",
       complaint([&] { GeneratePlan(Model(pixels, objective, {.vocab_size = 50, .context = 9})); }));
}

}  // namespace
}  // namespace hone
