// A block of an 8-bit update; see kernel/adamw8bit.hpp for the meaning.
#pragma once
#include <cstdint>

#include "kernel/isa/optimizer_isa.hpp"

namespace hone::kernel {

// By decade, the lowest first. With y a share of the block's largest: part = y * to_part + first_part,
// counted from 0; code = parts + part; y = code * slope + offset.
struct MomentMap {
  static constexpr int decades = 7;
  static constexpr float signed_zero = 2.75e-7f;  // half of what the lowest signed code stands for
  float to_part[8], first_part[8], parts[8], slope[8], offset[8];
  float begins[decades - 1];  // of all decades but the lowest
  int code_bias;              // the lowest decade's parts
};

// A block of smaller values becomes zeros: the inverse would be infinite.
constexpr float least_largest = 1e-38f;

struct AdamW8BitBlock {
  std::int64_t n;
  UpdatedWeight w;
  In gradient;
  std::uint8_t *m, *v;
  float *m_largest, *v_largest;
  Out low;  // or without data
};

struct AdamW8BitTable {
  void (*block)(const AdamWCoefficients&, const MomentMap& mean, const MomentMap& squares,
                const AdamW8BitBlock&);
};

HONE_BUILDS(AdamW8BitTable, adamw8bit_table);

}  // namespace hone::kernel
