#include "kernel/coded_product.hpp"
#include "kernel/quantize.hpp"
#include "op/cases.hpp"

namespace hone {
namespace {

// Operands of a coded product as the other two ops make them, of drawn numbers.
void fill_coded(const Call& c, DType weight, std::int64_t columns) {
  using In = op::CodedLinearInputs;
  Stream stream(stream_key("coded", 1));
  const Operand &codes = c.in[In::codes], &panels = c.in[In::panels];
  const std::int64_t K = codes.type.shape.last();
  const kernel::Element type = op::element(weight);
  const std::vector<float> x = drawn(stream, codes.type.shape.elements()), w = drawn(stream, columns * K);
  ThreadPool pool(1);
  kernel::code_rows(
      {x.data(), kernel::Element::f32}, K, codes.type.shape.rows(),
      {K, codes.as<std::int8_t>(), c.in[In::scales].as<float>(), c.in[In::sums].as<std::int32_t>()},
      Isa::portable, pool);
  std::vector<std::byte> blocks(static_cast<std::size_t>(row_bytes(weight, columns * K)));
  kernel::quantize(type, w, blocks);
  kernel::pack_panels({blocks.data(), type}, columns, K, 0, panels.type.shape[0],
                      {panels.as<std::byte>(), static_cast<std::size_t>(panels.type.bytes())});
}

struct Size {
  std::int64_t B, T, K, N;
};

void add_products(DType dtype, DType weight, const Size& s, std::vector<OpCase>& cases) {
  const Shape x{s.B, s.T, s.K};
  const std::int64_t count = kernel::panel_count(s.N),
                     bytes = kernel::panel_bytes(op::element(weight), s.N, s.K) / count;
  const Input codes{{x, DType::u8}}, scales{op::f32(x.with_last(s.K / 16))},
      sums{{x.with_last(s.K / 32), DType::i32}}, panels{{{count, bytes}, DType::u8}}, bias{op::f32({s.N})};
  const auto add = [&](const Input& with_bias, const Input& residual, op::CodedLinearAttributes a) {
    a.weight = weight, a.columns = s.N;
    cases.push_back({&op::coded_linear,
                     {codes, scales, sums, panels, with_bias, residual},
                     a,
                     {},
                     [weight, N = s.N](const Call& c) { fill_coded(c, weight, N); },
                     dtype == DType::f32 ? 1e-5 : 0x1p-8});
  };
  add(none, none, {.dtype = dtype});
  add(bias, {op::f32(x.with_last(s.N))}, {});
  add(bias, none, {.activation = op::Activation::silu, .dtype = dtype});
  if (s.N > 20) add(bias, none, {.dtype = dtype, .rows = {16, s.N - 20}});
}

}  // namespace

void add_coded_cases(DType dtype, std::vector<OpCase>& cases) {
  for (const std::int64_t K : {32, 96, 256})
    for (const std::int64_t gap : {0, 5})
      cases.push_back({&op::code_rows, {{{{2, 7, K}, dtype}, normals(), gap}}, NoAttributes{}});
  for (auto type = static_cast<int>(DType::q8_0); type < static_cast<int>(dtype_count); ++type) {
    const auto weight = static_cast<DType>(type);
    if (!kernel::has_panels(op::element(weight))) continue;
    for (const Size& s :
         {Size{1, 1, 256, 5}, Size{2, 1, 128, 70}, Size{2, 3, 384, 37}, Size{1, 133, 128, 50}})
      add_products(dtype, weight, s, cases);
    if (dtype == DType::f32) cases.push_back({&op::pack_panels, {{{{37, 256}, weight}}}, NoAttributes{}});
  }
}

}  // namespace hone
