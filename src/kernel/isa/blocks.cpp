#include "kernel/isa/blocks_isa.hpp"

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

HONE_INLINE F magnitude(F x) { return as_float(bits(x) & 0x7fffffff); }

// To the nearest whole number, of |x| < 2^22: in every build the adder's rounding.
HONE_INLINE F rounded_whole(F x) {
  const F magic = splat(12582912.0f);  // 1.5 * 2^23
  return (x + magic) - magic;
}

// One unit: the largest magnitude becomes 127, as in ggml's Q8_0.
template <class T>
HONE_INLINE void encode_unit(const T* x, std::int8_t* codes, float* scale, float* half_sums, float* sum) {
  F v[unit / lanes], largest{}, zeros[sum_parts] = {};
  for (int i = 0; i < unit / lanes; ++i) {
    v[i] = load(x + i * lanes);
    largest = max(largest, magnitude(v[i]));
    zeros[i % sum_parts] += v[i] * splat(0.0f);  // or NaN, which no code would show
  }
  const float most = max(largest), d = most / 127.0f + HONE_ISA::sum(zeros);
  const float inverse = most > 0 ? 127.0f / most : 0.0f;
  std::int32_t whole[unit];
  for (int i = 0; i < unit / lanes; ++i) {
    const I code = __builtin_convertvector(rounded_whole(v[i] * splat(inverse)), I);
    std::memcpy(whole + i * lanes, &code, sizeof code);
  }
  std::int32_t halves[2] = {};
  for (int i = 0; i < unit; ++i) {
    codes[i] = static_cast<std::int8_t>(whole[i]);
    halves[i / 16] += whole[i];
  }
  *scale = d;
  half_sums[0] = d * static_cast<float>(halves[0]);
  half_sums[1] = d * static_cast<float>(halves[1]);
  *sum = d * static_cast<float>(halves[0] + halves[1]);
}

void encode(In x, std::int64_t stride, std::int64_t rows, const CodedRows& to) {
  typed(x, [&](auto* all) {
    const std::int64_t units = to.K / unit;
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t u = 0; u < units; ++u) {
        const std::int64_t at = r * units + u;
        encode_unit(all + r * stride + u * unit, to.codes + r * to.K + u * unit, to.scale + at,
                    to.half_sums + 2 * at, to.sums + at);
      }
  });
}

}  // namespace

const BlocksTable blocks_table{.expand = expand, .encode = encode};

}  // namespace hone::kernel::HONE_ISA
