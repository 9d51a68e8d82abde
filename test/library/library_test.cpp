// The library as its users meet it: stopping, architectures of one's own and what is wrong with them, several
// models in one process.
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <set>
#include <thread>

#include "hone/hone.hpp"
#include "machine/memory.hpp"
#include "temporary_folder.hpp"
#include "tiny_gpt2.hpp"

namespace hone {
namespace {

constexpr std::int64_t V = 32, T = 16, C = 16;
const StepOptions adamw{.lr = 3e-3f, .clip = 1};

Batch batch(std::int64_t n) { return toy_batch(n, 6, T, V); }

Tensor parallel(Builder& b, Tensor tokens) {
  const auto wte = b.parameter("wte", {V, C});
  auto x = embedding(tokens, wte) + embedding(b.positions(), b.parameter("wpe", {T, C}));
  const auto layer = b.scope("h", 0);
  const auto n = layer_norm(x, "norm");
  const auto a =
      attention(linear(n, "q", C), linear(n, "k", C / 2), linear(n, "v", C / 2), {.heads = 4, .kv_heads = 2});
  return linear(x + linear(a, "proj", C) + linear(gelu(linear(n, "up", 2 * C)), "down", C), wte);
}

Model own(const Architecture& architecture = parallel) {
  return Model(architecture, {.vocab_size = V, .context = T});
}

Trainer trainer(int threads = 2) {
  return Trainer(TrainPlan(own(), {.batch = 6, .micro_batch = 1, .seq = T, .threads = threads}));
}

std::string hash_after(std::int64_t steps) {
  Trainer t = trainer(1);
  while (t.steps() < steps) t.step(batch(t.steps()), adamw);
  return t.weights_hash();
}

TEST(Stop, AStoppedStepHasChangedNothing) {
  Trainer t = trainer();
  t.step(batch(0), adamw);
  std::stop_source source;
  source.request_stop();
  StepOptions options = adamw;
  options.stop = source.get_token();
  EXPECT_TRUE(t.step(batch(1), options).stopped);
  t.accumulate(toy_batch(7, 1, T, V), T);
  EXPECT_TRUE(t.update(options).stopped);
  EXPECT_EQ(t.steps(), 1);
  EXPECT_EQ(t.weights_hash(), hash_after(1));
  EXPECT_FALSE(t.step(batch(1), adamw).stopped);
  EXPECT_EQ(t.weights_hash(), hash_after(2));
}

TEST(Stop, FromAnotherThreadAStepIsCompleteOrHasChangedNothing) {
  for (int delay_ms : {0, 1, 3, 7, 12}) {
    Trainer t = trainer();
    std::stop_source source;
    std::thread other([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(delay_ms));
      source.request_stop();
    });
    StepOptions options = adamw;
    options.stop = source.get_token();
    while (!t.step(batch(t.steps()), options).stopped) {
    }
    other.join();
    EXPECT_EQ(t.weights_hash(), hash_after(t.steps())) << t.steps();
    const auto next = t.steps() + 1;
    t.step(batch(t.steps()), adamw);
    EXPECT_EQ(t.weights_hash(), hash_after(next));
  }
}

TEST(Stop, DiscardForgetsWhatWasAccumulated) {
  Trainer t = trainer();
  t.accumulate(toy_batch(5, 1, T, V), T);
  error_of(ErrorKind::usage, [&] { t.step(batch(0), adamw); });
  t.discard();
  error_of(ErrorKind::usage, [&] { t.update(adamw); });
  t.step(batch(0), adamw);
  EXPECT_EQ(t.weights_hash(), hash_after(1));
}

TEST(OwnArchitecture, IsSavedOpenedAndGenerates) {
  const TemporaryFolder folder;
  Trainer t = trainer();
  t.step(batch(0), adamw);
  t.save(folder.file("own"));
  const Model again = open(folder.file("own"), parallel);
  EXPECT_EQ(again.weights_hash(), t.weights_hash());
  const auto ids = [](const Model& model) {
    Generator generator{GeneratePlan(model, {.threads = 1})};
    std::vector<std::int32_t> all;
    for (const Piece& p : generator.generate(std::vector<std::int32_t>{1, 2}, {.max_tokens = 9}))
      all.push_back(p.token);
    return all;
  };
  EXPECT_EQ(ids(again).size(), 9u);
  EXPECT_EQ(ids(again), ids(t.model()));
}

TEST(OwnArchitecture, AFolderOfAnotherArchitectureIsRefused) {
  const TemporaryFolder folder;
  own().save(folder.file("own"));
  TinyGpt2{}.model().save(folder.file("gpt2"));
  const auto refused = [](const char* why, auto&& f) {
    const std::string message = error_of(ErrorKind::input, f);
    EXPECT_NE(message.find(why), std::string::npos) << message;
  };
  refused("of another architecture", [&] { open(folder.file("gpt2"), parallel); });
  refused("model_type", [&] { open(folder.file("own")); });
  refused("tensor h.1.more.weight", [&] {
    open(folder.file("own"), [](Builder& b, Tensor tokens) {
      const auto x = embedding(tokens, b.parameter("wte", {V, C}));
      const auto layer = b.scope("h", 1);
      return linear(x, "more", V);
    });
  });
  refused("of another architecture", [&] {  // fewer weights than the folder has
    open(folder.file("own"), [](Builder& b, Tensor tokens) {
      const auto wte = b.parameter("wte", {V, C});
      const auto x = embedding(tokens, wte) + embedding(b.positions(), b.parameter("wpe", {T, C}));
      return linear(x, wte);
    });
  });
  refused("wte", [&] {
    open(folder.file("own"), [](Builder& b, Tensor tokens) {
      const auto wte = b.parameter("wte", {V, 2 * C});
      return linear(embedding(tokens, wte), wte);
    });
  });
}

// The same weights, read by another function.
TEST(OwnArchitecture, AFolderOfAnotherFunctionIsRefused) {
  const TemporaryFolder folder;
  const auto with_heads = [](std::int64_t heads) {
    return [heads](Builder& b, Tensor tokens) {
      const auto wte = b.parameter("wte", {V, C});
      const auto x = embedding(tokens, wte);
      return linear(attention(x, x, x, {.heads = heads}), wte);
    };
  };
  own(with_heads(4)).save(folder.file("own"));
  EXPECT_NO_THROW(open(folder.file("own"), with_heads(4)));
  const std::string message = error_of(ErrorKind::input, [&] { open(folder.file("own"), with_heads(2)); });
  EXPECT_NE(message.find("of another architecture"), std::string::npos) << message;
  EXPECT_NE(message.find("heads=2"), std::string::npos) << message;
  EXPECT_NE(message.find("heads=4"), std::string::npos) << message;
}

// The message for an architecture that goes on from the embedding, in the scope "h.3", to its logits.
template <class F>
std::string complaint(F&& rest) {
  return error_of(ErrorKind::input, [&] {
    own([&](Builder& b, Tensor tokens) {
      const auto x = embedding(tokens, b.parameter("wte", {V, C}));
      const auto layer = b.scope("h", 3);
      return rest(b, tokens, x);
    });
  });
}

TEST(OwnArchitecture, WhatIsWrongWithItIsSaidByItsOwnNames) {
  Tensor kept;
  own([&](Builder& b, Tensor tokens) {
    return kept = linear(embedding(tokens, b.parameter("wte", {V, C})), "head", V);
  });
  const auto says = [](const char* part, const std::string& message) {
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  says("h.3.", complaint([&](auto&, Tensor, Tensor x) { return x + Tensor(); }));
  says("h.3.", complaint([&](auto&, Tensor, Tensor x) { return linear(x + kept, "head", V); }));
  says("h.3.gelu", complaint([&](auto&, Tensor, Tensor) { return gelu(kept); }));
  says("h.3.up", complaint([](auto&, Tensor tokens, Tensor) { return linear(tokens, "up", V); }));
  says("h.3.", complaint([](auto&, Tensor, Tensor x) { return x + linear(x, "up", C + 1); }));
  says("h.3.", complaint([](auto&, Tensor, Tensor x) { return attention(x, x, x, {.heads = 5}); }));
  says("h.3.",
       complaint([](auto&, Tensor, Tensor x) { return attention(x, x, x, {.heads = 4, .kv_heads = 3}); }));
  says("h.3.", complaint([](auto&, Tensor, Tensor x) { return split(x, {C, C})[0]; }));
  says("h.3.lost", complaint([](Builder& b, Tensor, Tensor x) {
         b.parameter("lost", {3});
         return linear(x, "head", V);
       }));
  says("h.3.lost.weight", complaint([](auto&, Tensor, Tensor x) {
         linear(x, "lost", 5);
         return linear(x, "head", V);
       }));
  says("h.3.head", complaint([](auto&, Tensor, Tensor x) { return linear(x, "head", V - 1); }));
  says("h.3.wpe", complaint([](Builder& b, Tensor, Tensor x) {
         return linear(x + embedding(b.positions(), b.parameter("wpe", {T - 1, C})), "head", V);
       }));
  says("h.3.table", complaint([](Builder& b, Tensor tokens, Tensor x) {
         return linear(x + embedding(tokens, b.parameter("table", {V - 1, C})), "head", V);
       }));
  says("h.3.twice", complaint([](Builder& b, Tensor, Tensor x) {
         return linear(x, b.parameter("twice", {V, C})) + linear(x, b.parameter("twice", {V, C + 1}));
       }));
  says("returned no tensor", complaint([](auto&, Tensor, Tensor) { return Tensor(); }));
}

TEST(OwnArchitecture, MistypedTensorsAndImpossibleOptionsNameTheirScope) {
  const auto says = [](const char* part, const std::string& message) {
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  const auto with = [](AttentionOptions o) {
    return complaint([o](auto&, Tensor, Tensor x) { return linear(attention(x, x, x, o), "head", V); });
  };
  says("h.3.gelu: a tensor of another kind",
       complaint([](auto&, Tensor tokens, Tensor) { return gelu(tokens); }));
  says("h.3.attention", complaint([](auto&, Tensor tokens, Tensor x) {
         return linear(attention(x, tokens, x, {.heads = 1}), "head", V);
       }));
  says("h.3.sum", complaint([](Builder& b, Tensor, Tensor x) { return x + b.parameter("w", {V, C}); }));
  says("h.3.ww", complaint([](Builder& b, Tensor, Tensor) {
         return linear(b.parameter("w", {V, C}), "ww", C);
       }));
  says("h.3.linear", complaint([](auto&, Tensor, Tensor x) { return linear(x, x); }));
  says("h.3.embedding", complaint([](auto&, Tensor tokens, Tensor) { return embedding(tokens, tokens); }));
  says("h.3.state_error: the labels are none",
       complaint([](auto&, Tensor tokens, Tensor x) { return state_error(x, x, tokens); }));
  const auto compared = [](auto loss) {
    return complaint([loss](Builder& b, Tensor, Tensor x) {
      return loss(x, b.input("labels", {b.seq()}, {.kind = InputKind::labels, .below = V}));
    });
  };
  says("h.3.loss: the state_error's input 'target'",
       compared([](Tensor x, Tensor labels) { return state_error(x, linear(x, "w", C + 1), labels); }));
  says("relations' heads do not divide both widths", compared([](Tensor x, Tensor labels) {
         return relation_error(x, linear(x, "w", C + 1), labels, {.heads = 2});
       }));
  says("the nearest is 'h.3.gelu'",
       complaint([](Builder& b, Tensor, Tensor x) { return gelu(x), b.activation("h.3.gleu"); }));
  says("h.3.attention", with({.dropout = 1}));
  says("h.3.attention", with({.scale = -1}));
  says("h.3.attention", with({.scale = std::nanf("")}));
  says("h.3.d", complaint([](auto&, Tensor, Tensor x) { return linear(dropout(x, 1, "d"), "head", V); }));
  says("h.3.n", complaint([](auto&, Tensor, Tensor x) { return linear(layer_norm(x, "n", -1), "head", V); }));
  const auto rotated = [](RotaryOptions o) {
    return complaint([o](auto&, Tensor, Tensor x) { return linear(rotate(x, o), "head", V); });
  };
  says("h.3.rotate: heads", rotated({.heads = 5}));
  says("h.3.rotate: elements are rotated in pairs", rotated({.width = 3}));
  says("h.3.rotate: elements are rotated in pairs", rotated({.width = 2 * C}));
  says("h.3.rotate: impossible theta", rotated({.theta = -1}));
  constexpr float three[] = {1, 1, 1}, negative[] = {1, -1};
  says("h.3.rotate: impossible frequencies", rotated({.frequencies = three}));
  says("h.3.rotate: impossible frequencies", rotated({.width = 4, .frequencies = negative}));
  says("h.3.rotate: impossible factor", rotated({.factor = 0}));
  says("h.3.n: impossible offset",
       complaint([](auto&, Tensor, Tensor x) { return linear(rms_norm(x, "n", 1e-6f, 2), "head", V); }));
  says("h.3.softcap: impossible cap", complaint([](auto&, Tensor, Tensor x) { return softcap(x, 0); }));
  says("h.3.gated: ", complaint([](auto&, Tensor, Tensor x) { return gated(x, linear(x, "up", C + 2)); }));
  says("h.3.split", complaint([](auto&, Tensor, Tensor x) { return split(x, {C + 8, -8})[0]; }));
}

TEST(OwnArchitecture, ImpossibleWeightsNameThemselves) {
  const auto says = [](const char* part, const std::string& message) {
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  const auto with = [](std::string_view name, std::initializer_list<std::int64_t> shape) {
    return complaint([=](Builder& b, Tensor, Tensor x) { return linear(x, b.parameter(name, shape)); });
  };
  says("h.3.w", with("w", {1, 1, 1, 1, 1, 1, 1, 1}));
  says("h.3.w", with("w", {}));
  says("h.3.w", with("w", {std::int64_t{1} << 60, C}));
  says("cannot be a weight's name", with("", {V, C}));
  says("cannot be a weight's name", with("\xff", {V, C}));
  says("cannot be a weight's name", with("a\nb", {V, C}));
  says("two sets of options", complaint([](Builder& b, Tensor, Tensor x) {
         return linear(x, b.parameter("w", {V, C})) + linear(x, b.parameter("w", {V, C}, {.decay = false}));
       }));
  error_of(ErrorKind::usage, [] { own(Architecture()); });
}

TEST(OwnArchitecture, WeightsMayBeCalledAsInputsAre) {
  const Architecture named_alike = [](Builder& b, Tensor tokens) {
    const auto x = embedding(tokens, b.parameter("tokens", {V, C})) +
                   embedding(b.positions(), b.parameter("positions", {T, C}));
    const auto a = attention(x, x, x, {.heads = 2});
    return linear(linear(a, b.parameter("step", {C, C})), b.parameter("labels", {V, C}));
  };
  Trainer t(TrainPlan(own(named_alike), {.batch = 6, .seq = T, .threads = 1}));
  const double before = t.evaluate(batch(0)).loss;
  for (int n = 0; n < 20; ++n) t.step(batch(0), adamw);
  EXPECT_LT(t.evaluate(batch(0)).loss, before);
  Generator generator{GeneratePlan(t.model(), {.threads = 1})};
  const std::vector<std::int32_t> prompt{1, 2};
  EXPECT_NO_THROW(generator.append(prompt));
}

TEST(OwnArchitecture, WeightsThatDependOnTheCallAreRefused) {
  int calls = 0;
  const auto refused = [](const char* name, const Architecture& architecture) {
    const Model model = own(architecture);
    const std::string message =
        error_of(ErrorKind::input, [&] { TrainPlan(model, {.batch = 2, .seq = 8, .threads = 1}); });
    EXPECT_NE(message.find(name), std::string::npos) << message;
  };
  const auto table = [](Builder& b, Tensor tokens) { return embedding(tokens, b.parameter("wte", {V, C})); };
  refused("up.weight", [=](Builder& b, Tensor tokens) {
    return linear(linear(table(b, tokens), "up", 8 + b.seq()), "head", V);
  });
  refused("more.weight", [=](Builder& b, Tensor tokens) {
    const auto x = table(b, tokens);
    return linear(b.seq() > 1 ? linear(x, "more", C) : x, "head", V);
  });
  refused("more.weight", [=](Builder& b, Tensor tokens) {
    const auto x = table(b, tokens);
    return linear(b.seq() == 1 ? linear(x, "more", C) : x, "head", V);
  });
  refused("w1", [=, &calls](Builder& b, Tensor tokens) {
    return linear(linear(table(b, tokens), "w" + std::to_string(calls++), C), "head", V);
  });
  refused("m.wte", [=](Builder& b, Tensor tokens) {  // a name that hone's own tensors have
    return linear(table(b, tokens), b.parameter("m.wte", {V, C}));
  });
}

TEST(Process, TwoModelsTrainOnTwoThreads) {
  std::string hashes[2];
  std::thread threads[2];
  for (int i : {0, 1})
    threads[i] = std::thread([&hashes, i] {
      Trainer t = trainer(2);
      while (t.steps() < 4) t.step(batch(t.steps()), adamw);
      hashes[i] = t.weights_hash();
    });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(hashes[0], hash_after(4));
  EXPECT_EQ(hashes[1], hashes[0]);
}

TEST(Process, AThousandModelsLeaveItsSizeAsItWas) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers keep what was freed";
#endif
  const TemporaryFolder folder;
  own().save(folder.file("own"));
  const auto once = [&] {
    const Model model = open(folder.file("own"), parallel);
    Generator generator{GeneratePlan(model, {.threads = 2})};
    for (const Piece& p : generator.generate(std::vector<std::int32_t>{1, 2}, {.max_tokens = 2}))
      EXPECT_LT(p.token, V);
    Trainer t(TrainPlan(model, {.batch = 2, .seq = T, .threads = 2}));
    t.step(toy_batch(0, 2, T, V), adamw);
  };
  for (int i = 0; i < 100; ++i) once();
  const std::int64_t before = current_rss_bytes();
  for (int i = 0; i < 1000; ++i) once();
  const std::int64_t growth = current_rss_bytes() - before;
  RecordProperty("growth_bytes", std::to_string(growth));
  EXPECT_LT(growth, 1 << 20);
}

}  // namespace
}  // namespace hone
