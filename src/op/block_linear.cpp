#include "kernel/block_product.hpp"

#include <cstring>

#include "ir/values.hpp"
#include "kernel/isa/block_product_isa.hpp"
#include "op/activation_reference.hpp"
#include "op/common.hpp"
#include "op/panel_product.hpp"
#include "op/product_ops.hpp"
#include "op/sparse_parts.hpp"

// linear() of a sparse weight in blocks of a floating type: the weight in strips, and the product of what is
// kept of it (kernel/block_product.hpp).
namespace hone::op {
namespace {

// --- the weight in strips ----------------------------------------------------------------------------------

SparseIndex index_of(const PackStripsAttributes& a) {
  return {kernel::SparseForm::block, a.block_rows, a.weight, a.kept};
}

std::vector<OutputSpec> infer_strips(const InferInput& i) {
  const auto a = i.attributes.as<PackStripsAttributes>();
  if (!kernel::has_strips(index_of(a).format(), a.columns))
    i.fail("strips are of blocks of a floating type", "4 or 16 rows", std::string(name(a.weight)));
  std::size_t part = 0;
  for (const SparsePartType& type : sparse_part_types(index_of(a), {a.rows, a.columns}))
    i.require(part++, type.type);
  return {{{{kernel::strips_bytes(a.block_rows, a.rows, a.kept, a.pairs)}, DType::u8}}};
}

kernel::SparseRows rows_of(const Call& c, const PackStripsAttributes& a) {
  return {index_of(a).format(),
          a.rows,
          a.columns,
          {.places = c.in[PackStripsInputs::mask].as<std::uint8_t>(),
           .values = c.in[PackStripsInputs::values].data}};
}

void run_strips(const Call& c) {
  const auto a = c.attributes.as<PackStripsAttributes>();
  const kernel::SparseRows rows = rows_of(c, a);
  const std::span<std::byte> stream = bytes_of(c.out[0]);
  kernel::begin_strips(rows, a.block_rows, a.pairs, stream);
  c.pool->run(kernel::strip_count(a.block_rows, a.rows), [&](std::int64_t strip, int) {
    kernel::pack_strips(rows, a.block_rows, a.pairs, strip, 1, stream);
  });
}
void reference_strips(const Call& c) {
  const auto a = c.attributes.as<PackStripsAttributes>();
  const kernel::SparseRows rows = rows_of(c, a);
  kernel::begin_strips(rows, a.block_rows, a.pairs, bytes_of(c.out[0]));
  kernel::pack_strips(rows, a.block_rows, a.pairs, 0, kernel::strip_count(a.block_rows, a.rows),
                      bytes_of(c.out[0]));
}

// --- the product -------------------------------------------------------------------------------------------

using In = BlockLinearInputs;

std::vector<OutputSpec> infer(const InferInput& i) {
  const auto a = i.attributes.as<BlockLinearAttributes>();
  const TensorType& x = i.in[In::x];
  i.require_rank_at_least(In::x, 2);
  if (!is_floating(x.dtype) || (a.pairs && x.dtype != DType::bf16))
    i.fail("the input is of no type that is multiplied", a.pairs ? "bf16" : "f32, bf16 or f16", to_string(x));
  i.require(In::strips, {{kernel::strips_bytes(a.block_rows, a.columns, a.kept, a.pairs)}, DType::u8});
  const Shape y = panel_product_shape<In>(i, a, a.block_rows);
  if (i.has(In::residual)) {
    i.require(In::residual, f32(y));
    return {{f32(y)}};
  }
  if (a.activation != Activation::none) return {{{y, a.dtype}}, {{y, a.dtype}}};
  return {{{y, a.dtype}}};
}

// Of what is kept.
Cost cost(const Program& p, const Node& n) {
  const auto a = n.attributes.as<BlockLinearAttributes>();
  Cost all = panel_product_cost<In>(p, n);
  const auto K = static_cast<double>(p[n.inputs[In::x]].type.shape.last());
  all.flops *= static_cast<double>(a.kept * a.block_rows) / (static_cast<double>(a.columns) * K);
  all.low_precision = a.pairs;
  return all;
}

kernel::BlockLinear arguments(const Call& c) {
  const auto a = c.attributes.as<BlockLinearAttributes>();
  kernel::Gemm gemm = panel_gemm<In>(c, a);
  gemm.a = in(c.in[In::x]);
  gemm.a_stride = c.in[In::x].row_stride();
  gemm.c = out(c.out[0]);
  if (a.activation != Activation::none) gemm.activated = c.out[1].data;
  return {.product = gemm,
          .block_rows = a.block_rows,
          .pairs = a.pairs,
          .few = a.few_rows,
          .stream = c.in[In::strips].data,
          .first_strip = a.rows.first / a.block_rows};
}

bool takes(const Call& c) { return gaps_only_in(c, {0}, {0, 1}); }
std::int64_t scratch(const Call& c) { return kernel::scratch_bytes(arguments(c), c.pool->threads()); }
void run(const Call& c) { kernel::run(arguments(c), c.isa, *c.pool, c.scratch); }

// All elements of the weight that the strips hold, [N,K], by what isa/block_product_isa.hpp says.
std::vector<double> weights_of_strips(const Operand& strips, const BlockLinearAttributes& a, std::int64_t K) {
  std::vector<double> w(static_cast<std::size_t>(a.columns * K));
  const auto* bytes = strips.as<std::byte>();
  const std::int64_t step = a.pairs ? 2 : 1;
  for (std::int64_t i = 0; i < kernel::strip_count(a.block_rows, a.columns); ++i) {
    const auto place = reinterpret_cast<const kernel::StripPlace*>(bytes)[i];
    const auto units = static_cast<std::int64_t>(place.units);
    const auto* columns = reinterpret_cast<const std::uint16_t*>(bytes + place.at);
    const std::byte* values = bytes + place.at + (units * step * 2 + 63) / 64 * 64;
    for (std::int64_t u = 0; u < units * step; ++u)
      for (std::int64_t r = 0; r < a.block_rows && i * a.block_rows + r < a.columns && columns[u] < K; ++r) {
        const std::byte* at = values + ((u / step * a.block_rows + r) * step + u % step) * 4 / step;
        double& to = w[static_cast<std::size_t>((i * a.block_rows + r) * K + columns[u])];
        float value;
        bf16 half;
        if (a.pairs)
          std::memcpy(&half, at, sizeof half), value = to_f32(half);
        else
          std::memcpy(&value, at, sizeof value);
        to = static_cast<double>(value);
      }
  }
  return w;
}

void reference(const Call& c) {
  const auto a = c.attributes.as<BlockLinearAttributes>();
  const Operand &x = c.in[In::x], &y = c.out[0], &residual = c.in[In::residual], &bias = c.in[In::bias];
  const std::int64_t K = x.type.shape.last(), N = y.type.shape.last();
  const std::vector<double> w = weights_of_strips(c.in[In::strips], a, K);
  for (std::int64_t r = 0; r < y.type.shape.rows(); ++r)
    for (std::int64_t j = 0; j < N; ++j) {
      const std::int64_t row = a.rows.first + j;
      double s = bias ? get(bias, row) : 0;
      for (std::int64_t k = 0; k < K; ++k) s += get(x, r * K + k) * w[static_cast<std::size_t>(row * K + k)];
      s = rounded(a.dtype, s);
      set(y, r * N + j, residual ? get(residual, r * N + j) + s : s);
      if (a.activation != Activation::none) set(c.out[1], r * N + j, activate(a.activation, s));
    }
}

constexpr InputRecord parts[] = {{.name = "mask", .stored = true}, {.name = "values", .stored = true}};
constexpr InputRecord inputs[] = {{"x"},
                                  {"strips"},
                                  {.name = "bias", .kind = InputRecord::Kind::optional},
                                  {.name = "residual", .kind = InputRecord::Kind::optional}};
constexpr Variant strips_variants[] = {{"strips", "cpu", nullptr, nullptr, run_strips}};
constexpr Variant variants[] = {{"strips", "cpu", takes, scratch, run}};

}  // namespace

const OpRecord pack_strips{.name = "pack_strips",
                           .inputs = parts,
                           .infer = infer_strips,
                           .cost = streaming_cost,
                           .reference = reference_strips,
                           .variants = strips_variants,
                           .autocast = Autocast::any};
const OpRecord block_linear{.name = "block_linear",
                            .inputs = inputs,
                            .infer = infer,
                            .cost = cost,
                            .alias = residual_alias<In>,
                            .reference = reference,
                            .variants = variants,
                            .autocast = Autocast::any};

}  // namespace hone::op
