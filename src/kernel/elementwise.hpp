// Loops over elements: activations, gates, sums, casts, dropout; and the sum over rows that a bias's gradient
// is.
#pragma once
#include <cstdint>

#include "base/thread_pool.hpp"
#include "kernel/element.hpp"
#include "machine/isa.hpp"

namespace hone::kernel {

// y = act(x) and dx = dy * act'(x); all of one type; y may be x or dy. The functions are
// isa/activation.hpp's, which matmul epilogues share.
struct Activate {
  std::int64_t n = 0;
  Activation kind = Activation::none;
  In x;
  In dy;  // null forward; with dy, y is dx
  Out y;
};

// y = act(gate) * x: the middle of a gated feed-forward (Shazeer, 2020, "GLU variants improve Transformer").
// With dy: d_x = dy * act(gate) and d_gate = dy * x * act'(gate). All of one type; results may be inputs.
struct Gate {
  std::int64_t n = 0;
  Activation kind = Activation::none;
  In gate, x;
  In dy;  // null forward
  Out y;  // with dy: d_x
  Out d_gate;
};

// y = cap tanh(x / cap): a soft limit. With dy: dx = dy (1 - (y / cap)^2), of the y that was made; in `y`
// then.
struct Softcap {
  std::int64_t n = 0;
  float cap = 1;
  In x;   // with dy: what y was
  In dy;  // null forward
  Out y;  // all of one type; may be x or dy
};

// y = a + b, rounded to y's type; y may be a or b where the types agree.
struct Add {
  std::int64_t n = 0;
  In a, b;
  Out y;
};

struct Cast {
  std::int64_t n = 0;
  In x;
  Out y;
};

// y[r,c] = keep ? x[r,c] / (1-p) : 0 for rows of `columns` elements. keep is drawn by philox(key; counter),
// counter = the element's index in the undivided step = first_row * columns + r * columns + c: eight elements
// share one call, 16 bits each, keep when bits >= round(p * 65536). Same call forward and backward.
struct DropoutRows {
  std::int64_t rows = 0, columns = 0;
  In x;
  Out y;  // x's type; may be x
  float p = 0;
  std::uint64_t key = 0;
  std::int64_t first_row = 0;
};

// sum[c] (+)= sum over rows of x[r,c], by pieces in order (see piece_positions).
struct ColumnSum {
  std::int64_t sequences = 0, positions = 0, columns = 0;
  In x;
  std::int64_t x_stride = 0;
  float* sum = nullptr;
  bool accumulate = false;
};

std::int64_t scratch_bytes(const ColumnSum&, int threads);  // 0: each task owns some columns

void run(const Activate&, Isa, ThreadPool&);
void run(const Gate&, Isa, ThreadPool&);
void run(const Softcap&, Isa, ThreadPool&);
void run(const Add&, Isa, ThreadPool&);
void run(const Cast&, Isa, ThreadPool&);
void run(const DropoutRows&, Isa, ThreadPool&);
void run(const ColumnSum&, Isa, ThreadPool&, void* scratch);

}  // namespace hone::kernel
