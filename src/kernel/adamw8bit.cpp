#include "kernel/adamw8bit.hpp"

#include <algorithm>
#include <cmath>

#include "kernel/divide.hpp"
#include "kernel/isa/adamw8bit_isa.hpp"

namespace hone::kernel {
namespace {

MomentMap make_map(bool squares) {
  MomentMap map{};
  for (int i = 0; i < MomentMap::decades; ++i) {
    const double top = std::pow(10.0, i - MomentMap::decades + 1), parts = (squares ? 2 : 1) << i;
    map.parts[i] = static_cast<float>(parts);
    map.to_part[i] = static_cast<float>(parts / (0.9 * top));
    map.first_part[i] = static_cast<float>(-parts / 9);
    map.slope[i] = static_cast<float>(0.9 * top / parts);
    map.offset[i] = static_cast<float>(top * (0.1 + 0.9 * (0.5 / parts - 1)));
    if (i > 0) map.begins[i - 1] = static_cast<float>(top / 10);
  }
  map.code_bias = squares ? 2 : 1;
  return map;
}

const MomentMap& map_of(bool squares) {
  static const MomentMap maps[] = {make_map(false), make_map(true)};
  return maps[squares];
}

}  // namespace

void run(const AdamW8Bit& a, Isa isa, ThreadPool& pool) {
  const AdamW8BitTable& f = adamw8bit_table_of(isa);
  const AdamWCoefficients c = coefficients(*a.step, a.decay, a.clip_scale);
  constexpr std::int64_t task_blocks = 64;
  const std::int64_t blocks = moment_blocks(a.n);
  pool.run(divide_up(blocks, task_blocks), [&](std::int64_t task, int) {
    for (std::int64_t b = task * task_blocks; b < std::min(blocks, (task + 1) * task_blocks); ++b) {
      const std::int64_t at = b * AdamW8Bit::block_values;
      f.block(c, map_of(false), map_of(true),
              {.n = std::min(AdamW8Bit::block_values, a.n - at),
               .w = {part_of(a.w, at), a.key, at},
               .gradient = part_of(a.gradient, at),
               .m = a.m.codes + at,
               .v = a.v.codes + at,
               .m_largest = a.m.largest + b,
               .v_largest = a.v.largest + b,
               .low = part_of(a.low, at)});
    }
  });
}

std::uint8_t moment_code(float share, bool squares) {
  const MomentMap& map = map_of(squares);
  const float y = std::abs(share);
  int decade = 0;
  for (const float begin : map.begins) decade += y >= begin;
  const float part =
      std::clamp(y * map.to_part[decade] + map.first_part[decade], 0.0f, map.parts[decade] - 1);
  const int code = static_cast<int>(map.parts[decade] + part);
  if (squares) return static_cast<std::uint8_t>(y > 0 ? code : 0);
  return static_cast<std::uint8_t>(y < MomentMap::signed_zero ? 0 : code | (share < 0 ? 0x80 : 0));
}

float moment_share(std::uint8_t code, bool squares) {
  const MomentMap& map = map_of(squares);
  const int magnitude = squares ? code : code & 0x7f;
  if (magnitude == 0) return 0;
  int decade = 0;
  while ((map.code_bias << (decade + 1)) <= magnitude) ++decade;
  const bool largest = magnitude == (squares ? 255 : 127);
  const float share = largest ? 1 : static_cast<float>(magnitude) * map.slope[decade] + map.offset[decade];
  return magnitude == code ? share : -share;
}

}  // namespace hone::kernel
