// Products of activations and weights that are both whole numbers of eight bits, with one scale a row of
// either: what the field calls dynamic int8 (W8A8), for networks whose weights fit it.
//
//   std::vector<std::byte> panels(int8_panel_count(N) * int8_panel_bytes(K));
//   pack_int8({w, Element::f32}, N, K, 0, int8_panel_count(N), panels);  // once, after loading
//   quantize_rows({x, Element::f32}, K, K, {M, K, codes, scales}, isa, pool);
//   run(Int8Product{.product = product, .a = {M, K, codes, scales}, .panels = panels.data()}, isa, pool,
//   scratch);
//
// A row of x is scale * (code - 128), a row of the weight scale * code; the products of codes add up exactly,
// in 32 bits, so no tiling, thread or instruction set changes a bit of a result. K is below 65536, and rows
// of codes are filled up with zeros to a multiple of 4 (int8_row). A weight lies in panels of 48 rows
// (kernel/isa/int8_product_isa.hpp).
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "kernel/gemm.hpp"
#include "kernel/isa/int8_product_isa.hpp"

namespace hone::kernel {

std::int64_t int8_panel_count(std::int64_t N);
// So many panels from `first` on, of a weight [N,K] of any type, blocks too; `to` has all panels.
void pack_int8(In weight, std::int64_t N, std::int64_t K, std::int64_t first, std::int64_t count,
               std::span<std::byte> to);

// Rows of x, `width` elements of a floating type, `stride` apart. The largest magnitude of each becomes 127.
void quantize_rows(In x, std::int64_t width, std::int64_t stride, const Int8Rows& to, Isa, ThreadPool&);

// C = epilogue(A B^T); or, where `quantizes`, the rows of the result quantized again (of its activation,
// where there is one), and C is not written. Of `product` a and b are not read.
struct Int8Product {
  Gemm product;
  Int8Rows a;
  const std::byte* panels = nullptr;
  bool quantizes = false;
  Int8Rows quantized{};
};
std::int64_t scratch_bytes(const Int8Product&, int threads);
void run(const Int8Product&, Isa, ThreadPool&, void* scratch);

}  // namespace hone::kernel
