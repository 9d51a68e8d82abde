// Ops that take the place of linear (op/ops.hpp) where a weight lies otherwise than in rows: in panels of
// codes, as a stream of what is kept, in strips of blocks. Passes of generation and evaluation put them
// there.
#pragma once
#include "kernel/sparse.hpp"
#include "op/ops.hpp"

namespace hone::op {

// linear of a quantized weight, in whole numbers (kernel/coded_product.hpp):
// (x[..,K]) -> codes u8[..,K], which are signed, scales f32[..,K/16], sums i32[..,K/32]; with zeros behind x
// up to `width`, of x and of all three
struct CodeRowsAttributes {
  std::int64_t width = 0;  // 0: K
  template <class V>
  void fields(V&& v) const {
    if (width > 0) v("width", width);
  }
};
extern const OpRecord code_rows;
extern const OpRecord pack_panels;  // (w[N,K] in blocks) -> u8[panels,bytes], all panels of 16 rows
// The components of a sparse weight [rows,columns] (op/sparse_parts.hpp) -> u8[bytes], the same as a stream
// of masks and codes
struct PackMaskedInputs {
  enum : std::size_t { places, values, scales, row_starts };
};
struct PackMaskedAttributes {
  kernel::SparseForm form = kernel::SparseForm::bitmap;
  DType weight = DType::q8_0;
  std::int64_t block_rows = 1, rows = 0, columns = 0, kept = 0;
  template <class V>
  void fields(V&& v) const {
    v.operand("row_starts"), v("form", static_cast<std::int32_t>(form)), v("weight", name(weight));
    v("block_rows", block_rows), v("rows", rows), v("columns", columns), v("kept", kept);
  }
};
extern const OpRecord pack_masked;
// (codes, scales, sums, panels[, bias f32[N]][, residual f32[..,N]]) -> as linear
struct CodedLinearInputs {
  enum : std::size_t { codes, scales, sums, panels, bias, residual };
};
struct CodedLinearAttributes {
  Activation activation = Activation::none;
  DType dtype = DType::f32;
  DType weight = DType::q8_0;  // what the panels were made of
  std::int64_t columns = 0;    // N, of the whole weight
  RowRange rows{};             // as in LinearAttributes; the first begins a panel
  std::int64_t kept = -1;      // of a sparse weight: its codes; `panels` is pack_masked's stream then
  bool two_of_four = false;    // that one's form
  template <class V>
  void fields(V&& v) const {
    v.operand("bias"), v.operand("residual"), v("activation", static_cast<std::int32_t>(activation));
    v("dtype", name(dtype)), v("weight", name(weight)), v("columns", columns), print_rows(rows, v);
    if (kept >= 0) v("kept", kept);
    if (two_of_four) v("two_of_four", two_of_four);
  }
};
extern const OpRecord coded_linear;
// The components of a sparse weight [rows,columns] in blocks of a floating type -> u8[bytes], the same as
// strips (kernel/block_product.hpp)
struct PackStripsInputs {
  enum : std::size_t { mask, values };
};
struct PackStripsAttributes {
  DType weight = DType::f32;
  std::int64_t block_rows = 16, rows = 0, columns = 0, kept = 0;
  bool pairs = false;
  template <class V>
  void fields(V&& v) const {
    v("weight", name(weight)), v("block_rows", block_rows), v("rows", rows), v("columns", columns);
    v("kept", kept);
    if (pairs) v("pairs", pairs);
  }
};
extern const OpRecord pack_strips;
// (x[..,K], strips[, bias f32[N]][, residual f32[..,N]]) -> as linear
struct BlockLinearInputs {
  enum : std::size_t { x, strips, bias, residual, codes = x, panels = strips };
};
struct BlockLinearAttributes {
  Activation activation = Activation::none;
  DType dtype = DType::f32;
  std::int64_t block_rows = 16, columns = 0, kept = 0;  // columns: N, of the whole weight
  RowRange rows{};                                      // as in LinearAttributes; the first begins a strip
  bool pairs = false, few_rows = false;                 // the sum's shape (kernel/block_product.hpp)
  template <class V>
  void fields(V&& v) const {
    v.operand("bias"), v.operand("residual"), v("activation", static_cast<std::int32_t>(activation));
    v("dtype", name(dtype)), v("block_rows", block_rows), v("columns", columns), v("kept", kept);
    if (pairs) v("pairs", pairs);
    if (few_rows) v("few_rows", few_rows);
    print_rows(rows, v);
  }
};
extern const OpRecord block_linear;
// The same with both in eight bits and a scale a row (kernel/int8_product.hpp):
// (x[..,K]) -> codes u8[..,K], 128 is 0, scales f32[..,1]; rows of codes are filled up to a multiple of 4
extern const OpRecord quantize_rows;
extern const OpRecord pack_int8;  // (w[N,K]) -> u8[panels,bytes], all panels of 48 rows
// (codes, scales, panels[, bias f32[N]][, residual f32[..,N]]) -> activation(x w^T + bias), or residual + it;
// or, quantized, that as codes and scales
struct Int8LinearInputs {
  enum : std::size_t { codes, scales, panels, bias, residual };
};
struct Int8LinearAttributes {
  Activation activation = Activation::none;
  DType dtype = DType::f32;
  std::int64_t columns = 0;  // N, of the whole weight
  RowRange rows{};           // as in LinearAttributes; the first begins a panel
  bool quantized = false;
  template <class V>
  void fields(V&& v) const {
    v.operand("bias"), v.operand("residual"), v("activation", static_cast<std::int32_t>(activation));
    v("dtype", name(dtype)), v("columns", columns), print_rows(rows, v);
    if (quantized) v("quantized", quantized);
  }
};
extern const OpRecord int8_linear;

}  // namespace hone::op
