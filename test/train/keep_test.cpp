// What a plan keeps for its caller: activations by name, at no cost to anything else.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tiny_gpt2.hpp"

namespace hone {
namespace {

constexpr std::int64_t B = 6, T = 12, V = 67, C = 51;
const StepOptions adamw{.lr = 3e-3f, .clip = 1};

Batch batch(std::int64_t n) { return toy_batch(n, B, T, V); }

TrainPlan plan(TrainPlanOptions options, const Model& model = TinyGpt2{}.model()) {
  options.batch = B;
  options.seq = T;
  if (options.threads == 0) options.threads = 1;
  return {model, options};
}

std::vector<float> activation(const Trainer& t, const std::string& name, std::int64_t width) {
  std::vector<float> values(static_cast<std::size_t>(t.plan().batch() * t.plan().seq() * width));
  t.read_activation(name, values);
  return values;
}

std::vector<float> weight(const Trainer& t, const std::string& name) {
  std::vector<float> values(static_cast<std::size_t>(t.plan().model().size(name)));
  t.read(name, values);
  return values;
}

const std::vector<std::string> some{"transformer.wte",     "transformer.h.0.attn.c_attn",
                                    "transformer.h.0.mlp", "transformer.h.1",
                                    "transformer.ln_f",    "logits",
                                    "transformer.h.1.sum", "transformer.h.1.gelu_new"};

std::int64_t width_of(const std::string& name) {
  if (name == "logits") return V;
  return name.ends_with("c_attn") ? 3 * C : name.ends_with("gelu_new") ? 4 * C : C;
}

std::vector<float> gradient(const Trainer& t, const std::string& name) {
  std::vector<float> values(static_cast<std::size_t>(t.plan().model().size(name)));
  t.read_gradient(name, values);
  return values;
}

// A tied table has a sum for each of its uses, or a sum and rows; whoever reads its gradient sees them
// together, in the middle of a step too, and the step goes on as if nobody had looked.
TEST(Keep, AGradientIsWholeBeforeTheUpdateToo) {
  const std::string wte = "transformer.wte.weight";
  for (const std::int64_t vocab_size :
       {V, std::int64_t{300}}) {  // of 300 rows the step's 72 are kept instead
    const Model model = TinyGpt2{.vocab_size = vocab_size}.model();
    Trainer t(plan({.micro_batch = 3, .keep = {wte}}, model)), other(plan({.micro_batch = 3}, model));
    const Batch b = toy_batch(0, B, T, vocab_size);
    const BatchView all = b;
    t.accumulate(all.rows(0, 3), all.tokens()), other.accumulate(all.rows(0, 3), all.tokens());
    const auto half = gradient(t, wte);
    EXPECT_EQ(gradient(t, wte), half);
    t.accumulate(all.rows(3, 3), all.tokens()), other.accumulate(all.rows(3, 3), all.tokens());
    const auto whole = gradient(t, wte);
    EXPECT_NE(whole, half);
    const StepResult done = t.update(adamw);
    EXPECT_EQ(gradient(t, wte), whole);
    other.update(adamw);
    EXPECT_EQ(other.weights_hash(), t.weights_hash());
    EXPECT_GT(done.grad_norm, 0);
  }
}

TEST(Keep, ChangesNoBitAndIsTheSameForAnySplit) {
  for (const Precision precision : {Precision::f32, Precision::bf16, Precision::fp16}) {
    Trainer plain(plan({.micro_batch = 6, .precision = precision}));
    Trainer whole(plan({.micro_batch = 6, .precision = precision, .keep = some}));
    Trainer parts(plan({.micro_batch = 4, .precision = precision, .threads = 3, .keep = some}));
    for (int n = 0; n < 2; ++n)
      for (Trainer* t : {&plain, &whole, &parts}) t->step(batch(n), adamw);
    EXPECT_EQ(whole.weights_hash(), plain.weights_hash());
    EXPECT_EQ(parts.weights_hash(), plain.weights_hash());
    for (const std::string& name : some) {
      const auto values = activation(whole, name, width_of(name));
      EXPECT_EQ(activation(parts, name, width_of(name)), values) << name;
      EXPECT_TRUE(std::ranges::any_of(values, [](float v) { return v != 0 && std::isfinite(v); })) << name;
    }
  }
}

TEST(Keep, TheLogitsAreTheHeadOfTheLastNorm) {
  Trainer t(plan({.keep = some}));
  const auto table = weight(t, "transformer.wte.weight");
  t.step(batch(0), adamw);
  const auto x = activation(t, "transformer.ln_f", C), logits = activation(t, "logits", V);
  for (std::size_t row = 0; row < static_cast<std::size_t>(B * T); ++row)
    for (std::size_t v = 0; v < V; ++v) {
      double expected = 0;
      for (std::size_t k = 0; k < C; ++k)
        expected += static_cast<double>(x[row * C + k]) * static_cast<double>(table[v * C + k]);
      ASSERT_NEAR(static_cast<double>(logits[row * V + v]), expected, 1e-5) << row << " " << v;
    }
  const auto rows = activation(t, "transformer.wte", C);
  for (std::size_t row = 0; row < static_cast<std::size_t>(B * T); ++row)
    for (std::size_t k = 0; k < C; ++k)
      ASSERT_EQ(rows[row * C + k], table[static_cast<std::size_t>(batch(0).ids[row]) * C + k]);
}

double loss_of(std::span<const float> logits, const Batch& batch, std::size_t vocabulary) {
  double sum = 0;
  for (std::size_t row = 0; row < batch.labels.size(); ++row) {
    if (batch.labels[row] < 0) continue;
    const auto of = logits.subspan(row * vocabulary, vocabulary);
    double all = 0;
    for (const float x : of) all += std::exp(static_cast<double>(x));
    sum += std::log(all) - static_cast<double>(of[static_cast<std::size_t>(batch.labels[row])]);
  }
  return sum / static_cast<double>(batch.tokens());
}

// Logits that the loss never has whole: 1,024 positions of 5,000, by 512 positions.
TEST(Keep, TheLogitsOfALossByChunks) {
  constexpr std::int64_t vocabulary = 5000;
  const Model model = TinyGpt2{.layers = 1, .vocab_size = vocabulary, .context = 256}.model();
  const Batch batch = toy_batch(0, 8, 256, vocabulary);
  const TrainPlanOptions options{.batch = 8, .micro_batch = 4, .seq = 256, .threads = 2, .keep = {"logits"}};
  TrainPlanOptions without = options;
  without.keep.clear();
  Trainer t(TrainPlan(model, options)), plain(TrainPlan(model, without));
  const StepResult done = t.step(batch, adamw);
  plain.step(batch, adamw);
  EXPECT_NEAR(loss_of(activation(t, "logits", vocabulary), batch, vocabulary), done.loss, 1e-5);
  EXPECT_EQ(t.weights_hash(), plain.weights_hash());
}

TEST(Keep, TheForecastCountsIt) {
  const auto kept_bytes = [](const TrainPlan& p) {
    std::int64_t bytes = 0;
    for (const auto& [name, size] : p.forecast().breakdown)
      if (name == "kept") bytes += size;
    return bytes;
  };
  EXPECT_EQ(kept_bytes(plan({})), 0);
  EXPECT_EQ(kept_bytes(plan({.keep = {"logits", "transformer.h.0"}})), B * T * (V + C) * 4);
  EXPECT_GE(plan({.keep = {"logits"}}).forecast().arena_bytes,
            plan({}).forecast().arena_bytes + B * T * V * 4);
}

TEST(Forecast, CountsTheTextThatIsHeld) {
  const TrainPlan without = plan({}), with = plan({.text_bytes = std::int64_t{100} << 20});
  EXPECT_EQ(with.peak_bytes() - without.peak_bytes(), std::int64_t{100} << 20);
  std::int64_t sum = 0, text = 0;
  for (const auto& [name, size] : with.forecast().breakdown) {
    sum += size;
    if (name == "text") text = size;
  }
  EXPECT_EQ(text, std::int64_t{100} << 20);
  EXPECT_EQ(sum, with.peak_bytes());
}

// Memory that a text takes before there is an arena, and gives back, is the peak only if it exceeds that.
TEST(Forecast, CountsOfReadingWhatExceedsTheArena) {
  const TrainPlan none = plan({});
  const std::int64_t arena = none.forecast().arena_bytes;
  EXPECT_EQ(plan({.reading_bytes = arena}).peak_bytes(), none.peak_bytes());
  const TrainPlan more = plan({.reading_bytes = arena + (8 << 20)});
  EXPECT_GT(more.peak_bytes(), none.peak_bytes());
  EXPECT_LE(more.peak_bytes(), none.peak_bytes() + (8 << 20));
}

TEST(Keep, NamesOfAnArchitectureOfOnesOwn) {
  const auto architecture = [](Builder& b, Tensor tokens) {
    auto x = embedding(tokens, b.parameter("wte", {11, 6}));
    for (int i = 0; i < 2; ++i) {
      const auto scope = b.scope("block", i);
      x = x + linear(relu(linear(x, "up", 10)), "down", 6);
      const auto halves = split(linear(x, "gate", 12), {6, 6});
      x = named(x + (halves[0] + named(halves[1], "right")), "out");
    }
    return linear(x, "head", 11);
  };
  const Model model(architecture, {.vocab_size = 11, .context = 8});
  const std::vector<std::string> names{"embedding",   "block.0.up",    "block.1.relu",  "block.1.sum",
                                       "block.1.out", "block.1.right", "block.1.sum.2", "block.1.gate"};
  Trainer t(TrainPlan(model, {.batch = 2, .micro_batch = 1, .seq = 8, .threads = 1, .keep = names}));
  t.step(toy_batch(0, 2, 8, 11), adamw);
  const auto gate = activation(t, "block.1.gate", 12), right = activation(t, "block.1.right", 6);
  const auto out = activation(t, "block.1.out", 6), before = activation(t, "block.1.sum", 6);
  for (std::size_t row = 0; row < 16; ++row)
    for (std::size_t k = 0; k < 6; ++k) {
      EXPECT_EQ(right[row * 6 + k], gate[row * 12 + 6 + k]);
      EXPECT_EQ(out[row * 6 + k], before[row * 6 + k] + (gate[row * 12 + k] + right[row * 6 + k]));
    }
}

std::string refusal(const Architecture& architecture) {
  return error_of(ErrorKind::input, [&] { Model(architecture, {.vocab_size = 11, .context = 8}); });
}

TEST(Keep, ANameIsOfOneTensorThatIsComputed) {
  const std::string twice = refusal([](Builder& b, Tensor tokens) {
    const auto scope = b.scope("body");
    const auto x = named(embedding(tokens, b.parameter("wte", {11, 6})), "x");
    return linear(named(linear(x, "a", 6), "x"), "head", 11);
  });
  EXPECT_NE(twice.find("two tensors of one name"), std::string::npos) << twice;
  EXPECT_NE(twice.find("body.x"), std::string::npos) << twice;
  const std::string parameter = refusal([](Builder& b, Tensor tokens) {
    return linear(embedding(tokens, named(b.parameter("wte", {11, 6}), "table")), "head", 11);
  });
  EXPECT_NE(parameter.find("table"), std::string::npos) << parameter;
}

TEST(Keep, RefusesWhatItCannotGive) {
  const std::string unknown = error_of(ErrorKind::usage, [&] { plan({.keep = {"transformer.h.0.mpl"}}); });
  EXPECT_NE(unknown.find("'transformer.h.0.mlp'"), std::string::npos) << unknown;
  Trainer t(plan({.keep = {"transformer.ln_f", "transformer.ln_f.weight"}}));
  std::vector<float> values(static_cast<std::size_t>(B * T * C)), few(C);
  error_of(ErrorKind::usage, [&] { t.read_activation("transformer.ln_f", values); });  // no step yet
  error_of(ErrorKind::usage, [&] { t.read_gradient("transformer.ln_f.weight", few); });
  t.step(batch(0), adamw);
  EXPECT_NO_THROW(t.read_activation("transformer.ln_f", values));
  EXPECT_NO_THROW(t.read_gradient("transformer.ln_f.weight", few));
  for (const char* name : {"logits", "transformer.ln_f.weight", "nonsense"})
    error_of(ErrorKind::usage, [&] { t.read_activation(name, values); });
  error_of(ErrorKind::usage, [&] { t.read_activation("transformer.ln_f", few); });
}

}  // namespace
}  // namespace hone
