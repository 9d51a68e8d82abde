#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernel/coded.hpp"
#include "kernel/coded_product.hpp"
#include "kernel/masked_product.hpp"
#include "op/activation_reference.hpp"
#include "op/common.hpp"
#include "op/panel_product.hpp"
#include "op/product_ops.hpp"
#include "op/stream_reference.hpp"

// linear() of a quantized weight in whole numbers: x as codes, the weight in panels
// (kernel/coded_product.hpp), or as a stream of what is kept of it (kernel/masked_product.hpp).
namespace hone::op {
namespace {

constexpr std::int64_t unit = 32;

// --- x as codes --------------------------------------------------------------------------------------------

std::vector<OutputSpec> infer_codes(const InferInput& i) {
  const TensorType& x = i.in[0];
  i.require_rank_at_least(0, 1);
  const auto a = i.attributes.as<CodeRowsAttributes>();
  const std::int64_t width = a.width > 0 ? a.width : x.shape.last();
  if (!is_floating(x.dtype) || width % unit != 0 || width < x.shape.last())
    i.fail("rows are not coded", "a floating type, and a width of codes that is a multiple of 32 and no less",
           to_string(x) + " as codes of " + std::to_string(width));
  const std::int64_t units = width / unit;
  return {{{x.shape.with_last(width), DType::u8}},
          {f32(x.shape.with_last(2 * units))},
          {{x.shape.with_last(units), DType::i32}}};
}

kernel::RowCodes codes_of(const Operand& codes, const Operand& scales, const Operand& sums) {
  return {codes.type.shape.last(), codes.as<std::int8_t>(), scales.as<float>(), sums.as<std::int32_t>()};
}

bool takes_rows(const Call& c) { return gaps_only_in(c, {0}, {}); }
void run_codes(const Call& c) {
  const Operand& x = c.in[0];
  kernel::code_rows(in(x), x.type.shape.last(), x.row_stride(), x.type.shape.rows(),
                    codes_of(c.out[0], c.out[1], c.out[2]), c.isa, *c.pool);
}

// By the kernel's own steps in f32: a code is a whole number, and rounds as it does there.
void reference_codes(const Call& c) {
  const Operand& x = c.in[0];
  const std::int64_t K = x.type.shape.last(), width = c.out[0].type.shape.last();
  const auto value = [&](std::int64_t at) {  // counted by codes
    return at % width < K ? static_cast<float>(get(x, at / width * K + at % width)) : 0.0f;
  };
  for (std::int64_t u = 0; u < c.out[0].type.shape.elements() / unit; ++u) {
    float most = 0;
    for (std::int64_t i = 0; i < unit; ++i) most = std::max(most, std::abs(value(u * unit + i)));
    const float scale = most / 127.0f, inverse = most > 0 ? 127.0f / most : 0.0f;
    std::int32_t sum = 0;
    for (std::int64_t i = 0; i < unit; ++i) {
      const auto code = static_cast<std::int8_t>(std::nearbyint(value(u * unit + i) * inverse));
      c.out[0].as<std::int8_t>()[u * unit + i] = code;
      sum += code;
    }
    set(c.out[1], 2 * u, static_cast<double>(scale));
    set(c.out[1], 2 * u + 1, static_cast<double>(scale * static_cast<float>(sum)));
    c.out[2].as<std::int32_t>()[u] = sum;
  }
}

// --- the weight in panels ----------------------------------------------------------------------------------

std::vector<OutputSpec> infer_panels(const InferInput& i) {
  i.require_rank(0, 2);
  const TensorType& w = i.in[0];
  if (!is_blocks(w.dtype) || !kernel::has_panels(element(w.dtype)))
    i.fail("the weight has no panels", "codes with one scale for a group", to_string(w));
  const std::int64_t panels = kernel::panel_count(w.shape[0]);
  const std::int64_t bytes = kernel::panel_bytes(element(w.dtype), w.shape[0], w.shape[1]) / panels;
  return {{{{panels, bytes}, DType::u8}}};
}

// --- the product -------------------------------------------------------------------------------------------

using In = CodedLinearInputs;

bool is_masked(const CodedLinearAttributes& a) { return a.kept >= 0; }
kernel::StreamFormat stream_format(const CodedLinearAttributes& a) {
  return {element(a.weight), a.two_of_four};
}

std::vector<OutputSpec> infer(const InferInput& i) {
  const auto a = i.attributes.as<CodedLinearAttributes>();
  const TensorType& codes = i.in[In::codes];
  i.require_rank_at_least(In::codes, 2);
  const std::int64_t K = codes.shape.last();
  if (K % block_elements(a.weight) != 0)
    i.fail("rows of codes are not whole groups of the weight",
           "a multiple of " + std::to_string(block_elements(a.weight)), to_string(codes));
  i.require(In::codes, {codes.shape, DType::u8});
  i.require(In::scales, f32(codes.shape.with_last(K / unit * 2)));
  i.require(In::sums, {codes.shape.with_last(K / unit), DType::i32});
  const std::int64_t count = kernel::panel_count(a.columns);
  if (is_masked(a))
    i.require(In::panels, {{kernel::stream_bytes(stream_format(a), a.columns, K, a.kept)}, DType::u8});
  else
    i.require(In::panels, {{count, kernel::panel_bytes(element(a.weight), a.columns, K) / count}, DType::u8});
  const Shape y = panel_product_shape<In>(i, a, kernel::panel_rows);
  if (i.has(In::residual)) {
    i.require(In::residual, f32(y));
    return {{f32(y)}};
  }
  if (a.activation != Activation::none) return {{{y, a.dtype}}, {{y, a.dtype}}};
  return {{{y, a.dtype}}};
}

kernel::Gemm gemm_of(const Call& c, const CodedLinearAttributes& a) {
  kernel::Gemm gemm = panel_gemm<In>(c, a);
  gemm.c = out(c.out[0]);
  if (a.activation != Activation::none) gemm.activated = c.out[1].data;
  return gemm;
}

kernel::CodedProduct arguments(const Call& c) {
  const auto a = c.attributes.as<CodedLinearAttributes>();
  return {.product = gemm_of(c, a),
          .a = codes_of(c.in[In::codes], c.in[In::scales], c.in[In::sums]),
          .type = element(a.weight),
          .panels = first_panel<In>(c, a, kernel::panel_rows)};
}

kernel::MaskedCoded masked_arguments(const Call& c) {
  const auto a = c.attributes.as<CodedLinearAttributes>();
  return {.product = gemm_of(c, a),
          .a = codes_of(c.in[In::codes], c.in[In::scales], c.in[In::sums]),
          .format = stream_format(a),
          .stream = c.in[In::panels].data,
          .first_panel = a.rows.first / kernel::panel_rows};
}

bool is_masked(const Call& c) { return is_masked(c.attributes.as<CodedLinearAttributes>()); }
bool takes(const Call& c) { return !is_masked(c) && gaps_only_in(c, {}, {0, 1}); }
std::int64_t scratch(const Call& c) { return kernel::scratch_bytes(arguments(c), c.pool->threads()); }
void run(const Call& c) { kernel::run(arguments(c), c.isa, *c.pool, c.scratch); }

bool takes_masked(const Call& c) { return is_masked(c) && gaps_only_in(c, {}, {0, 1}); }
std::int64_t masked_scratch(const Call& c) {
  return kernel::scratch_bytes(masked_arguments(c), c.pool->threads());
}
void run_masked(const Call& c) { kernel::run(masked_arguments(c), c.isa, *c.pool, c.scratch); }

// The code of element k of row j of the weight, and its group's numbers, by what isa/coded_product_isa.hpp
// says.
double weight_at(const Operand& panels, const kernel::CodeFormat& f, std::int64_t j, std::int64_t k) {
  const std::int64_t head = f.has_minimum ? 64 : 32, group_bytes = head + f.group / unit * 64 * f.bits;
  const auto* group =
      panels.as<std::uint8_t>() + j / kernel::panel_rows * panels.type.shape[1] + k / f.group * group_bytes;
  const auto lane = static_cast<int>(j % kernel::panel_rows), step = static_cast<int>(k % unit / 4);
  const std::uint8_t* at = group + head + k % f.group / unit * 64 * f.bits + 4 * lane + k % 4;
  int code = 0;
  if (f.bits == 8) code = at[64 * step];
  if (f.bits == 4) code = at[step % 4 * 64] >> step / 4 * 4 & 15;
  if (f.bits < 4) code = at[step / 4 * 64] >> step % 4 * 2 & 3;
  if (f.bits == 3) code |= (at[128] >> step & 1) << 2;
  const auto half = [&](std::int64_t place) {
    std::uint16_t bits;
    std::memcpy(&bits, group + place, sizeof bits);
    return static_cast<double>(to_f32(f16{bits}));
  };
  return half(2 * lane) * (code - f.zero) + (f.has_minimum ? half(32 + 2 * lane) : 0);
}

void reference(const Call& c) {
  const auto a = c.attributes.as<CodedLinearAttributes>();
  const kernel::CodeFormat f = kernel::code_format(element(a.weight));
  const Operand &y = c.out[0], &residual = c.in[In::residual], &bias = c.in[In::bias];
  const std::int64_t K = c.in[In::codes].type.shape.last(), N = y.type.shape.last();
  std::vector<double> kept;
  if (is_masked(a))
    kept = StreamElements(stream_format(a), c.in[In::panels].as<std::uint8_t>(), a.columns, K).w;
  for (std::int64_t r = 0; r < y.type.shape.rows(); ++r)
    for (std::int64_t j = 0; j < N; ++j) {
      const std::int64_t row = a.rows.first + j;
      double s = bias ? get(bias, row) : 0;
      for (std::int64_t k = 0; k < K; ++k)
        s += get(c.in[In::scales], (r * K + k) / unit * 2) * c.in[In::codes].as<std::int8_t>()[r * K + k] *
             (is_masked(a) ? kept[static_cast<std::size_t>(row * K + k)]
                           : weight_at(c.in[In::panels], f, row, k));
      s = rounded(a.dtype, s);
      set(y, r * N + j, residual ? get(residual, r * N + j) + s : s);
      if (a.activation != Activation::none) set(c.out[1], r * N + j, activate(a.activation, s));
    }
}

constexpr InputRecord x_input[] = {{"x"}};
constexpr InputRecord inputs[] = {{"codes"},
                                  {"scales"},
                                  {"sums"},
                                  {"panels"},
                                  {.name = "bias", .kind = InputRecord::Kind::optional},
                                  {.name = "residual", .kind = InputRecord::Kind::optional}};
constexpr Variant codes_variants[] = {{"units", "cpu", takes_rows, nullptr, run_codes}};
constexpr Variant panels_variants[] = {{"panels", "cpu", nullptr, nullptr, run_panels<kernel::pack_panels>}};
constexpr Variant variants[] = {{"panels", "cpu", takes, scratch, run},
                                {"masked", "cpu", takes_masked, masked_scratch, run_masked}};

}  // namespace

const OpRecord code_rows{.name = "code_rows",
                         .inputs = x_input,
                         .infer = infer_codes,
                         .cost = streaming_cost,
                         .reference = reference_codes,
                         .variants = codes_variants,
                         .autocast = Autocast::any};
const OpRecord pack_panels{.name = "pack_panels",
                           .inputs = stored_weight_input,
                           .infer = infer_panels,
                           .cost = streaming_cost,
                           .reference = reference_panels<kernel::pack_panels>,
                           .variants = panels_variants,
                           .autocast = Autocast::any};
const OpRecord coded_linear{.name = "coded_linear",
                            .inputs = inputs,
                            .infer = infer,
                            .cost = panel_product_cost<In>,
                            .alias = residual_alias<In>,
                            .reference = reference,
                            .variants = variants,
                            .autocast = Autocast::any};

}  // namespace hone::op
