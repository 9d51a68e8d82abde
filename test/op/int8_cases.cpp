#include "kernel/int8_product.hpp"
#include "op/cases.hpp"
#include "op/product_ops.hpp"

namespace hone {
namespace {

// Operands of a product as the other two ops make them, of drawn numbers.
void fill_int8(const Call& c, std::int64_t columns, std::int64_t K) {
  using In = op::Int8LinearInputs;
  Stream stream(stream_key("int8", 1));
  const Operand &codes = c.in[In::codes], &panels = c.in[In::panels];
  const std::int64_t M = codes.type.shape.rows();
  const std::vector<float> x = drawn(stream, M * K), w = drawn(stream, columns * K);
  ThreadPool pool(1);
  kernel::quantize_rows({x.data(), kernel::Element::f32}, K, K,
                        {M, codes.type.shape.last(), codes.as<std::uint8_t>(), c.in[In::scales].as<float>()},
                        Isa::portable, pool);
  kernel::pack_int8({w.data(), kernel::Element::f32}, columns, K, 0, panels.type.shape[0],
                    {panels.as<std::byte>(), static_cast<std::size_t>(panels.type.bytes())});
}

struct Size {
  std::int64_t B, T, K, N;
};

void add_products(DType dtype, const Size& s, std::vector<OpCase>& cases) {
  const Shape x{s.B, s.T, kernel::int8_row(s.K)};
  const Input codes{{x, DType::u8}}, scales{op::f32(x.with_last(1))},
      panels{{{kernel::int8_panel_count(s.N), kernel::int8_panel_bytes(s.K)}, DType::u8}},
      bias{op::f32({s.N})};
  const auto add = [&](const Input& with_bias, const Input& residual, op::Int8LinearAttributes a) {
    a.columns = s.N;
    cases.push_back({&op::int8_linear,
                     {codes, scales, panels, with_bias, residual},
                     a,
                     {},
                     [s](const Call& c) { fill_int8(c, s.N, s.K); },
                     a.quantized           ? 1.0 / 127  // a code may round to its neighbour
                     : dtype == DType::f32 ? 1e-5
                                           : 0x1p-8});
  };
  add(none, none, {.dtype = dtype});
  add(bias, {op::f32(x.with_last(s.N))}, {});
  add(bias, none, {.activation = op::Activation::gelu, .dtype = dtype});
  add(bias, none, {.quantized = true});
  if (s.N > 50) add(bias, none, {.dtype = dtype, .rows = {48, s.N - 50}});
}

}  // namespace

void add_int8_cases(DType dtype, std::vector<OpCase>& cases) {
  for (const std::int64_t K : {4, 36, 576, 7, 33, 50})
    for (const std::int64_t gap : {0, 5})
      cases.push_back({&op::quantize_rows, {{{{2, 7, K}, dtype}, normals(), gap}}, NoAttributes{}});
  for (const Size& s : {Size{1, 1, 4, 5}, Size{2, 3, 36, 100}, Size{1, 133, 128, 50}, Size{3, 64, 96, 192},
                        Size{1, 1, 7, 5}, Size{2, 9, 33, 51}, Size{2, 70, 50, 97}})
    add_products(dtype, s, cases);
  for (const std::int64_t K : {36, 33})
    cases.push_back({&op::pack_int8, {{{{53, K}, dtype}}}, NoAttributes{}});
  if (dtype != DType::f32) return;
  for (const std::int64_t K : {64, 50})
    cases.push_back({&op::pack_int8, {{{{53, K}, DType::q4_0}}}, NoAttributes{}});
}

}  // namespace hone
