#include <cstring>

#include "kernel/coded_product.hpp"
#include "kernel/masked_product.hpp"
#include "kernel/quantized_rows.hpp"
#include "op/cases.hpp"
#include "op/product_ops.hpp"
#include "op/sparse_parts.hpp"

namespace hone {
namespace {

std::int64_t row_of_codes(DType weight, std::int64_t K) { return kernel::filled_up(op::element(weight), K); }

// Operands of a coded product as the other ops make them, of drawn numbers in rows of K.
void fill_codes(const Call& c, std::int64_t K) {
  using In = op::CodedLinearInputs;
  Stream stream(stream_key("coded", 1));
  const Operand& codes = c.in[In::codes];
  const std::vector<float> x = drawn(stream, codes.type.shape.rows() * K);
  ThreadPool pool(1);
  kernel::code_rows({x.data(), kernel::Element::f32}, K, K, codes.type.shape.rows(),
                    {codes.type.shape.last(), codes.as<std::int8_t>(), c.in[In::scales].as<float>(),
                     c.in[In::sums].as<std::int32_t>()},
                    Isa::portable, pool);
}
void fill_coded(const Call& c, DType weight, std::int64_t columns, std::int64_t K) {
  fill_codes(c, K);
  const Operand& panels = c.in[op::CodedLinearInputs::panels];
  const kernel::Element type = op::element(weight);
  Stream stream(stream_key("coded", 2));
  const std::vector<std::byte> blocks = kernel::quantized_rows(type, drawn(stream, columns * K), K);
  kernel::pack_panels({blocks.data(), type}, columns, K, 0, panels.type.shape[0],
                      {panels.as<std::byte>(), static_cast<std::size_t>(panels.type.bytes())});
}

struct Size {
  std::int64_t B, T, K, N;
};

void add_products(DType dtype, DType weight, const Size& s, std::vector<OpCase>& cases) {
  const std::int64_t K = row_of_codes(weight, s.K);
  const Shape x{s.B, s.T, K};
  const std::int64_t count = kernel::panel_count(s.N),
                     bytes = kernel::panel_bytes(op::element(weight), s.N, s.K) / count;
  const Input codes{{x, DType::u8}}, scales{op::f32(x.with_last(K / 16))},
      sums{{x.with_last(K / 32), DType::i32}}, panels{{{count, bytes}, DType::u8}}, bias{op::f32({s.N})};
  const auto add = [&](const Input& with_bias, const Input& residual, op::CodedLinearAttributes a) {
    a.weight = weight, a.columns = s.N;
    cases.push_back({&op::coded_linear,
                     {codes, scales, sums, panels, with_bias, residual},
                     a,
                     {},
                     [weight, s](const Call& c) { fill_coded(c, weight, s.N, s.K); },
                     dtype == DType::f32 ? 1e-5 : 0x1p-8});
  };
  add(none, none, {.dtype = dtype});
  add(bias, {op::f32(x.with_last(s.N))}, {});
  add(bias, none, {.activation = op::Activation::silu, .dtype = dtype});
  if (s.N > 20) add(bias, none, {.dtype = dtype, .rows = {16, s.N - 20}});
}

// A sparse weight's components, of drawn numbers of which some are zero.
struct DrawnSparse {
  kernel::SparseBytes parts;
  SparseIndex index;

  DrawnSparse(kernel::SparseForm form, DType weight, std::int64_t rows, std::int64_t columns) {
    Stream stream(stream_key("sparse", 3));
    const std::uint8_t zero = kernel::zero_code_of(op::element(weight));
    std::vector<std::uint8_t> codes(static_cast<std::size_t>(rows * columns), zero);
    for (std::int64_t i = 0; i < rows * columns; i += 4) {  // at most two of each four, anywhere in them
      const auto first = stream.below(4);
      for (std::int64_t k = 0; k < 2; ++k)
        if (const auto at = static_cast<std::size_t>(i + (first + k) % 4);
            at < codes.size() && stream.uniform() < 0.8)
          codes[at] = static_cast<std::uint8_t>(1 + stream.below(2 * zero - 1));
    }
    std::vector<float> scales;
    for (std::int64_t g = 0; g < rows * kernel::blocks_of_row(op::element(weight), columns); ++g)
      scales.push_back(0.01f + 0.001f * static_cast<float>(g % 29));
    index = {.form = form, .block_rows = form == kernel::SparseForm::block ? 4 : 1, .dtype = weight};
    parts = kernel::sparse_from_codes(index.format(), rows, columns, codes, scales);
    index.kept = parts.kept;
  }
};

template <class T>
void put(const Operand& to, const std::vector<T>& items) {
  std::memcpy(to.data, items.data(), items.size() * sizeof(T));
}

constexpr kernel::SparseForm all_forms[] = {kernel::SparseForm::csr, kernel::SparseForm::bitmap,
                                            kernel::SparseForm::two_of_four, kernel::SparseForm::block};

void add_streams(DType weight, std::int64_t columns, std::vector<OpCase>& cases) {
  using In = op::PackMaskedInputs;
  constexpr std::int64_t rows = 37;
  for (const kernel::SparseForm form : all_forms) {
    const SparseIndex index = DrawnSparse(form, weight, rows, columns).index;
    std::vector<Input> inputs;
    for (const SparsePartType& part : sparse_part_types(index, {rows, columns}))
      inputs.push_back({part.type});
    inputs.resize(4);
    cases.push_back({&op::pack_masked,
                     inputs,
                     op::PackMaskedAttributes{.form = form,
                                              .weight = weight,
                                              .block_rows = index.block_rows,
                                              .rows = rows,
                                              .columns = columns,
                                              .kept = index.kept},
                     {},
                     [form, weight, columns](const Call& c) {
                       const DrawnSparse drawn(form, weight, rows, columns);
                       put(c.in[In::places], drawn.parts.places);
                       if (form == kernel::SparseForm::csr) put(c.in[In::row_starts], drawn.parts.row_starts);
                       put(c.in[In::values], drawn.parts.values);
                       put(c.in[In::scales], drawn.parts.scales);
                     }});
  }
}

void add_masked_products(DType dtype, DType weight, kernel::SparseForm form, const Size& s,
                         std::vector<OpCase>& cases) {
  using In = op::CodedLinearInputs;
  const std::int64_t K = row_of_codes(weight, s.K);
  const Shape x{s.B, s.T, K};
  const DrawnSparse drawn(form, weight, s.N, s.K);
  const kernel::StreamFormat format = kernel::stream_format(drawn.index.format());
  const std::int64_t bytes = kernel::stream_bytes(format, s.N, s.K, drawn.index.kept);
  const Input bias{op::f32({s.N})};
  const auto add = [&](const Input& residual, op::CodedLinearAttributes a) {
    a.weight = weight, a.columns = s.N, a.kept = drawn.index.kept, a.two_of_four = format.two_of_four;
    cases.push_back({&op::coded_linear,
                     {{{x, DType::u8}},
                      {op::f32(x.with_last(K / 16))},
                      {{x.with_last(K / 32), DType::i32}},
                      {{{bytes}, DType::u8}},
                      bias,
                      residual},
                     a,
                     {},
                     [form, format, weight, s](const Call& c) {
                       fill_codes(c, s.K);
                       const DrawnSparse made(form, weight, s.N, s.K);
                       const kernel::SparseRows rows(made.index.format(), s.N, s.K, made.parts.parts());
                       const std::span stream(c.in[In::panels].as<std::byte>(),
                                              static_cast<std::size_t>(c.in[In::panels].type.bytes()));
                       kernel::begin_stream(format, rows, stream);
                       kernel::pack_stream(format, rows, 0, kernel::panel_count(s.N), stream);
                     },
                     dtype == DType::f32 ? 1e-5 : 0x1p-8});
  };
  add({op::f32(x.with_last(s.N))}, {});
  add(none, {.activation = op::Activation::silu, .dtype = dtype});
  if (s.N > 20) add(none, {.dtype = dtype, .rows = {16, s.N - 20}});
}

}  // namespace

void add_coded_cases(DType dtype, std::vector<OpCase>& cases) {
  for (const std::int64_t K : {32, 96, 256})
    for (const std::int64_t gap : {0, 5})
      cases.push_back({&op::code_rows, {{{{2, 7, K}, dtype}, normals(), gap}}, op::CodeRowsAttributes{}});
  for (const auto& [K, width] : {std::pair{7, 128}, {33, 64}, {100, 128}, {96, 128}, {180, 192}})
    for (const std::int64_t gap : {0, 5})
      cases.push_back(
          {&op::code_rows, {{{{2, 7, K}, dtype}, normals(), gap}}, op::CodeRowsAttributes{.width = width}});
  for (auto type = static_cast<int>(DType::q8_0); type < static_cast<int>(dtype_count); ++type) {
    const auto weight = static_cast<DType>(type);
    if (!kernel::has_panels(op::element(weight))) continue;
    for (const Size& s : {Size{1, 1, 256, 5}, Size{2, 1, 128, 70}, Size{2, 3, 384, 37}, Size{1, 133, 128, 50},
                          Size{1, 1, 7, 5}, Size{2, 1, 33, 70}, Size{2, 3, 100, 37}, Size{1, 69, 180, 50}})
      add_products(dtype, weight, s, cases);
    if (dtype == DType::f32)
      for (const std::int64_t K : {256, 7, 100, 180})
        cases.push_back({&op::pack_panels, {{{{37, K}, weight}}}, NoAttributes{}});
  }
  for (const DType weight :
       {DType::q8_0, DType::q8_g64, DType::q8_g128, DType::q4_0, DType::q4_g64, DType::q4_g128})
    for (const kernel::SparseForm form : {kernel::SparseForm::bitmap, kernel::SparseForm::two_of_four})
      for (const Size& s : {Size{1, 1, 256, 5}, Size{2, 3, 100, 37}, Size{1, 69, 180, 50}})
        add_masked_products(dtype, weight, form, s, cases);
  if (dtype == DType::f32)
    for (const DType weight : {DType::q8_g64, DType::q4_0, DType::q4_g64})
      for (const std::int64_t columns : {256, 100, 180}) add_streams(weight, columns, cases);
}

}  // namespace hone
