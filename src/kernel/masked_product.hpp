// Products of activations that are coded in eight bits with a weight of which only some codes are kept, in
// whole numbers: kernel/coded_product.hpp of a sparse weight, with the bits that the dense one has.
//
//   const StreamFormat format = stream_format(rows.format());
//   std::vector<std::byte> stream(stream_bytes(format, N, K, kept));
//   begin_stream(format, rows, stream);                      // where each panel begins
//   pack_stream(format, rows, 0, panel_count(N), stream);    // once, after loading; panels in any order
//   run(MaskedCoded{product, codes, format, stream.data()}, isa, pool, scratch);
//
// Places and codes come in one stream. Of half of the weights, in groups of 64, are read: of eight bits 5.25
// bits a weight of 8.25, of four bits 3.25 of 4.5 (kernel/isa/masked_product_isa.hpp); of two of four
// neighbours 5.0 and 3.0 (kernel/isa/two_of_four_isa.hpp).
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "kernel/coded_product.hpp"
#include "kernel/sparse.hpp"

namespace hone::kernel {

// Codes of this type, and whether of each four neighbours two are kept, by their form.
struct StreamFormat {
  Element type = Element::q8_g64;
  bool two_of_four = false;
};
StreamFormat stream_format(const SparseFormat& format);
// Of a weight [N,K] that keeps so many codes.
std::int64_t stream_bytes(const StreamFormat& format, std::int64_t N, std::int64_t K, std::int64_t kept);
void begin_stream(const StreamFormat& format, const SparseRows& rows, std::span<std::byte> stream);
void pack_stream(const StreamFormat& format, const SparseRows& rows, std::int64_t first, std::int64_t count,
                 std::span<std::byte> stream);

struct MaskedCoded {
  Gemm product;  // C = epilogue(A B^T); a and b are not read
  RowCodes a;
  StreamFormat format;
  const void* stream = nullptr;
  std::int64_t first_panel = 0;
};
std::int64_t scratch_bytes(const MaskedCoded&, int threads);
void run(const MaskedCoded&, Isa isa, ThreadPool&, void* scratch);

}  // namespace hone::kernel
