// Codes in groups of any number of a row's elements, where no type of blocks has such groups, as a tree:
//
//   NAME.codes   u8[N, ceil(K bits / 8)]   a row's codes, the lowest bits of a byte first
//   NAME.scales  f16[N, ceil(K / group)]
//   NAME.minima  f16[N, ceil(K / group)]   none: codes about zero, of which 2^(bits-1) means 0
//
// An element is scale * code + minimum. The whole weight is in blocks that the groups are made of, each with
// its group's scale, so that products compute from its codes; in f32 where there are none.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "store/weight_tree.hpp"

namespace hone {

// The type of blocks of so many codes. About zero: without minima, where there is such a type.
DType coded_dtype(int bits, std::int64_t group, bool about_zero);
// What such a weight, of rows of so many columns, is expanded to.
DType type_of_groups(const CodeGroups& groups, std::int64_t columns, bool about_zero);
struct TreePartType {
  std::string name;
  TensorType type;
};
std::vector<TreePartType> grouped_part_types(const CodeGroups& groups, const Shape& shape, bool about_zero);
// codes [N,K]; scales and minima [N,groups], minima empty for codes about zero.
std::shared_ptr<const WeightTree> grouped_codes(const CodeGroups& groups, const Shape& shape,
                                                std::span<const std::uint8_t> codes,
                                                std::span<const float> scales, std::span<const float> minima);
void expand_grouped(const WeightTree& tree, std::span<std::byte> whole);

}  // namespace hone
