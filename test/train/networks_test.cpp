// Networks of other kinds than a language model, as people write them: each is a function or two, and the
// engine does what it does for any: same bits over micro-batches and threads, a forecast that is what is
// taken, saved and opened again, in f32, bf16 and fp16.
#include <gtest/gtest.h>

#include <cmath>

#include "base/random.hpp"
#include "hone/eval.hpp"
#include "hone/generate.hpp"
#include "model/model_impl.hpp"
#include "op/ops.hpp"
#include "temporary_folder.hpp"
#include "train/trainer_impl.hpp"

namespace hone {
namespace {

constexpr std::int64_t B = 6;

// What stands in a batch: the memory of its Samples.
struct Values {
  std::map<std::string, std::vector<float>> floats;
  std::map<std::string, std::vector<std::int32_t>> ids;
  Samples samples() const {
    Samples s(B);
    for (const auto& [name, values] : floats) s.set(name, std::span(values));
    for (const auto& [name, values] : ids) s.set(name, std::span(values));
    return s;
  }
};

struct Case {
  const char* name;
  Network network;
  Objective objective;
  std::function<Values(Stream&)> values;  // of a batch: something that can be learned
  std::vector<ForwardPass> passes = {};

  Model model() const {
    Model m(network, objective);
    for (const ForwardPass& pass : passes) m = with_pass(m, pass);
    return m;
  }
  Model reopened(const std::string& folder) const {
    return open_custom(folder, network, objective, {}, passes);
  }
  Values batch(std::int64_t n) const {
    Stream stream(stream_key(name, static_cast<std::uint64_t>(n)));
    return values(stream);
  }
};

std::int32_t draw(Stream& s, std::int64_t below) {
  return static_cast<std::int32_t>(s.below(static_cast<std::uint64_t>(below)));
}

// --- pixels in, class out ----------------------------------------------------------------------------------

// An image is 4 x 4 patches of 8 values; its class is where the bright patch lies.
Outputs classifier(Builder& b) {
  const auto patches = b.input("pixels", {16, 8}, {.kind = InputKind::values});
  const auto places = embedding(b.positions(16), b.parameter("places", {16, 12}));
  auto x = linear(patches, "patch", 12) + places;
  const auto n = layer_norm(x, "norm");
  x = x + linear(attention(linear(n, "q", 12), linear(n, "k", 12), linear(n, "v", 12),
                           {.heads = 2, .causal = false, .dropout = 0.1f}),
                 "proj", 12);
  return {{"class", linear(reshape(x, {b.batch(), 16 * 12}), "head", 16)}};
}
std::vector<LossTerm> class_of_image(Builder& b, const Outputs& out) {
  const auto labels = b.input("class", {}, {.kind = InputKind::labels, .below = 16});
  return {{"loss", cross_entropy(out.at("class"), labels)}};
}
Values images(Stream& s) {
  Values v;
  for (std::int64_t i = 0; i < B; ++i) {
    const std::int32_t bright = draw(s, 16);
    v.ids["class"].push_back(bright);
    for (std::int64_t p = 0; p < 16 * 8; ++p)
      v.floats["pixels"].push_back(0.1f * s.normal() + (p / 8 == bright ? 1.0f : 0.0f));
  }
  return v;
}

// --- a source with lengths, a loss on the target only
// --------------------------------------------------------

constexpr std::int64_t S = 7, T = 5, V = 11;

Outputs translator(Builder& b) {
  const auto source = b.input("source", {S}, {.kind = InputKind::ids, .below = V});
  const auto lengths = b.input("lengths", {}, {.kind = InputKind::lengths, .below = S});
  const auto target = b.input("target", {T}, {.kind = InputKind::ids, .below = V});
  const auto table = b.parameter("table", {V, 16});
  const auto far = b.parameter("far", {S, 16}), near = b.parameter("near", {T, 16});
  auto m = embedding(source, table) + embedding(b.positions(S), far);
  m = m + attention(linear(m, "q", 16), linear(m, "k", 16), linear(m, "v", 16),
                    {.heads = 2, .causal = false, .lengths = lengths});
  auto x = embedding(target, table) + embedding(b.positions(T), near);
  x = x + attention(linear(x, "q2", 16), linear(x, "k2", 16), linear(x, "v2", 16), {.heads = 2});
  x = x + attention(linear(x, "q3", 16), linear(m, "k3", 16), linear(m, "v3", 16),
                    {.heads = 2, .causal = false, .lengths = lengths});
  return {{"logits", linear(layer_norm(x, "norm"), table)}};
}
std::vector<LossTerm> target_only(Builder& b, const Outputs& out) {
  const auto labels = b.input("labels", {T}, {.kind = InputKind::labels, .below = V});
  return {{"loss", cross_entropy(out.at("logits"), labels)}};
}
// The target is the source, as far as it goes.
Values pairs(Stream& s) {
  Values v;
  for (std::int64_t i = 0; i < B; ++i) {
    const std::int32_t length = 2 + draw(s, S - 1);
    std::vector<std::int32_t> source;
    for (std::int64_t t = 0; t < S; ++t) source.push_back(1 + draw(s, V - 1));
    v.ids["lengths"].push_back(length);
    v.ids["source"].insert(v.ids["source"].end(), source.begin(), source.end());
    for (std::size_t t = 0; t < static_cast<std::size_t>(T); ++t) {
      const bool there = static_cast<std::int32_t>(t) < length;
      v.ids["target"].push_back(t == 0 ? 0 : source[t - 1]);
      v.ids["labels"].push_back(there ? source[t] : -100);
    }
  }
  return v;
}

// --- two losses, of unequal numbers of labels and unequal weights
// --------------------------------------------

Outputs two_heads(Builder& b) {
  const auto ids = b.input("words", {T}, {.kind = InputKind::ids, .below = V});
  const auto x = layer_norm(embedding(ids, b.parameter("table", {V, 16})), "norm");
  return {{"next", linear(x, "next", V)},
          {"topic", linear(reshape(x, {b.batch(), T * 16}), "topic", 3, {.bias = false})}};
}
std::vector<LossTerm> both(Builder& b, const Outputs& out) {
  const auto next = b.input("next", {T}, {.kind = InputKind::labels, .below = V});
  const auto topic = b.input("topic", {}, {.kind = InputKind::labels, .below = 3});
  return {{"next", cross_entropy(out.at("next"), next)},
          {"topic", cross_entropy(out.at("topic"), topic), 0.25f}};
}
Values words(Stream& s) {
  Values v;
  for (std::int64_t i = 0; i < B; ++i) {
    const std::int32_t topic = draw(s, 3);
    v.ids["topic"].push_back(i == 2 ? -100 : topic);
    for (std::int64_t t = 0; t < T; ++t) {
      v.ids["words"].push_back(topic * 3 + draw(s, 3));
      v.ids["next"].push_back(t == T - 1 ? -100 : (v.ids["words"].back() + 1) % static_cast<std::int32_t>(V));
    }
  }
  return v;
}

// --- a frozen table with trained layers over it
// --------------------------------------------------------------

Outputs over_frozen(Builder& b) {
  const auto ids = b.input("words", {T}, {.kind = InputKind::ids, .below = V});
  const auto table = b.parameter("table", {V, 16}, {.init = normal(1), .trained = false});
  const auto x = linear(embedding(ids, table), b.parameter("fixed", {16, 16}, {.trained = false}));
  return {{"logits", linear(gelu(linear(x, "up", 24)), "head", V)}};
}
std::vector<LossTerm> follower(Builder& b, const Outputs& out) {
  const auto labels = b.input("next", {T}, {.kind = InputKind::labels, .below = V});
  return {{"loss", cross_entropy(out.at("logits"), labels)}};
}
Values followers(Stream& s) {
  Values v = words(s);
  v.ids.erase("topic");
  return v;
}

// --- a parameter that a pass added
// -----------------------------------------------------------------------------

// Every product without a bias gets one.
void add_biases(Program& p, const BuildOptions&) {
  for (Node& node : p.nodes) {
    TensorId& bias = node.inputs[std::min<std::size_t>(node.inputs.size() - 1, op::LinearInputs::bias)];
    if (node.op != &op::linear || bias) continue;
    const std::string name = p[node.inputs[op::LinearInputs::weight]].name + ".added_bias";
    const Shape shape{p[node.outputs[0]].type.shape.last()};
    bias = add_parameter(p, {.name = name, .shape = shape, .init = zeros(), .decay = false});
  }
}

std::vector<Case> cases() {
  return {{"classifier", classifier, class_of_image, images},
          {"translator", translator, target_only, pairs},
          {"two_losses", two_heads, both, words},
          {"frozen", over_frozen, follower, followers},
          {"added", two_heads, both, words, {add_biases}}};
}

class Networks : public testing::TestWithParam<std::tuple<Case, Precision>> {
 protected:
  const Case& c() const { return std::get<0>(GetParam()); }
  TrainPlan plan(std::int64_t micro_batch, int threads, const std::string& optimizer = "adamw") const {
    return {c().model(),
            {.batch = B,
             .micro_batch = micro_batch,
             .seq = T,
             .precision = std::get<1>(GetParam()),
             .optimizer = optimizer,
             .threads = threads}};
  }
  void train(Trainer& t, std::int64_t to) const {
    for (auto n = t.steps(); n < to; n = t.steps()) t.step(c().batch(n).samples(), {.lr = 1e-2f, .clip = 1});
  }
};

TEST_P(Networks, Learn) {
  Trainer t(plan(3, 1));
  const Values unseen = c().batch(1000);
  const double before = t.evaluate(unseen.samples()).loss;
  train(t, 500);
  EXPECT_LT(t.evaluate(unseen.samples()).loss, 0.6 * before);
}

TEST_P(Networks, HaveTheSameBitsOverMicroBatchesAndThreads) {
  std::string expected;
  for (const std::int64_t micro_batch : {1, 2, 4, 6})
    for (const int threads : {1, 3}) {
      Trainer t(plan(micro_batch, threads));
      train(t, 4);
      if (expected.empty()) expected = t.weights_hash();
      EXPECT_EQ(t.weights_hash(), expected) << micro_batch << " by " << threads;
    }
}

TEST_P(Networks, TakeWhatTheForecastSays) {
  const TrainPlan p = plan(4, 2);
  Trainer::Impl impl(p);
  EXPECT_EQ(static_cast<std::int64_t>(impl.executor.arena().size()), p.forecast().arena_bytes);
}

TEST_P(Networks, AreSavedAndOpenedAndResumed) {
  const TemporaryFolder folder;
  Trainer t(plan(2, 1));
  train(t, 3);
  t.save(folder.path() + "/model");
  t.save_checkpoint(folder.path() + "/checkpoint");
  EXPECT_EQ(c().reopened(folder.path() + "/model").weights_hash(), t.weights_hash());
  Trainer again(plan(3, 2));
  again.resume(folder.path() + "/checkpoint");
  train(t, 6), train(again, 6);
  EXPECT_EQ(again.weights_hash(), t.weights_hash());
}

TEST_P(Networks, TrainWithEveryOptimizer) {
  for (const std::string& name : optimizers()) {
    Trainer whole(plan(6, 1, name)), parts(plan(4, 2, name));
    const Values unseen = c().batch(1000);
    const double before = whole.evaluate(unseen.samples()).loss;
    const float lr = name == "sgd" ? 0.3f : name == "lion" ? 3e-3f : 1e-2f;
    for (Trainer* t : {&whole, &parts})
      for (std::int64_t n = 0; n < 60; ++n) t->step(c().batch(n).samples(), {.lr = lr, .clip = 1});
    EXPECT_LT(whole.evaluate(unseen.samples()).loss, before) << name;
    EXPECT_EQ(whole.weights_hash(), parts.weights_hash()) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Each, Networks,
                         testing::Combine(testing::ValuesIn(cases()),
                                          testing::Values(Precision::f32, Precision::bf16, Precision::fp16)),
                         [](const auto& each) {
                           return std::string(std::get<0>(each.param).name) + "_" +
                                  name(std::get<1>(each.param));
                         });

TEST(Network, FrozenWeightsStayAsTheyAre) {
  const Case c = cases()[3];
  Trainer t(TrainPlan(c.model(), {.batch = B, .seq = T, .threads = 1}));
  std::vector<float> table(V * 16), fixed(16 * 16), before = table, fixed_before = fixed, up(24 * 16),
                                                    up_before = up;
  t.read("table", before), t.read("fixed", fixed_before), t.read("up.weight", up_before);
  for (std::int64_t n = 0; n < 3; ++n) t.step(c.batch(n).samples(), {});
  t.read("table", table), t.read("fixed", fixed), t.read("up.weight", up);
  EXPECT_EQ(table, before);
  EXPECT_EQ(fixed, fixed_before);
  EXPECT_NE(up, up_before);
  const Forecast all = TrainPlan(Model(over_frozen, follower), {.batch = B, .seq = T}).forecast();
  std::int64_t optimizer = 0;
  for (const auto& [name, bytes] : all.breakdown) optimizer += name == "optimizer" ? bytes : 0;
  EXPECT_EQ(optimizer, 2 * 4 * (16 * 24 + 24 + 24 * V + V)) << "frozen weights have no moments";
}

TEST(Network, TermsAreMeansOverTheirOwnLabelsWeighted) {
  const Case c = cases()[2];
  Trainer t(TrainPlan(c.model(), {.batch = B, .micro_batch = 4, .seq = T, .threads = 1}));
  const Values v = c.batch(0);
  const EvalResult found = t.evaluate(v.samples());
  EXPECT_EQ(found.tokens, B * (T - 1) + B - 1);
  EXPECT_NEAR(found.loss, found.terms.at("next") + 0.25 * found.terms.at("topic"), 1e-12);
  EXPECT_NEAR(found.terms.at("topic"), std::log(3.0), 0.3);
  EXPECT_NEAR(t.step(v.samples(), {}).loss, found.loss, 1e-6);
}

TEST(Network, WhatIsWrongWithABatchNamesTheInput) {
  const Case c = cases()[1];
  Trainer t(TrainPlan(c.model(), {.batch = B, .seq = T, .threads = 1}));
  const auto refused = [&](const char* part, const std::function<void(Values&)>& spoil) {
    Values v = c.batch(0);
    spoil(v);
    try {
      t.step(v.samples(), {});
      FAIL() << part;
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
    }
  };
  refused("source", [](Values& v) { v.ids.erase("source"); });
  refused("target", [](Values& v) { v.ids["target"].pop_back(); });
  refused("source [1,3]", [](Values& v) { v.ids["source"][S + 3] = V; });
  refused("lengths [2]", [](Values& v) { v.ids["lengths"][2] = S + 1; });
  refused("labels", [](Values& v) {
    v.ids.erase("labels");
    v.floats["labels"].assign(B * T, 0);
  });
  refused("no label counts", [](Values& v) { v.ids["labels"].assign(B * T, -100); });
}

// What reads outside its memory, or asks for what is not there, is met before anything runs.
TEST(Network, WhatIsWrongWithAnObjectiveIsSaid) {
  const auto refused = [](const char* part, const Objective& objective) {
    try {
      const TrainPlan plan(Model(classifier, objective), {.batch = B, .seq = T, .threads = 1});
      FAIL() << part;
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
    }
  };
  const auto with = [](std::int64_t below) -> Objective {
    return [below](Builder& b, const Outputs& out) -> std::vector<LossTerm> {
      const auto labels = b.input("class", {}, {.kind = InputKind::labels, .below = below});
      return {{"loss", cross_entropy(out.at("class"), labels)}};
    };
  };
  refused("labels that have no logit", with(17));
  refused("stay below", with(0));
  refused("one of class", [](Builder& b, const Outputs& out) -> std::vector<LossTerm> {
    const auto labels = b.input("class", {}, {.kind = InputKind::labels, .below = 16});
    return {{"loss", cross_entropy(out.at("klass"), labels)}};
  });
  refused("no term", [](Builder&, const Outputs&) { return std::vector<LossTerm>(); });
}

TEST(Network, ThatIsNoLanguageModelGeneratesNothing) {
  EXPECT_THROW(GeneratePlan(Model(classifier, class_of_image)), Error);
  EXPECT_THROW(evaluate(Model(classifier, class_of_image), Text::of(std::string(500, 'a')), {}), Error);
}

TEST(Network, AValueThatIsNotFiniteIsNamed) {
  const Case c = cases()[0];
  Trainer t(TrainPlan(c.model(), {.batch = B, .seq = T, .threads = 1}));
  Values v = c.batch(0);
  v.floats["pixels"][128 + 7] = std::nanf("");
  try {
    t.step(v.samples(), {});
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("pixels [1,7]"), std::string::npos) << e.what();
  }
}

TEST(Network, AnOptimizerIsGivenOnlyWhatItHas) {
  const Case c = cases()[0];
  Trainer t(TrainPlan(c.model(), {.batch = B, .seq = T, .optimizer = "sgd", .threads = 1}));
  const std::string before = t.weights_hash();
  EXPECT_THROW(t.step(c.batch(0).samples(), {.beta1 = 0.9f}), Error);
  EXPECT_THROW(t.step(c.batch(0).samples(), {.momentum = 1.0f}), Error);
  EXPECT_THROW(t.step(c.batch(0).samples(), {.scalars = {{"beta1", 0.9f}}}), Error);
  EXPECT_THROW(t.step(c.batch(0).samples(), {.momentum = 0.5f, .scalars = {{"momentum", 0.9f}}}), Error);
  EXPECT_EQ(t.weights_hash(), before);
  Trainer same(TrainPlan(c.model(), {.batch = B, .seq = T, .optimizer = "sgd", .threads = 1}));
  t.step(c.batch(0).samples(), {.momentum = 0.5f});
  same.step(c.batch(0).samples(), {.scalars = {{"momentum", 0.5f}}});
  EXPECT_EQ(t.weights_hash(), same.weights_hash()) << "by its name, as by its member";
  EXPECT_THROW(TrainPlan(c.model(), {.batch = B, .seq = T, .optimizer = "adam"}), Error);
}

}  // namespace
}  // namespace hone
