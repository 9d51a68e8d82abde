#include "pass/beside.hpp"

#include "op/ops.hpp"

namespace hone {

void add_beside(Program& p, Rewrite& edit, std::size_t n, const Beside& b) {
  const TensorId y = edit[n].outputs[0];
  const auto insert = [&](const OpRecord& op, std::vector<TensorId> inputs, const Attributes& attributes,
                          const char* suffix) {
    const std::string name = edit[n].name + suffix, scope = edit[n].scope;
    const TensorId made = edit.insert(n + 1, op, std::move(inputs), attributes, name)[0];
    edit.inserted().scope = scope;
    return made;
  };
  TensorId low = insert(op::linear, {b.x, b.v}, op::LinearAttributes{}, b.v_name);
  if (b.scale) low = insert(op::scale, {low}, op::ScaleAttributes{*b.scale}, b.scale_name);
  const TensorId more = insert(op::linear, {low, b.u}, op::LinearAttributes{}, b.u_name);
  TensorDef own = p[y];
  own.name += ".base";
  const TensorId alone = p.add(std::move(own));
  edit[n].outputs[0] = alone;
  insert(op::add, {alone, more}, op::TypeAttributes{p[y].type.dtype}, b.sum_name);
  edit.inserted().outputs[0] = y;
}

}  // namespace hone
