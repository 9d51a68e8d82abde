#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernel/int8_product.hpp"
#include "op/activation_reference.hpp"
#include "op/common.hpp"
#include "op/panel_product.hpp"
#include "op/product_ops.hpp"

// linear() with x and weight in whole numbers of eight bits, a scale for each row of either
// (kernel/int8_product.hpp).
namespace hone::op {
namespace {

Shape scales_shape(const Shape& x) { return x.with_last(1); }

void require_width(const InferInput& i, const TensorType& x) {
  if (x.shape.last() >= 65536) i.fail("the width is not multiplied in int8", "below 65536", to_string(x));
}
Shape codes_shape(const Shape& x) { return x.with_last(kernel::int8_row(x.last())); }

kernel::Int8Rows rows_of(const Operand& codes, const Operand& scales) {
  return {codes.type.shape.rows(), codes.type.shape.last(), codes.as<std::uint8_t>(), scales.as<float>()};
}

// --- x as codes --------------------------------------------------------------------------------------------

std::vector<OutputSpec> infer_codes(const InferInput& i) {
  const TensorType& x = i.in[0];
  i.require_rank_at_least(0, 1);
  if (!is_floating(x.dtype)) i.fail("rows are not quantized", "a floating type", to_string(x));
  require_width(i, x);
  return {{{codes_shape(x.shape), DType::u8}}, {f32(scales_shape(x.shape))}};
}

bool takes_rows(const Call& c) { return gaps_only_in(c, {0}, {}); }
void run_codes(const Call& c) {
  const Operand& x = c.in[0];
  kernel::quantize_rows(in(x), x.type.shape.last(), x.row_stride(), rows_of(c.out[0], c.out[1]), c.isa,
                        *c.pool);
}

// Row r of values, as codes, by the kernel's own steps in f32: a code is a whole number, and rounds as there.
void quantize_row(std::span<const float> row, const Operand& codes, const Operand& scales, std::int64_t r) {
  float most = 0;
  for (const float x : row) most = std::max(most, std::abs(x));
  const float inverse = most > 0 ? 127.0f / most : 0.0f;
  const auto K = static_cast<std::size_t>(codes.type.shape.last());
  for (std::size_t k = 0; k < K; ++k) {
    const float x = k < row.size() ? row[k] : 0;
    codes.as<std::uint8_t>()[static_cast<std::size_t>(r) * K + k] =
        static_cast<std::uint8_t>(128 + static_cast<int>(std::nearbyint(x * inverse)));
  }
  set(scales, r, static_cast<double>(most / 127.0f));
}

void reference_codes(const Call& c) {
  const Operand& x = c.in[0];
  const std::int64_t K = x.type.shape.last();
  std::vector<float> row(static_cast<std::size_t>(K));
  for (std::int64_t r = 0; r < x.type.shape.rows(); ++r) {
    for (std::int64_t k = 0; k < K; ++k)
      row[static_cast<std::size_t>(k)] = static_cast<float>(get(x, r * K + k));
    quantize_row(row, c.out[0], c.out[1], r);
  }
}

// --- the weight in panels ----------------------------------------------------------------------------------

std::vector<OutputSpec> infer_panels(const InferInput& i) {
  i.require_rank(0, 2);
  const TensorType& w = i.in[0];
  require_width(i, w);
  return {{{{kernel::int8_panel_count(w.shape[0]), kernel::int8_panel_bytes(w.shape[1])}, DType::u8}}};
}

// --- the product -------------------------------------------------------------------------------------------

using In = Int8LinearInputs;

std::vector<OutputSpec> infer(const InferInput& i) {
  const auto a = i.attributes.as<Int8LinearAttributes>();
  const TensorType& codes = i.in[In::codes];
  i.require_rank_at_least(In::codes, 2);
  i.require(In::codes, {codes_shape(codes.shape), DType::u8});
  require_width(i, codes);
  i.require(In::scales, f32(scales_shape(codes.shape)));
  i.require(In::panels,
            {{kernel::int8_panel_count(a.columns), kernel::int8_panel_bytes(codes.shape.last())}, DType::u8});
  const Shape y = panel_product_shape<In>(i, a, kernel::int8_panel_rows);
  if (a.quantized) return {{{codes_shape(y), DType::u8}}, {f32(scales_shape(y))}};
  if (!i.has(In::residual)) return {{{y, a.dtype}}};
  i.require(In::residual, f32(y));
  return {{f32(y)}};
}

kernel::Int8Product arguments(const Call& c) {
  const auto a = c.attributes.as<Int8LinearAttributes>();
  const Operand& y = c.out[0];
  kernel::Int8Product p{.product = panel_gemm<In>(c, a),
                        .a = rows_of(c.in[In::codes], c.in[In::scales]),
                        .panels = first_panel<In>(c, a, kernel::int8_panel_rows),
                        .quantizes = a.quantized};
  if (a.quantized) {
    p.quantized = rows_of(y, c.out[1]);
  } else {
    p.product.c = out(y);
    if (a.activation != Activation::none) {  // which alone is kept
      p.product.activated = y.data;
      p.product.c.data = nullptr;
    }
  }
  return p;
}

bool takes(const Call& c) {
  return gaps_only_in(c, {}, {0}) &&
         (!c.attributes.as<Int8LinearAttributes>().quantized || c.out[0].packed());
}
std::int64_t scratch(const Call& c) { return kernel::scratch_bytes(arguments(c), c.pool->threads()); }
void run(const Call& c) { kernel::run(arguments(c), c.isa, *c.pool, c.scratch); }

// The code of element k of row j of the weight times its scale.
double weight_at(const Operand& panels, std::int64_t j, std::int64_t k) {
  const auto* panel = panels.as<std::byte>() + j / kernel::int8_panel_rows * panels.type.shape[1];
  const std::int64_t lane = j % kernel::int8_panel_rows;
  float scale;
  std::memcpy(&scale, panel + 4 * lane, sizeof scale);
  const auto code = static_cast<std::int8_t>(
      panel[kernel::int8_panel_head + k / 4 * 4 * kernel::int8_panel_rows + 4 * lane + k % 4]);
  return static_cast<double>(scale) * code;
}

void reference(const Call& c) {
  const auto a = c.attributes.as<Int8LinearAttributes>();
  const Operand &y = c.out[0], &residual = c.in[In::residual], &bias = c.in[In::bias];
  const std::int64_t K = c.in[In::codes].type.shape.last(), N = columns_of(a);
  std::vector<float> row(static_cast<std::size_t>(N));
  for (std::int64_t r = 0; r < y.type.shape.rows(); ++r) {
    for (std::int64_t j = 0; j < N; ++j) {
      double s = 0;
      for (std::int64_t k = 0; k < K; ++k)
        s += (c.in[In::codes].as<std::uint8_t>()[r * K + k] - 128) *
             weight_at(c.in[In::panels], a.rows.first + j, k);
      s = rounded(a.dtype, s * get(c.in[In::scales], r) + (bias ? get(bias, a.rows.first + j) : 0));
      if (a.activation != Activation::none) s = activate(a.activation, s);
      row[static_cast<std::size_t>(j)] = static_cast<float>(s);
      if (!a.quantized) set(y, r * N + j, residual ? get(residual, r * N + j) + s : s);
    }
    if (a.quantized) quantize_row(row, y, c.out[1], r);
  }
}

constexpr InputRecord x_input[] = {{"x"}};
constexpr InputRecord inputs[] = {{"codes"},
                                  {"scales"},
                                  {"panels"},
                                  {.name = "bias", .kind = InputRecord::Kind::optional},
                                  {.name = "residual", .kind = InputRecord::Kind::optional}};
constexpr Variant codes_variants[] = {{"rows", "cpu", takes_rows, nullptr, run_codes}};
constexpr Variant panels_variants[] = {{"panels", "cpu", nullptr, nullptr, run_panels<kernel::pack_int8>}};
constexpr Variant variants[] = {{"panels", "cpu", takes, scratch, run}};

}  // namespace

const OpRecord quantize_rows{.name = "quantize_rows",
                             .inputs = x_input,
                             .infer = infer_codes,
                             .cost = streaming_cost,
                             .reference = reference_codes,
                             .variants = codes_variants,
                             .autocast = Autocast::any};
const OpRecord pack_int8{.name = "pack_int8",
                         .inputs = stored_weight_input,
                         .infer = infer_panels,
                         .cost = streaming_cost,
                         .reference = reference_panels<kernel::pack_int8>,
                         .variants = panels_variants,
                         .autocast = Autocast::any};
const OpRecord int8_linear{.name = "int8_linear",
                           .inputs = inputs,
                           .infer = infer,
                           .cost = panel_product_cost<In>,
                           .alias = residual_alias<In>,
                           .reference = reference,
                           .variants = variants,
                           .autocast = Autocast::any};

}  // namespace hone::op
