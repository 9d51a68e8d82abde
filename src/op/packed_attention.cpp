#include <algorithm>
#include <functional>

#include "op/common.hpp"
#include "op/gradient_context.hpp"
#include "op/ops.hpp"

// Causal attention over rows that hold several examples one behind the other: a position sees those of its
// own example alone. Where examples begin is known when a batch comes: at position 0 (positions i32[B,T]
// count from each example's begin). Each example is one call of `attention`, with the bits that it would have
// in a row of its own.
namespace hone::op {
namespace {

// One example: tokens [first, first + length) of a row.
struct Example {
  std::int64_t row, first, length;
};

void each_example(const Operand& positions, const std::function<void(const Example&)>& visit) {
  const std::int64_t B = positions.type.shape[0], T = positions.type.shape[1];
  const auto* at = positions.as<std::int32_t>();
  for (std::int64_t b = 0; b < B; ++b)
    for (std::int64_t t = 0, end = 0; t < T; t = end) {
      for (end = t + 1; end < T && at[b * T + end] != 0; ++end) {
      }
      visit({b, t, end - t});
    }
}

// The rows of an example in an operand [B,T,C], as [1,length,C].
Operand rows_of_example(const Operand& whole, const Example& e) {
  Operand part = whole;
  const std::int64_t row = e.row * whole.type.shape[1] + e.first;
  part.data = whole.as<std::byte>() + row * whole.row_stride() * size_bytes(whole.type.dtype);
  part.type.shape = {1, e.length, whole.type.shape.last()};
  return part;
}

// f32 [1,heads,length] in memory of its own.
Operand lse_of_example(const Operand& whole, const Example& e, void* memory) {
  Operand part = whole;
  part.data = memory;
  part.type.shape = {1, whole.type.shape[1], e.length};
  part.strides = {whole.type.shape[1] * e.length, e.length, 1};
  return part;
}

// Between lse [B,heads,T] and that of one example.
void copy_lse(const Operand& whole, const Operand& part, const Example& e, bool to_part) {
  const std::int64_t heads = whole.type.shape[1], T = whole.type.shape[2];
  for (std::int64_t h = 0; h < heads; ++h) {
    float* there = whole.as<float>() + (e.row * heads + h) * T + e.first;
    float* here = part.as<float>() + h * e.length;
    to_part ? std::copy_n(there, e.length, here) : std::copy_n(here, e.length, there);
  }
}

std::int64_t lse_bytes(const Operand& whole) {
  return (whole.type.shape[1] * whole.type.shape[2] * 4 + 63) / 64 * 64;  // of one row, kept aligned
}

using In = PackedAttentionInputs;
using Gin = PackedAttentionGradientInputs;

// A call of `attention` on one example; its lse goes to `memory`.
Call forward_of(const Call& c, const Example& e, void* memory) {
  Call one = c;
  one.in = {rows_of_example(c.in[In::q], e),
            rows_of_example(c.in[In::k], e),
            rows_of_example(c.in[In::v], e),
            {},
            c.in[In::step]};
  one.out = {rows_of_example(c.out[0], e), lse_of_example(c.out[1], e, memory)};
  return one;
}

Call backward_of(const Call& c, const Example& e, void* memory) {
  const auto rows = [&](std::size_t i) { return rows_of_example(c.in[i], e); };
  Call one = c;
  one.in = {rows(Gin::d_o),
            rows(Gin::q),
            rows(Gin::k),
            rows(Gin::v),
            rows(Gin::o),
            lse_of_example(c.in[Gin::lse], e, memory),
            {},
            c.in[Gin::step]};
  one.out = {rows_of_example(c.out[0], e), rows_of_example(c.out[1], e), rows_of_example(c.out[2], e)};
  return one;
}

template <class Run>
void forward(const Call& c, void* memory, const Run& run) {
  each_example(c.in[In::positions], [&](const Example& e) {
    const Call one = forward_of(c, e, memory);
    run(one);
    copy_lse(c.out[1], one.out[1], e, false);
  });
}

template <class Run>
void backward(const Call& c, void* memory, const Run& run) {
  each_example(c.in[Gin::positions], [&](const Example& e) {
    const Call one = backward_of(c, e, memory);
    copy_lse(c.in[Gin::lse], one.in[5], e, true);
    run(one);
  });
}

// Scratch: an example's lse, and what `attention` needs for one as long as a row.
Example whole_row(const Operand& positions) { return {0, 0, positions.type.shape[1]}; }

std::int64_t scratch(const Call& c) {
  return lse_bytes(c.out[1]) +
         attention.variants[0].scratch_bytes(forward_of(c, whole_row(c.in[In::positions]), nullptr));
}
std::int64_t gradient_scratch(const Call& c) {
  const Example row = whole_row(c.in[Gin::positions]);
  return lse_bytes(c.in[Gin::lse]) +
         attention_gradient.variants[0].scratch_bytes(backward_of(c, row, nullptr));
}

void run_one(const OpRecord& record, Call one, void* scratch) {
  one.scratch = scratch;
  record.variants[0].run(one);
}
void run(const Call& c) {
  auto* memory = static_cast<std::byte*>(c.scratch);
  forward(c, memory, [&](const Call& one) { run_one(attention, one, memory + lse_bytes(c.out[1])); });
}
void run_gradient(const Call& c) {
  auto* memory = static_cast<std::byte*>(c.scratch);
  backward(c, memory,
           [&](const Call& one) { run_one(attention_gradient, one, memory + lse_bytes(c.in[Gin::lse])); });
}

void reference(const Call& c) {
  std::vector<std::byte> memory(static_cast<std::size_t>(lse_bytes(c.out[1])));
  forward(c, memory.data(), attention.reference);
}
void reference_gradient(const Call& c) {
  std::vector<std::byte> memory(static_cast<std::size_t>(lse_bytes(c.in[Gin::lse])));
  backward(c, memory.data(), attention_gradient.reference);
}

std::vector<OutputSpec> infer(const InferInput& i) {
  const auto a = i.attributes.as<AttentionAttributes>();
  const Shape& q = i.in[In::q].shape;
  if (!a.sees.looks_back() || a.dropout > 0)
    i.fail("several examples in a row want causal attention without dropout", "causal", "another one");
  i.require_rank(In::q, 3);
  i.require(In::positions, {{q[0], q[1]}, DType::i32});
  InferInput one = i;
  one.op = &attention;
  one.in[In::positions] = {};  // no lengths
  return attention.infer(one);
}

std::vector<OutputSpec> infer_gradient(const InferInput& i) {
  i.require(Gin::d_o, i.in[Gin::q]);
  return {{i.in[Gin::q]}, {i.in[Gin::k]}, {i.in[Gin::v]}};
}

// As of a row that is one example: where examples begin is not known here.
Cost products(const Program& p, const Node& n, TensorId q_id, double count) {
  const auto a = n.attributes.as<AttentionAttributes>();
  const Shape& q = p[q_id].type.shape;
  return {.flops = 2 * count * static_cast<double>(q[0]) * a.sees.pairs(q[1], q[1]) *
                   static_cast<double>(q.last()),
          .bytes = operand_bytes(p, n),
          .low_precision = p[q_id].type.dtype == DType::bf16};
}
Cost cost(const Program& p, const Node& n) { return products(p, n, n.inputs[In::q], 2); }
Cost gradient_cost(const Program& p, const Node& n) { return products(p, n, n.inputs[Gin::q], 5); }

void gradient(GradientContext& g) {
  const TensorId d_o = g.gradient(0);
  if (!d_o) return;
  const auto d = g.emit(
      packed_attention_gradient,
      {d_o, g.in(In::q), g.in(In::k), g.in(In::v), g.out(0), g.out(1), g.in(In::positions), g.in(In::step)},
      g.attributes<AttentionAttributes>());
  for (const std::size_t i : {In::q, In::k, In::v})
    if (g.wants(i)) g.set(i, d[i]);
}

bool takes(const Call& c) { return gaps_only_in(c, {In::q, In::k, In::v}, {0}); }
bool takes_gradient(const Call& c) {
  return gaps_only_in(c, {Gin::d_o, Gin::q, Gin::k, Gin::v, Gin::o}, {0, 1, 2});
}

constexpr InputRecord inputs[] = {{"q"}, {"k"}, {"v"}, {"positions"}, {"step"}};
constexpr InputRecord gradient_inputs[] = {{"do"}, {"q"},   {"k"},         {"v"},
                                           {"o"},  {"lse"}, {"positions"}, {"step"}};
constexpr Variant variants[] = {{"flash_by_example", "cpu", takes, scratch, run}};
constexpr Variant gradient_variants[] = {
    {"flash_by_example", "cpu", takes_gradient, gradient_scratch, run_gradient}};

}  // namespace

const OpRecord packed_attention{.name = "packed_attention",
                                .inputs = inputs,
                                .infer = infer,
                                .cost = cost,
                                .gradient = gradient,
                                .reference = reference,
                                .variants = variants,
                                .autocast = Autocast::lower,
                                .activation_inputs = 3};
const OpRecord packed_attention_gradient{.name = "packed_attention_gradient",
                                         .inputs = gradient_inputs,
                                         .infer = infer_gradient,
                                         .cost = gradient_cost,
                                         .reference = reference_gradient,
                                         .variants = gradient_variants};

}  // namespace hone::op
