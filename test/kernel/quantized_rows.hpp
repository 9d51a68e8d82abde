// Rows of any width in blocks, each rounded to nearest.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

#include "kernel/blocks.hpp"
#include "kernel/quantize.hpp"

namespace hone::kernel {

inline std::vector<std::byte> quantized_rows(Element type, std::span<const float> values,
                                             std::int64_t columns) {
  const auto width = static_cast<std::size_t>(columns),
             row = static_cast<std::size_t>(row_bytes(type, columns)), rows = values.size() / width;
  std::vector<std::byte> blocks(rows * row);
  for (std::size_t r = 0; r < rows; ++r)
    quantize(type, values.subspan(r * width, width), std::span(blocks).subspan(r * row, row));
  return blocks;
}
inline std::vector<float> expanded_rows(Element type, std::span<const std::byte> blocks,
                                        std::int64_t columns) {
  const auto width = static_cast<std::size_t>(columns),
             row = static_cast<std::size_t>(row_bytes(type, columns)), rows = blocks.size() / row;
  std::vector<float> values(rows * width);
  for (std::size_t r = 0; r < rows; ++r)
    expand({blocks.data() + r * row, type}, std::span(values).subspan(r * width, width));
  return values;
}

}  // namespace hone::kernel
