#include "compress/coded_weights.hpp"

#include <cassert>
#include <set>

#include "ir/values.hpp"
#include "kernel/coded.hpp"
#include "model/low_rank.hpp"
#include "model/model_impl.hpp"
#include "op/ops.hpp"

namespace hone {
namespace {

DType type_of(const Grid& grid) {
  const bool about_zero = grid.symmetric && (grid.bits == 8 || (grid.bits == 4 && grid.group == 32));
  const auto element = kernel::coded_type(grid.bits, grid.group, !about_zero);
  assert(element);
  for (std::size_t i = 0; i < dtype_count; ++i)
    if (const auto dtype = static_cast<DType>(i); is_blocks(dtype) && element_of(dtype) == *element)
      return dtype;
  assert(false);
  return DType::f32;
}

}  // namespace

std::vector<MatrixWeight> matrices_of(const Model& model) {
  const Forward forward = model.impl().write({});
  const Program& p = forward.program;
  std::vector<MatrixWeight> all;
  std::set<std::string> seen = correction_names(model);
  for (const auto& train : model.impl().store.tensor_trains()) seen.insert(train.first);
  const auto add = [&](TensorId id, bool table) {
    const TensorDef& t = p[p.root(id)];
    if (t.role != Role::parameter || t.type.shape.rank() != 2 || !seen.insert(t.name).second) return;
    all.push_back({t.name, t.type.shape[0], t.type.shape[1], table});
  };
  std::set<std::int32_t> returned;
  for (const Output& output : p.outputs) returned.insert(p.root(output.id).value);
  for (const Node& node : p.nodes) {
    if (node.op == &op::embedding && p[p.root(node.inputs[op::EmbeddingInputs::ids])].name == "$tokens")
      add(node.inputs[op::EmbeddingInputs::table], true);
    if (node.op == &op::linear)
      add(node.inputs[op::LinearInputs::weight], returned.contains(p.root(node.outputs[0]).value));
  }
  return all;
}

std::optional<Grid> grid_of(int bits, std::int64_t columns, const QuantizeOptions& o) {
  std::optional<Grid> best;
  for (const std::int64_t group : {128, 64, 32}) {
    const Grid grid{.bits = bits, .group = group, .symmetric = o.symmetric.value_or(false) || bits == 8};
    if (group > o.group || (o.whole_groups && columns % group != 0)) continue;
    if (group == o.group && columns % group == 0) return grid;
    if (!best || row_bytes(type_of(grid), columns) <= row_bytes(type_of(*best), columns)) best = grid;
  }
  return best;
}

std::int64_t coded_bytes(const MatrixWeight& weight, const Grid& grid) {
  return TensorType{{weight.rows, weight.columns}, type_of(grid)}.bytes();
}

StoredWeight packed(const CodedMatrix& q) {
  const DType dtype = type_of(q.grid);
  const auto columns = static_cast<std::size_t>(q.columns), groups = static_cast<std::size_t>(q.groups()),
             row = static_cast<std::size_t>(row_bytes(dtype, q.columns));
  std::vector<std::byte> bytes(static_cast<std::size_t>(q.rows) * row);
  for (std::size_t r = 0; r < static_cast<std::size_t>(q.rows); ++r)
    kernel::pack_codes(element_of(dtype), std::span(q.codes).subspan(r * columns, columns),
                       std::span(q.scales).subspan(r * groups, groups),
                       std::span(q.minima).subspan(r * groups, groups),
                       std::span(bytes).subspan(r * row, row));
  return made_weight({{q.rows, q.columns}, dtype}, std::move(bytes));
}

}  // namespace hone
