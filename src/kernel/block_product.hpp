// Products with a weight of which blocks of 4 or 16 rows of one column are kept, of a floating type: what
// kernel/gemm.hpp computes of the dense weight, without its zeros.
//
//   std::vector<std::byte> stream(strips_bytes(format, N, K, kept, pairs));
//   begin_strips(rows, 16, pairs, stream);              // where each strip begins
//   pack_strips(rows, 16, pairs, 0, strip_count(16, N), stream);  // once, after loading; strips in any order
//   run(BlockLinear{product, 16, pairs, stream.data()}, isa, pool, scratch);
//
// Of more than eight rows a result in f32 has the bits of the dense product, whose chain over k it is; of
// fewer it is four chains (as kernel/few_rows.hpp has more). `pairs`: two columns at a time in bf16, rounded
// once a pair, where the machine multiplies so (block_pairs); then x is bf16. Else all is computed in f32.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "kernel/gemm.hpp"
#include "kernel/sparse.hpp"

namespace hone::kernel {

// Has this form strips? Its columns have 16 bits, one of which is none's.
bool has_strips(const SparseFormat& format, std::int64_t K);

std::int64_t strip_count(std::int64_t block_rows, std::int64_t N);
// At most, of a weight [N,K] that keeps so many columns of rows of blocks.
std::int64_t strips_bytes(std::int64_t block_rows, std::int64_t N, std::int64_t kept, bool pairs);
void begin_strips(const SparseRows& rows, std::int64_t block_rows, bool pairs, std::span<std::byte> stream);
void pack_strips(const SparseRows& rows, std::int64_t block_rows, bool pairs, std::int64_t first,
                 std::int64_t count, std::span<std::byte> stream);

struct BlockLinear {
  Gemm product;  // C = epilogue(A B^T); b is not read
  std::int64_t block_rows = 16;
  bool pairs = false, few = false;
  const void* stream = nullptr;
  std::int64_t first_strip = 0;
};
std::int64_t scratch_bytes(const BlockLinear&, int threads);
void run(const BlockLinear&, Isa, ThreadPool&, void* scratch);

}  // namespace hone::kernel
