#include "compress/coded_weights.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "ir/values.hpp"
#include "kernel/coded.hpp"
#include "model/low_rank.hpp"
#include "model/model_impl.hpp"
#include "op/ops.hpp"
#include "store/grouped_codes.hpp"

namespace hone {
namespace {

constexpr std::array<std::int64_t, 3> block_groups{128, 64, 32};

// Is a group a block of some type?
bool is_block(std::int64_t group) { return std::ranges::count(block_groups, group) > 0; }
bool is_about_zero(const Grid& grid) { return grid.symmetric || grid.bits == 8; }
DType type_of(const Grid& grid) { return coded_dtype(grid.bits, grid.group, is_about_zero(grid)); }
CodeGroups groups_of(const Grid& grid) { return {grid.bits, grid.group}; }

}  // namespace

std::vector<MatrixWeight> matrices_of(const Model& model) {
  const Forward forward = model.impl().write({});
  const Program& p = forward.program;
  std::vector<MatrixWeight> all;
  std::set<std::string> seen = correction_names(model);
  for (const auto& [name, tree] : model.impl().store.trees())
    if (tree->type.tensor_train) seen.insert(name);
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
  const auto grid = [&](std::int64_t group) {
    return Grid{.bits = bits, .group = group, .symmetric = o.symmetric.value_or(false) || bits == 8};
  };
  if (o.whole_groups && columns % 32 != 0) return {};
  if (!is_block(o.group)) return grid(o.group == whole_row ? columns : std::min(o.group, columns));
  std::optional<Grid> best;
  for (const std::int64_t group : block_groups) {
    if (group > o.group || (o.whole_groups && columns % group != 0)) continue;
    if (group == o.group && columns % group == 0) return grid(group);
    if (!best || row_bytes(type_of(grid(group)), columns) <= row_bytes(type_of(*best), columns))
      best = grid(group);
  }
  return best;
}

std::int64_t coded_bytes(const MatrixWeight& weight, const Grid& grid) {
  const Shape shape{weight.rows, weight.columns};
  if (is_block(grid.group)) return TensorType{shape, type_of(grid)}.bytes();
  std::int64_t sum = 0;
  for (const TreePartType& part : grouped_part_types(groups_of(grid), shape, is_about_zero(grid)))
    sum += part.type.bytes();
  return sum;
}

DType type_in_programs(const Grid& grid, std::int64_t columns) {
  return is_block(grid.group) ? type_of(grid) : type_of_groups(groups_of(grid), columns, is_about_zero(grid));
}

StoredWeight packed(const CodedMatrix& q) {
  if (!is_block(q.grid.group))
    return stored_tree(
        grouped_codes(groups_of(q.grid), {q.rows, q.columns}, q.codes, q.scales,
                      is_about_zero(q.grid) ? std::span<const float>() : std::span<const float>(q.minima)));
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

StoredWeight without_values(const MatrixWeight& weight, const Grid& grid) {
  const Shape shape{weight.rows, weight.columns};
  if (is_block(grid.group)) return {.type = {shape, type_of(grid)}};
  auto tree = std::make_shared<WeightTree>(WeightTree{
      .type = {.dtype = type_in_programs(grid, weight.columns), .groups = groups_of(grid)}, .shape = shape});
  for (const TreePartType& part : grouped_part_types(groups_of(grid), shape, is_about_zero(grid)))
    tree->parts.push_back({part.name, {.type = part.type}});
  return stored_tree(std::move(tree));
}

}  // namespace hone
