// Rotary position embedding (Su et al., 2021, "RoFormer"): elements d and d + width/2 of each head are a
// pair, turned by the angle position * frequency of d and multiplied by `factor`; what lies behind `width`
// stays.
#pragma once
#include <cstdint>

#include "base/thread_pool.hpp"
#include "kernel/element.hpp"
#include "machine/isa.hpp"

namespace hone::kernel {

// Angles are products of a position and an f32 frequency, exact in f64 below position 2^29, and reduced
// there: (cos, sin) is within 1.1e-7 up to position 2^20, an element in f32 within 2e-7 of its pair's length.
struct Rotate {
  std::int64_t rows = 0, heads = 1, D = 0;  // D elements a head
  std::int64_t width = 0;                   // of them rotated, an even number
  const std::int32_t* positions = nullptr;  // [rows]
  const float* frequencies = nullptr;       // [width/2], radians a position
  bool inverse = false;                     // by the negative angles
  float factor = 1;                         // of what is rotated
  In x;                                     // [rows,heads*D]
  std::int64_t x_stride = 0;
  Out y;  // x's type; may be x
  std::int64_t y_stride = 0;
};

void run(const Rotate&, Isa, ThreadPool&);

}  // namespace hone::kernel
