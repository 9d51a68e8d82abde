// Products of activations that are coded in eight bits with a weight of which only some codes are kept, in
// whole numbers: kernel/coded_product.hpp of a sparse weight, with the bits that the dense one has.
//
//   std::vector<std::byte> stream(masked_bytes(N, K, group, kept));
//   begin_stream(rows, stream);                      // where each panel begins
//   pack_masked(rows, 0, panel_count(N), stream);    // once, after loading; panels in any order
//   run(MaskedCoded{product, codes, group, stream.data()}, isa, pool, scratch);
//
// Masks and codes come in one stream (kernel/isa/masked_product_isa.hpp): of half of the weights 5 bits a
// weight and a scale for each group are read, of 8.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "kernel/coded_product.hpp"
#include "kernel/isa/masked_product_isa.hpp"
#include "kernel/sparse.hpp"

namespace hone::kernel {

// Of a weight [N,K] that keeps so many codes, in groups of `group` columns.
std::int64_t masked_bytes(std::int64_t N, std::int64_t K, std::int64_t group, std::int64_t kept);
void begin_stream(const SparseRows& rows, std::span<std::byte> stream);
void pack_masked(const SparseRows& rows, std::int64_t first, std::int64_t count, std::span<std::byte> stream);

struct MaskedCoded {
  Gemm product;  // C = epilogue(A B^T); a and b are not read
  RowCodes a;
  std::int64_t group = 64;
  const void* stream = nullptr;
  std::int64_t first_panel = 0;
};
std::int64_t scratch_bytes(const MaskedCoded&, int threads);
void run(const MaskedCoded&, Isa, ThreadPool&, void* scratch);

}  // namespace hone::kernel
