// Every op that has a gradient, between an embedding and a loss: what `differentiate` makes of it against
// differences of the loss, whose forward pass runs on the references.
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "op/builder_state.hpp"
#include "op/gradient_context.hpp"
#include "program_run.hpp"

namespace hone {
namespace {

constexpr std::int64_t B = 2, T = 4, C = 6, V = 5;
constexpr float stretched[] = {0.7f, 0.01f};

struct Case {
  const char* name;
  Network write;
  float h = 0.04f;  // the widest difference
  Objective objective = next_token();
};

Tensor embedded(Builder& b, Tensor tokens) { return embedding(tokens, b.parameter("table", {V, C})); }
Tensor head(Builder& b, Tensor x) { return linear(x, b.parameter("head", {V, x.width()})); }

// An architecture that has one piece in its middle.
Case middle(const char* name, const std::function<Tensor(Tensor)>& piece) {
  return {name,
          language_model([piece](Builder& b, Tensor tokens) { return head(b, piece(embedded(b, tokens))); })};
}

// Its examples are told by the positions that come with the batch.
Case packed() {
  return middle("packed_attention", [](Tensor x) {
    x.builder()->options.sizes[packed_size] = 1;
    const auto parts = split(linear(x, "qkv", 3 * C), {C, C, C});
    return attention(parts[0], parts[1], parts[2], {.heads = 2});
  });
}

Case soft_labels() {
  Case c = middle("soft_labels", [](Tensor x) { return gelu(x); });
  c.objective = [](Builder& b, const Outputs& out) -> std::vector<LossTerm> {
    const auto labels = b.input("labels", {T}, {.kind = InputKind::labels, .below = V});
    const auto ids = b.input("ids", {T, 3}, {.kind = InputKind::ids, .below = V});
    return {{"loss", soft_cross_entropy(out.at("logits"), labels, ids, b.input("masses", {T, 4}, {}),
                                        {.share = 0.7f, .temperature = 1.5f})}};
  };
  return c;
}

// States in the middle against a teacher's, straight or through a product of the objective's own.
Case states(bool wider) {
  Case c = middle(wider ? "wider_states" : "states",
                  [](Tensor x) { return named(linear(gelu(x), "up", C), "h.0"); });
  c.objective = [wider](Builder& b, const Outputs&) -> std::vector<LossTerm> {
    const auto labels = b.input("labels", {T}, {.kind = InputKind::labels, .below = V});
    const auto x = wider ? linear(b.activation("h.0"), "wider", 7, {.bias = false}) : b.activation("h.0");
    return {{"loss", state_error(x, b.input("states", {T, x.width()}, {}), labels)}};
  };
  return c;
}

Case relations(bool causal) {
  Case c = middle(causal ? "causal_relations" : "relations",
                  [](Tensor x) { return named(linear(gelu(x), "up", C), "h.0"); });
  c.objective = [causal](Builder& b, const Outputs&) -> std::vector<LossTerm> {
    const auto labels = b.input("labels", {T}, {.kind = InputKind::labels, .below = V});
    return {{"loss", relation_error(scale(b.activation("h.0"), 5), b.input("states", {T, 10}, {}), labels,
                                    {.heads = 2, .causal = causal})}};
  };
  return c;
}

void add_tables_and_products(std::vector<Case>& all) {
  all.push_back(middle("embedding", [](Tensor x) { return x; }));
  all.push_back(middle("label_smoothing", [](Tensor x) { return gelu(x); }));
  all.back().objective = next_token({.label_smoothing = 0.2f});
  all.push_back(soft_labels());
  all.push_back(states(false));
  all.push_back(states(true));
  all.push_back(relations(false));
  all.push_back(relations(true));
  all.push_back(
      middle("linear", [](Tensor x) { return linear(linear(x, "a", 9), "b", 7, {.bias = false}); }));
  all.push_back(middle("add", [](Tensor x) { return x + linear(x + x, "a", C); }));
  all.push_back(middle("gelu", [](Tensor x) { return gelu(linear(x, "a", C)); }));
  all.push_back(middle("gelu_new", [](Tensor x) { return linear(gelu_new(linear(x, "a", C)), "b", C); }));
  all.push_back(middle("parts", [](Tensor x) {
    const auto parts = split(linear(x, "a", 3 * C), {C, C, C});
    return linear(gelu(parts[0]) + parts[1], "b", C) + linear(parts[2], "c", C);
  }));
  all.push_back(middle("sum_of_parts", [](Tensor x) {
    const auto parts = split(linear(x, "a", 2 * C), {C, C});
    return linear(parts[0] + parts[1], "b", C);
  }));
  all.push_back(middle("parts_of_f32", [](Tensor x) {
    const auto parts = split(x, {4, 2});
    return linear(parts[0], "b", C) + linear(parts[1], "c", C);
  }));
  all.push_back(middle("joint_weight", [](Tensor x) {
    Builder b(x.builder());
    const auto w = b.parameter("w", {3 * C, C}), bias = b.parameter("bias", {3 * C});
    const auto q = linear(x, w, {.bias = bias, .first = 0, .rows = C});
    const auto kv = split(linear(gelu(x), w, {.bias = bias, .first = C, .rows = 2 * C}), {C, C});
    return attention(q, kv[0], kv[1], {.heads = 2, .causal = false});
  }));
}

void add_activations(std::vector<Case>& all) {
  all.push_back(middle("scale", [](Tensor x) {
    Builder b(x.builder());
    return scale(x, 3) + sinusoids(b.positions(), C);
  }));
  all.push_back(middle("relu", [](Tensor x) { return relu(linear(x, "a", C)); }));
  all.back().h = 0.002f;  // few values are that near to the bend
  all.push_back(middle("silu", [](Tensor x) { return silu(linear(x, "a", C)); }));
  for (const auto f : {GateFunction::silu, GateFunction::gelu_new})
    all.push_back(middle(f == GateFunction::silu ? "swiglu" : "geglu",
                         [f](Tensor x) { return x + gated(linear(x, "gate", C), linear(x, "up", C), f); }));
  all.push_back(middle("gated_by_itself", [](Tensor x) { return gated(x, x); }));
  all.push_back({"softcap", language_model([](Builder& b, Tensor tokens) {
                   return softcap(head(b, scale(embedded(b, tokens), 20)), 2);
                 })});
  all.back().h = 0.01f;
}

void add_norms(std::vector<Case>& all) {
  all.push_back(middle("zero_centred_rms_norm", [](Tensor x) { return x + rms_norm(x, "norm", 1e-3f, 1); }));
  all.push_back(middle("norms_of_heads", [](Tensor x) {
    Builder b(x.builder());
    const auto q = linear(x, "q", 12);
    return reshape(rms_norm(reshape(q, {B, T, 3, 4}), "q_norm"), {B, T, 12});
  }));
  all.push_back(middle("layer_norm", [](Tensor x) { return x + layer_norm(x, "norm", 1e-3f); }));
  all.push_back(middle("rms_norm", [](Tensor x) { return x + rms_norm(x, "norm", 1e-3f); }));
}

void add_attention(std::vector<Case>& all) {
  all.push_back(middle("dropout", [](Tensor x) { return dropout(x, 0.3f, "drop"); }));
  for (const bool causal : {true, false})
    for (const float p : {0.0f, 0.3f})
      all.push_back(middle(causal ? (p > 0 ? "causal_attention_dropout" : "causal_attention")
                                  : (p > 0 ? "attention_dropout" : "attention"),
                           [=](Tensor x) {
                             const auto q = linear(x, "q", C), kv = linear(x, "kv", 6);
                             const auto parts = split(kv, {3, 3});
                             return attention(q, parts[0], parts[1],
                                              {.heads = 2, .kv_heads = 1, .causal = causal, .dropout = p});
                           }));
  all.push_back(middle("rotate", [](Tensor x) {
    return rotate(linear(x, "a", 12), {.heads = 2}) + rotate(linear(x, "b", 12), {.heads = 2, .width = 4}) +
           rotate(linear(x, "c", 12), {.heads = 2, .width = 4, .frequencies = stretched, .factor = 1.5f});
  }));
  all.push_back(middle("rotated_parts", [](Tensor x) {  // as queries and keys are
    const auto parts = split(linear(x, "qkv", 3 * C), {C, C, C});
    return attention(rotate(parts[0], {}), rotate(parts[1], {.theta = 10}), parts[2], {});
  }));
  all.push_back(packed());
}

std::vector<Case> architectures() {
  std::vector<Case> all;
  for (const auto add : {add_tables_and_products, add_activations, add_norms, add_attention}) add(all);
  all.push_back({"tied_head", language_model([](Builder& b, Tensor tokens) {
                   const auto table = b.parameter("table", {V, C});
                   return linear(layer_norm(embedding(tokens, table), "norm"), table);
                 })});
  return all;
}

// The gradient of a parameter: the sum of the sums of its uses.
std::vector<double> total(const Results& results, const std::string& parameter) {
  std::vector<double> sum;
  for (std::size_t use = 0; results.contains(gradient_name(parameter, use)); ++use) {
    const auto part = floats(results.at(gradient_name(parameter, use)));
    sum.resize(part.size());
    for (std::size_t i = 0; i < part.size(); ++i) sum[i] += static_cast<double>(part[i]);
  }
  return sum;
}

// Differences over h and h/2, extrapolated to h = 0 (Richardson): what is left is of the order h^4, 1e-7
// here, and the rounding of f32 losses over h, some 1e-7 / h.
double slope(ReferenceRun& run, float& x, float h) {
  const float at = x;
  const auto difference = [&](float by) {
    x = at + by;
    const double up = run.loss(), above = static_cast<double>(x);
    x = at - by;
    const double down = run.loss(), below = static_cast<double>(x);
    x = at;
    return (up - down) / (above - below);
  };
  const double wide = difference(h), narrow = difference(h / 2);
  return narrow + (narrow - wide) / 3;
}

class Gradients : public testing::TestWithParam<Case> {};

TEST_P(Gradients, AreDifferencesOfTheLoss) {
  const auto& [name, write, h, objective] = GetParam();
  const Program forward = forward_and_loss(write, B, T, objective);
  const auto results = [&](DType products) {
    return run_program(with_backward(GetParam().write, B, T, products, GetParam().objective), V);
  };
  const Results f32 = results(DType::f32), bf16 = results(DType::bf16), f16 = results(DType::f16);
  ReferenceRun run(forward, V);
  for (std::size_t i = 0; i < forward.tensors.size(); ++i) {
    const TensorDef& t = forward.tensors[i];
    if (t.role != Role::parameter || t.alias != Alias::none) continue;
    const auto found = total(f32, t.name), low = total(bf16, t.name), half = total(f16, t.name);
    ASSERT_EQ(found.size(), static_cast<std::size_t>(t.type.shape.elements())) << t.name;
    std::vector<double> expected;
    double largest = 0;
    for (std::size_t j = 0; j < found.size(); ++j) {
      expected.push_back(slope(run, run.values({static_cast<std::int32_t>(i)})[j], h));
      largest = std::max(largest, std::abs(expected[j]));
    }
    for (std::size_t j = 0; j < found.size(); ++j) {
      ASSERT_NEAR(found[j], expected[j], 2e-4 * largest + 2e-7 / static_cast<double>(h))
          << t.name << " " << j;
      // A handful of roundings of 2^-9 each, of values as large as the largest.
      ASSERT_NEAR(low[j], expected[j], 0.04 * largest + 2e-3) << t.name << " " << j << " in bf16";
      // Of 2^-12 each; the loss's scale keeps these gradients far above 2^-24.
      ASSERT_NEAR(half[j], expected[j], 0.005 * largest + 2.5e-4) << t.name << " " << j << " in f16";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Each, Gradients, testing::ValuesIn(architectures()),
                         [](const auto& each) { return std::string(each.param.name); });

TEST(GradientTable, EveryOpWithAGradientIsTried) {
  // Autocast's, in every narrow program above; and attention's of packed rows, which are compared with rows
  // of their own (train/packing_test.cpp). Of steps there are no differences: what codes hand through is
  // looked at in pass/simulate_codes_test.cpp and train/qat_test.cpp.
  std::set<const OpRecord*> tried{&op::cast, &op::packed_attention, &op::simulate, &op::round_weight};
  for (const Case& a : architectures())
    for (const Node& node : forward_and_loss(a.write, B, T, a.objective).nodes) tried.insert(node.op);
  for (const OpRecord* record : op::table())
    EXPECT_TRUE(!record->gradient || tried.contains(record)) << record->name;
}

}  // namespace
}  // namespace hone
