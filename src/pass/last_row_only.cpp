#include <cassert>
#include <optional>
#include <vector>

#include "ir/rewrite.hpp"
#include "op/ops.hpp"
#include "pass/passes.hpp"

namespace hone {
namespace {

struct Head {
  Node* product;
  std::vector<TensorId> rows;  // what it makes, and what a soft limit makes of that
};

// The plain product that alone makes `logits`, maybe through a soft limit, and that nobody else reads; else
// none.
std::optional<Head> head_of(Program& p, TensorId logits) {
  const Rewrite edges(p);
  Head head{nullptr, {logits}};
  for (;;) {
    const TensorId made = head.rows.back();
    const auto maker = edges.maker(made);
    if (!maker || edges.viewed(made) || edges.readers(made).size() != 1 || p[made].alias != Alias::none)
      return {};
    head.product = &p.nodes[*maker];
    if (head.product->op != &op::softcap) break;
    head.rows.push_back(head.product->inputs[0]);
  }
  const Node& product = *head.product;
  const bool plain =
      product.op == &op::linear && product.outputs.size() == 1 && !product.inputs[op::LinearInputs::residual];
  if (!plain) return {};
  return head;
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
  if (const auto head = head_of(p, logits)) {
    const TensorId x = last_row(p, head->product->inputs[op::LinearInputs::x]);
    head->product->inputs[op::LinearInputs::x] = x;
    head->product->op->set_type(head->product->attributes, DType::f32);
    for (const TensorId id : head->rows) {
      TensorDef& t = p[id];
      t.type = {{t.type.shape[0], 1, t.type.shape.last()}, DType::f32};
      t.strides = contiguous_strides(t.type.shape);
    }
    return;
  }
  TensorId row = last_row(p, logits);
  if (p[row].type.dtype != DType::f32)
    row = emit(p, op::cast, {row}, op::TypeAttributes{DType::f32}, "logits")[0];
  for (Output& output : p.outputs)
    if (output.id == logits) output.id = row;
}

}  // namespace hone
