#include "op/core_shapes.hpp"

#include "kernel/tensor_train.hpp"

namespace hone {
namespace {

enum Axis : int { rows, left, columns, right };
constexpr std::int64_t most_rows = std::int64_t{1} << 31;

}  // namespace

std::int64_t CoreIndex::columns() const {
  std::int64_t all = 1;
  for (const Shape& core : cores) all *= core[Axis::columns];
  return all;
}

bool CoreIndex::is_low_rank() const {
  return cores.size() == 2 && cores[0][Axis::columns] == 1 && cores[1][Axis::rows] == 1;
}

std::string core_name(std::size_t number) { return "core" + std::to_string(number); }

std::string flaw_of_cores(const std::vector<Shape>& cores, const Shape& table) {
  if (cores.size() < 2 || cores.size() > kernel::most_cores) return "two or three cores";
  std::int64_t all_rows = 1, all_columns = 1, before = 1;
  for (const Shape& core : cores) {
    if (core.rank() != 4) return "cores [rows,left,columns,right]";
    for (int axis = 0; axis < 4; ++axis)
      if (core[axis] < 1 || core[axis] > most_rows) return "cores with sizes above 0";
    if (core[Axis::left] != before)
      return "cores whose left rank is the one before's right, the first one's 1";
    before = core[Axis::right];
    all_rows = std::min(most_rows, all_rows * core[Axis::rows]);
    all_columns = std::min(most_rows, all_columns * core[Axis::columns]);
  }
  if (before != 1) return "a last core whose right rank is 1";
  if (all_rows < table[0]) return "rows whose product is " + std::to_string(table[0]) + " or more";
  if (all_columns != table[1]) return "columns whose product is " + std::to_string(table[1]);
  return {};
}

}  // namespace hone
