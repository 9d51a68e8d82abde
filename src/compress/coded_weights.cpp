#include "compress/coded_weights.hpp"

#include <algorithm>
#include <cmath>

#include "hone/error.hpp"
#include "ir/values.hpp"
#include "kernel/coded.hpp"
#include "store/grouped_codes.hpp"

namespace hone {

void require_scales(const std::string& weight, const CodedMatrix& q) {
  const auto finite = [](float x) { return std::isfinite(x); };
  if (std::ranges::all_of(q.scales, finite) && std::ranges::all_of(q.minima, finite)) return;
  throw Error(ErrorKind::input, {.what = "a value is so large that no scale in f16 reaches it",
                                 .where = "weight " + weight,
                                 .expected = "scales and minima of at most 65504",
                                 .hint = "the weight is damaged, or is to be brought nearer to the others"});
}

std::int64_t vanished_groups(std::span<const float> w, const CodedMatrix& q) {
  std::int64_t groups = 0;
  for (std::int64_t r = 0; r < q.rows; ++r)
    for (std::int64_t g = 0; g < q.groups(); ++g) {
      const auto at = static_cast<std::size_t>(r * q.groups() + g);
      const Line line{q.scales[at], q.minima[at]};
      const auto first = static_cast<std::size_t>(r * q.columns + g * q.grid.group);
      const auto count = static_cast<std::size_t>(std::min(q.grid.group, q.columns - g * q.grid.group));
      const auto group = w.subspan(first, count);
      const auto codes = std::span(q.codes).subspan(first, count);
      groups += std::ranges::all_of(codes, [&](std::uint8_t code) { return line.value(code) == 0; }) &&
                std::ranges::any_of(group, [](float x) { return x != 0; });
    }
  return groups;
}

StoredWeight packed(const CodedMatrix& q) {
  if (!is_block(q.grid.group))
    return stored_tree(
        grouped_codes({q.grid.bits, q.grid.group}, {q.rows, q.columns}, q.codes, q.scales,
                      is_about_zero(q.grid) ? std::span<const float>() : std::span<const float>(q.minima)));
  const DType dtype = type_in_programs(q.grid, q.columns);
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
  if (is_block(grid.group)) return {.type = {shape, type_in_programs(grid, weight.columns)}};
  auto tree = std::make_shared<WeightTree>(
      WeightTree{.type = {.dtype = type_in_programs(grid, weight.columns), .groups = {grid.bits, grid.group}},
                 .shape = shape});
  for (const TreePartType& part : grouped_part_types({grid.bits, grid.group}, shape, is_about_zero(grid)))
    tree->parts.push_back({part.name, {.type = part.type}});
  return stored_tree(std::move(tree));
}

}  // namespace hone
