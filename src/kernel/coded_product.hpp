// Products of activations that are coded in eight bits with a quantized weight, in whole numbers: for prompts
// and for single tokens, where the weight's type is codes with one scale for a group (kernel/coded.hpp).
//
//   std::vector<std::byte> panels(panel_bytes(type, N, K));
//   pack_panels({blocks, type}, N, K, 0, panel_count(N), panels);  // once, after loading
//   code_rows({x, Element::f32}, K, K, rows, codes, isa, pool);
//   run(CodedProduct{product, codes, type, panels.data()}, isa, pool, scratch);
//
// The weight is laid out anew in panels of 16 rows, so that one vector multiplies four neighbours of 16 rows,
// as VNNI's dpbusd does, and a stream of memory is read from end to end (kernel/isa/coded_product_isa.hpp). A
// result has the same bits for any number of rows, threads, and on every vector instruction set. What coding
// x costs is in doc/numerics.md; training and evaluation compute with Gemm.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "kernel/gemm.hpp"
#include "kernel/isa/coded_product_isa.hpp"

namespace hone::kernel {

bool has_panels(Element type);  // is it such a type?
std::int64_t panel_count(std::int64_t N);
std::int64_t panel_bytes(Element type, std::int64_t N, std::int64_t K);
// So many panels from `first` on, of a weight of N rows in blocks; `to` has all panels.
void pack_panels(In blocks, std::int64_t N, std::int64_t K, std::int64_t first, std::int64_t count,
                 std::span<std::byte> to);

// Rows of x, `width` elements of a floating type, `stride` apart; up to the codes' K come zeros.
void code_rows(In x, std::int64_t width, std::int64_t stride, std::int64_t rows, const RowCodes& to, Isa,
               ThreadPool&);

// C = epilogue(A B^T). Of `product` a and b are not read. A's rows are whole groups of the weight's.
struct CodedProduct {
  Gemm product;
  RowCodes a;
  Element type = Element::q8_0;
  const void* panels = nullptr;
};
std::int64_t scratch_bytes(const CodedProduct&, int threads);
void run(const CodedProduct&, Isa, ThreadPool&, void* scratch);

}  // namespace hone::kernel
