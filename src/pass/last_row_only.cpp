#include <cassert>

#include "ir/rewrite.hpp"
#include "op/ops.hpp"
#include "pass/passes.hpp"

namespace hone {
namespace {

// The plain product that alone makes `logits` and that nobody else reads; else none.
Node* head_of(Program& p, TensorId logits) {
  const Rewrite edges(p);
  const auto maker = edges.maker(logits);
  if (!maker || edges.viewed(logits) || edges.readers(logits).size() != 1) return nullptr;
  Node& head = p.nodes[*maker];
  const bool plain = head.op == &op::linear && head.outputs.size() == 1 &&
                     !head.inputs[op::LinearInputs::residual] && p[logits].alias == Alias::none;
  return plain ? &head : nullptr;
}

TensorId last_row(Program& p, TensorId x) {
  const TensorDef t = p[x];
  const std::int64_t positions = t.type.shape[1];
  if (positions == 1) return x;
  assert(t.type.shape[0] == 1);
  const Shape row{1, 1, t.type.shape.last()};
  return add_view(p, x, row, contiguous_strides(row), (positions - 1) * t.strides[1], t.name + ":last");
}

}  // namespace

// bf16 logits have eight bits: at a vocabulary of some thousands the largest are often equal, and greedy
// decoding would take the first of them. The products are as narrow as before; their f32 sum is kept.
void last_row_only(Program& p) {
  const TensorId logits = p.output("logits");
  if (!logits) return;  // what reads a source
  assert(p[logits].type.shape.rank() == 3);
  if (Node* head = head_of(p, logits)) {
    TensorId& x = head->inputs[op::LinearInputs::x];
    x = last_row(p, x);
    head->op->set_type(head->attributes, DType::f32);
    TensorDef& t = p[logits];
    t.type = {{t.type.shape[0], 1, t.type.shape.last()}, DType::f32};
    t.strides = contiguous_strides(t.type.shape);
    return;
  }
  TensorId row = last_row(p, logits);
  if (p[row].type.dtype != DType::f32)
    row = emit(p, op::cast, {row}, op::TypeAttributes{DType::f32}, "logits")[0];
  for (Output& output : p.outputs)
    if (output.id == logits) output.id = row;
}

}  // namespace hone
