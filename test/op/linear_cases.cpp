#include "kernel/divide.hpp"
#include "op/cases.hpp"

namespace hone {
namespace {

struct Size {
  std::int64_t B, T, K, N;
};
constexpr Size sizes[] = {{1, 1, 1, 1},   {1, 5, 3, 17},   {3, 11, 100, 64}, {2, 7, 64, 100},
                          {1, 65, 17, 3}, {2, 300, 9, 17}, {1, 33, 768, 5},  {1, 1, 389, 300}};

// Where a narrow type is rounded to before the residual sum or the activation, the sum's last f32 bits may
// turn the rounding by one unit of it, 2^-8 of the product in bf16 and 2^-11 in f16.
double loose(DType rounded) { return rounded == DType::bf16 ? 0x1p-8 : rounded == DType::f16 ? 0x1p-11 : 0; }

// Every form of the epilogue; each as a sum of many rows and as one of few.
void add_products(DType dtype, const Size& s, std::int64_t gap, std::vector<OpCase>& cases) {
  const Input x{{{s.B, s.T, s.K}, dtype}, normals(), gap}, w{{{s.N, s.K}, dtype}}, bias{op::f32({s.N})};
  const Input residual{op::f32({s.B, s.T, s.N})};
  const auto add = [&](const std::vector<Input>& inputs, op::LinearAttributes a, double room) {
    for (const bool few_rows : {false, true}) {
      a.few_rows = few_rows;
      cases.push_back({&op::linear, inputs, a, {}, nullptr, room});
    }
  };
  for (const DType to : {DType::f32, dtype}) {
    add({x, w}, {.dtype = to}, 0);
    add({x, w, bias}, {.dtype = to}, 0);
    add({x, w, none, residual}, {.dtype = to}, loose(to));
    add({x, w, bias, residual}, {.dtype = to}, loose(to));
    for (const auto kind :
         {op::Activation::relu, op::Activation::gelu_new, op::Activation::gelu, op::Activation::silu})
      add({x, w, bias}, {.activation = kind, .dtype = to}, loose(to));
  }
}

void add_gradients(DType dtype, const Size& s, std::int64_t gap, std::vector<OpCase>& cases) {
  const Input dy{{{s.B, s.T, s.N}, dtype}, normals(), gap}, w{{{s.N, s.K}, dtype}},
      pre{{{s.B, s.T, s.K}, dtype}};
  cases.push_back(
      {&op::linear_input_gradient, {dy, w}, op::LinearInputGradientAttributes{.dtype = dtype}, {gap}});
  cases.push_back({&op::linear_input_gradient,
                   {dy, w, pre},
                   op::LinearInputGradientAttributes{.activation = op::Activation::gelu_new, .dtype = dtype},
                   {},
                   nullptr,
                   loose(dtype)});
  for (const std::int32_t micro : {0, 1})
    for (const bool begun : {false, true}) {
      const Input x{{{s.B, s.T, s.K}, dtype}, normals(), gap ? gap + 2 : 0};
      cases.push_back(
          {&op::linear_weight_gradient, {dy, x, sum({s.N, s.K}), step(micro)}, op::SumAttributes{begun}});
      cases.push_back({&op::column_sum, {dy, sum({s.N}), step(micro)}, op::SumAttributes{begun}});
      if (dtype == DType::f32)
        cases.push_back({&op::column_largest, {dy, sum({s.N}), step(micro)}, NoAttributes{}});
      Input narrow = sum({s.N, s.K});
      narrow.type.dtype = DType::bf16;
      cases.push_back({&op::linear_weight_gradient,
                       {dy, x, narrow, step(micro)},
                       op::SumAttributes{begun},
                       {},
                       nullptr,
                       loose(DType::bf16)});
    }
}

// Some rows of a weight that others use too.
void add_parts(DType dtype, std::vector<OpCase>& cases) {
  for (const RowRange rows : {RowRange{0, 7}, RowRange{5, 12}, RowRange{13, 4}}) {
    const Input x{{{2, 5, 33}, dtype}}, w{{{17, 33}, dtype}}, bias{op::f32({17})},
        dy{{{2, 5, rows.rows}, dtype}};
    for (const bool few_rows : {false, true})
      cases.push_back({&op::linear,
                       {x, w, bias},
                       op::LinearAttributes{.dtype = dtype, .few_rows = few_rows, .rows = rows}});
    cases.push_back({&op::linear_input_gradient,
                     {dy, w},
                     op::LinearInputGradientAttributes{.dtype = dtype, .rows = rows}});
    for (const std::int32_t micro : {0, 1}) {
      const op::SumAttributes part{.rows = rows};
      cases.push_back({&op::linear_weight_gradient, {dy, x, sum({17, 33}), step(micro)}, part});
      cases.push_back({&op::column_sum, {dy, sum({17}), step(micro)}, part});
    }
  }
}

// A weight as a file has it: of another floating type, or blocks of those. What products of pairs of bf16
// read is rounded to them; rows that meet blocks in a product of few rows are coded in eight bits
// (kernel/few_rows.hpp).
void add_stored(DType dtype, DType weight, const Size& s, std::vector<OpCase>& cases) {
  const Input x{{{s.B, s.T, s.K}, dtype}, normals(), 3}, w{{{s.N, s.K}, weight}}, bias{op::f32({s.N})},
      residual{op::f32({s.B, s.T, s.N})}, dy{{{s.B, s.T, s.N}, dtype}, normals(), 2};
  const double widened = dtype == DType::bf16 ? 0x1p-6 : 0;  // of few outputs, whose terms cancel
  for (const bool few_rows : {false, true}) {
    const double room = few_rows && is_blocks(weight) ? 0.05 : widened;
    const op::LinearAttributes a{.dtype = DType::f32, .few_rows = few_rows};
    cases.push_back({&op::linear, {x, w}, a, {}, nullptr, room});
    cases.push_back({&op::linear, {x, w, bias, residual}, a, {}, nullptr, room});
    auto part = a;
    part.rows = {1, s.N - 1};
    if (s.N > 1) cases.push_back({&op::linear, {x, w, bias}, part, {}, nullptr, room});
  }
  cases.push_back({&op::linear_input_gradient,
                   {dy, w},
                   op::LinearInputGradientAttributes{.dtype = dtype},
                   {},
                   nullptr,
                   std::max(widened, loose(dtype))});
}

void add_all_stored(DType dtype, std::vector<OpCase>& cases) {
  for (const DType weight : {DType::f32, DType::bf16, DType::f16})
    if (weight != dtype)
      for (const Size& s : {Size{1, 1, 389, 5}, Size{2, 7, 64, 100}, Size{1, 3, 17, 1}})
        add_stored(dtype, weight, s, cases);
  for (auto weight = static_cast<int>(DType::q8_0); weight < static_cast<int>(dtype_count); ++weight) {
    const auto blocks = static_cast<DType>(weight);
    add_stored(dtype, blocks, {1, 1, 512, 5}, cases);
    add_stored(dtype, blocks, {2, 3, kernel::round_up(608, block_elements(blocks)), 35}, cases);
    for (const std::int64_t K : {7, 33, 100, 180}) add_stored(dtype, blocks, {2, 3, K, 19}, cases);
    add_stored(dtype, blocks, {1, 17, 419, 70}, cases);
  }
}

}  // namespace

void add_linear_cases(DType dtype, std::vector<OpCase>& cases) {
  add_all_stored(dtype, cases);
  add_parts(dtype, cases);
  for (const Size& s : sizes)
    for (const std::int64_t gap : {0, 5}) {
      add_products(dtype, s, gap, cases);
      add_gradients(dtype, s, gap, cases);
    }
}

}  // namespace hone
