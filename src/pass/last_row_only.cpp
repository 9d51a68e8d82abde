#include <algorithm>
#include <cassert>

#include "op/ops.hpp"
#include "pass/passes.hpp"

namespace hone {
namespace {

// The plain product that alone makes `logits` and that nobody else reads; else none.
Node* head_of(Program& p, TensorId logits) {
  Node* head = nullptr;
  for (Node& node : p.nodes) {
    if (std::find(node.inputs.begin(), node.inputs.end(), logits) != node.inputs.end()) return nullptr;
    if (node.op == &op::linear && node.outputs.size() == 1 && node.outputs[0] == logits) head = &node;
  }
  const bool viewed = std::any_of(p.tensors.begin(), p.tensors.end(), [&](const TensorDef& t) {
    return t.alias == Alias::view && t.base == logits;
  });
  const bool plain = head && !head->attributes.as<op::LinearAttributes>().residual;
  return plain && !viewed && p[logits].alias == Alias::none ? head : nullptr;
}

TensorId last_row(Program& p, TensorId x) {
  const TensorDef t = p[x];
  const std::int64_t positions = t.type.shape[1];
  if (positions == 1) return x;
  const Shape row{1, 1, t.type.shape.last()};
  return add_view(p, x, row, contiguous_strides(row), (positions - 1) * t.strides[1], t.name + ":last");
}

}  // namespace

// bf16 logits have eight bits: at a vocabulary of some thousands the largest are often equal, and greedy
// decoding would take the first of them. The products are bf16's as before; their f32 sum is kept.
void last_row_only(Program& p) {
  assert(p.outputs.size() == 1 && p[p.outputs[0]].type.shape.rank() == 3 &&
         p[p.outputs[0]].type.shape[0] == 1);
  const TensorId logits = p.outputs[0];
  if (Node* head = head_of(p, logits)) {
    head->inputs[0] = last_row(p, head->inputs[0]);
    head->op->set_type(head->attributes, DType::f32);
    TensorDef& t = p[logits];
    t.type = {{1, 1, t.type.shape.last()}, DType::f32};
    t.strides = contiguous_strides(t.type.shape);
    return;
  }
  TensorId row = last_row(p, logits);
  if (p[row].type.dtype != DType::f32)
    row = emit(p, op::cast, {row}, op::TypeAttributes{DType::f32}, "logits")[0];
  p.outputs = {row};
}

}  // namespace hone
