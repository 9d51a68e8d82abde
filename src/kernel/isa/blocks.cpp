#include "kernel/isa/blocks_isa.hpp"

#include "kernel/isa/code_unit.hpp"
#include "kernel/isa/expand.hpp"
#include "kernel/isa/loops.hpp"

namespace hone::kernel::HONE_ISA {
namespace {

void expand(In values, std::int64_t count, float* to) {
  if (is_blocks(values.type)) return expand_blocks(values, count, to);
  typed(values, [&](auto* from) {
    each(count, [&](std::int64_t i, auto part) { put(to + i, get(from + i, part), part); });
  });
}

void encode(In x, std::int64_t width, std::int64_t stride, std::int64_t rows, const CodedRows& to) {
  typed(x, [&](auto* all) {
    const std::int64_t units = to.K / unit;
    for (std::int64_t r = 0; r < rows; ++r)
      code_row(all + r * stride, width, units, to.codes + r * to.K,
               [&](std::int64_t u, const CodedUnit& coded) {
                 const std::int64_t at = r * units + u;
                 to.scale[at] = coded.scale;
                 for (int half = 0; half < 2; ++half)
                   to.half_sums[2 * at + half] = coded.scale * static_cast<float>(coded.halves[half]);
                 to.sums[at] = coded.scale * static_cast<float>(coded.halves[0] + coded.halves[1]);
               });
  });
}

}  // namespace

const BlocksTable blocks_table{.expand = expand, .encode = encode};

}  // namespace hone::kernel::HONE_ISA
