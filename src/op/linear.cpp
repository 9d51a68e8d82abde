#include "kernel/gemm.hpp"

#include "kernel/elementwise.hpp"
#include "kernel/few_rows.hpp"
#include "op/activation_reference.hpp"
#include "op/common.hpp"
#include "op/gradient_context.hpp"
#include "op/ops.hpp"

// y = x w^T + bias, by rows of x.
namespace hone::op {
namespace {

std::vector<OutputSpec> infer(const InferInput& i) {
  const auto a = i.attributes.as<LinearAttributes>();
  i.require_rank(1, 2);
  const Shape& w = i.in[1].shape;
  if (i.in[0].shape.last() != w[1])
    i.fail("the input's width does not fit the weight", "width " + std::to_string(w[1]), to_string(i.in[0]));
  if (i.in[0].dtype != i.in[1].dtype)
    i.fail("input and weight differ in type", to_string(i.in[1]), to_string(i.in[0]));
  if (a.bias) i.require(2, f32({w[0]}));
  const Shape y = i.in[0].shape.with_last(w[0]);
  if (a.residual) {
    i.require(a.bias ? 3 : 2, f32(y));
    return {{f32(y)}};
  }
  if (a.activation != Activation::none) return {{{y, a.dtype}}, {{y, a.dtype}}};
  return {{{y, a.dtype}}};
}

Cost product_cost(const Program& p, const Node& n, const Shape& rows_by, const Shape& w) {
  return {.flops = 2.0 * static_cast<double>(rows_by.rows()) * static_cast<double>(w.elements()),
          .bytes = operand_bytes(p, n),
          .low_precision = p[n.inputs[0]].type.dtype == DType::bf16};
}
Cost cost(const Program& p, const Node& n) {
  return product_cost(p, n, p[n.inputs[0]].type.shape, p[n.inputs[1]].type.shape);
}

kernel::Gemm arguments(const Call& c) {
  const auto a = c.attributes.as<LinearAttributes>();
  const Operand &x = c.in[0], &w = c.in[1], &y = c.out[0];
  return {.M = x.type.shape.rows(),
          .N = w.type.shape[0],
          .K = w.type.shape[1],
          .a = in(x),
          .a_stride = x.row_stride(),
          .b = in(w),
          .b_stride = w.row_stride(),
          .b_transposed = true,
          .c = out(y),
          .c_stride = y.row_stride(),
          .bias = a.bias ? c.in[2].as<float>() : nullptr,
          .rounded = element(a.dtype),
          .activation = a.activation,
          .activated = a.activation != Activation::none ? c.out[1].data : nullptr,
          .pre = nullptr,
          .residual = a.residual ? c.in[a.bias ? 3 : 2].as<float>() : nullptr};
}

std::int64_t scratch(const Call& c) { return kernel::scratch_bytes(arguments(c), c.isa, c.pool->threads()); }
void run(const Call& c) { kernel::run(arguments(c), c.isa, *c.pool, c.scratch); }
void run_few_rows(const Call& c) { kernel::run(kernel::FewRows{arguments(c)}, c.isa, *c.pool); }

// Rounds through a scratch operand of one element, as the node's type does.
double rounded(DType dtype, double value) {
  return dtype == DType::bf16 ? static_cast<double>(to_f32(to_bf16(static_cast<float>(value))))
                              : static_cast<double>(static_cast<float>(value));
}

void reference(const Call& c) {
  const auto a = c.attributes.as<LinearAttributes>();
  const std::int64_t K = c.in[1].type.shape[1], N = c.in[1].type.shape[0], rows = c.in[0].type.shape.rows();
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t j = 0; j < N; ++j) {
      double s = a.bias ? get(c.in[2], j) : 0;
      for (std::int64_t k = 0; k < K; ++k) s += get(c.in[0], r * K + k) * get(c.in[1], j * K + k);
      s = rounded(a.dtype, s);
      set(c.out[0], r * N + j, a.residual ? get(c.in[a.bias ? 3 : 2], r * N + j) + s : s);
      if (a.activation != Activation::none) set(c.out[1], r * N + j, activate(a.activation, s));
    }
}

void gradient(GradientContext& g) {
  const auto a = g.attributes<LinearAttributes>();
  const TensorId dy = g.gradient(0);
  if (!dy) return;
  if (g.wants(0))
    g.set(0, g.emit(linear_input_gradient, {dy, g.in(1)},
                    LinearInputGradientAttributes{.dtype = g.type(g.in(0)).dtype})[0]);
  if (g.wants(1)) {
    const auto sum = g.sum(1);
    g.set_sum(
        1, g.emit(linear_weight_gradient, {dy, g.in(0), sum.current, g.step()}, SumAttributes{sum.begun})[0]);
  }
  if (a.bias && g.wants(2)) {
    const auto sum = g.sum(2);
    g.set_sum(2, g.emit(column_sum, {dy, sum.current, g.step()}, SumAttributes{sum.begun})[0]);
  }
}

int alias(const Node& n, int output) {
  const auto a = n.attributes.as<LinearAttributes>();
  return output == 0 && a.residual ? (a.bias ? 3 : 2) : -1;
}

void set_type(Attributes& a, DType dtype) {
  auto value = a.as<LinearAttributes>();
  value.dtype = dtype;
  a = value;
}

// --- the gradient of the input: dx = dy w ----------------------------------------------------------------

std::vector<OutputSpec> infer_input(const InferInput& i) {
  const Shape& w = i.in[1].shape;
  if (i.in[0].shape.last() != w[0])
    i.fail("the gradient's width does not fit the weight", std::to_string(w[0]), to_string(i.in[0]));
  return {{{i.in[0].shape.with_last(w[1]), i.attributes.as<LinearInputGradientAttributes>().dtype}}};
}

kernel::Gemm input_arguments(const Call& c) {
  const auto a = c.attributes.as<LinearInputGradientAttributes>();
  const Operand &dy = c.in[0], &w = c.in[1], &dx = c.out[0];
  return {.M = dy.type.shape.rows(),
          .N = w.type.shape[1],
          .K = w.type.shape[0],
          .a = in(dy),
          .a_stride = dy.row_stride(),
          .b = in(w),
          .b_stride = w.row_stride(),
          .b_transposed = false,
          .c = out(dx),
          .c_stride = dx.row_stride(),
          .bias = nullptr,
          .rounded = element(a.dtype),
          .activation = a.activation,
          .activated = nullptr,
          .pre = a.activation != Activation::none ? c.in[2].data : nullptr,
          .residual = nullptr};
}

std::int64_t input_scratch(const Call& c) {
  return kernel::scratch_bytes(input_arguments(c), c.isa, c.pool->threads());
}
void run_input(const Call& c) { kernel::run(input_arguments(c), c.isa, *c.pool, c.scratch); }

void reference_input(const Call& c) {
  const auto a = c.attributes.as<LinearInputGradientAttributes>();
  const std::int64_t N = c.in[1].type.shape[0], K = c.in[1].type.shape[1];
  for (std::int64_t r = 0; r < c.in[0].type.shape.rows(); ++r)
    for (std::int64_t k = 0; k < K; ++k) {
      double s = 0;
      for (std::int64_t j = 0; j < N; ++j) s += get(c.in[0], r * N + j) * get(c.in[1], j * K + k);
      s = rounded(a.dtype, s);
      set(c.out[0], r * K + k,
          a.activation != Activation::none ? s * activation_slope(a.activation, get(c.in[2], r * K + k)) : s);
    }
}

// --- the gradient of the weight: dw = dy^T x, by pieces ---------------------------------------------------

std::vector<OutputSpec> infer_weight(const InferInput& i) {
  i.require(2, f32({i.in[0].shape.last(), i.in[1].shape.last()}));
  i.require(3, step_type());
  return {{i.in[2], 2}};
}

Cost weight_cost(const Program& p, const Node& n) {
  return product_cost(p, n, p[n.inputs[0]].type.shape, p[n.inputs[2]].type.shape);
}

kernel::WeightGradient weight_arguments(const Call& c) {
  const Rows rows = rows_of(c.in[0].type.shape);
  return {.sequences = rows.sequences,
          .positions = rows.positions,
          .N = c.in[0].type.shape.last(),
          .K = c.in[1].type.shape.last(),
          .dy = in(c.in[0]),
          .dy_stride = c.in[0].row_stride(),
          .x = in(c.in[1]),
          .x_stride = c.in[1].row_stride(),
          .dw = c.out[0].as<float>(),
          .accumulate = false};
}

std::int64_t weight_scratch(const Call& c) {
  return kernel::scratch_bytes(weight_arguments(c), c.isa, c.pool->threads());
}
void run_weight(const Call& c) {
  auto a = weight_arguments(c);
  a.accumulate = continues(c, 3);
  kernel::run(a, c.isa, *c.pool, c.scratch);
}

void reference_weight(const Call& c) {
  const std::int64_t N = c.in[0].type.shape.last(), K = c.in[1].type.shape.last();
  const Rows rows = rows_of(c.in[0].type.shape);
  for (std::int64_t j = 0; j < N; ++j)
    for (std::int64_t k = 0; k < K; ++k)
      set(c.out[0], j * K + k,
          sum_by_pieces(get(c.in[2], j * K + k), continues(c, 3), rows, [&](std::int64_t b, std::int64_t t) {
            const std::int64_t r = b * rows.positions + t;
            return static_cast<float>(get(c.in[0], r * N + j) * get(c.in[1], r * K + k));
          }));
}

// --- the gradient of the bias ----------------------------------------------------------------------------

std::vector<OutputSpec> infer_columns(const InferInput& i) {
  i.require(1, f32({i.in[0].shape.last()}));
  i.require(2, step_type());
  return {{i.in[1], 1}};
}

kernel::ColumnSum column_arguments(const Call& c) {
  const Rows rows = rows_of(c.in[0].type.shape);
  return {.sequences = rows.sequences,
          .positions = rows.positions,
          .columns = c.in[0].type.shape.last(),
          .x = in(c.in[0]),
          .x_stride = c.in[0].row_stride(),
          .sum = c.out[0].as<float>(),
          .accumulate = false};
}
std::int64_t column_scratch(const Call& c) {
  return kernel::scratch_bytes(column_arguments(c), c.pool->threads());
}
void run_columns(const Call& c) {
  auto a = column_arguments(c);
  a.accumulate = continues(c, 2);
  kernel::run(a, c.isa, *c.pool, c.scratch);
}
void reference_columns(const Call& c) {
  const std::int64_t N = c.in[0].type.shape.last();
  const Rows rows = rows_of(c.in[0].type.shape);
  for (std::int64_t j = 0; j < N; ++j)
    set(c.out[0], j,
        sum_by_pieces(get(c.in[1], j), continues(c, 2), rows, [&](std::int64_t b, std::int64_t t) {
          return static_cast<float>(get(c.in[0], (b * rows.positions + t) * N + j));
        }));
}

// What an epilogue reads or writes beside y lies as y does.
bool takes(const Call& c) {
  return gaps_only_in(c, {0, 1}, {0}) &&
         (c.out[0].packed() || (c.out.size() == 1 && !c.attributes.as<LinearAttributes>().residual));
}
bool takes_few_rows(const Call& c) { return c.attributes.as<LinearAttributes>().few_rows && takes(c); }
bool takes_input(const Call& c) {
  return gaps_only_in(c, {0, 1}, {0}) && (c.in.size() == 2 || c.out[0].packed());
}
bool takes_weight(const Call& c) { return gaps_only_in(c, {0, 1}, {}); }
bool takes_columns(const Call& c) { return gaps_only_in(c, {0}, {}); }

// A node says which of the two sums it is; no machine and no number of threads chooses.
constexpr Variant variants[] = {{"few_rows", "cpu", takes_few_rows, nullptr, run_few_rows},
                                {"panels", "cpu", takes, scratch, run}};
constexpr Variant input_variants[] = {{"panels", "cpu", takes_input, input_scratch, run_input}};
constexpr Variant weight_variants[] = {{"pieces", "cpu", takes_weight, weight_scratch, run_weight}};
constexpr Variant column_variants[] = {{"pieces", "cpu", takes_columns, column_scratch, run_columns}};

}  // namespace

const OpRecord linear{.name = "linear",
                      .infer = infer,
                      .cost = cost,
                      .gradient = gradient,
                      .alias = alias,
                      .reference = reference,
                      .variants = variants,
                      .autocast = Autocast::lower,
                      .set_type = set_type,
                      .activation_inputs = 2};
const OpRecord linear_input_gradient{.name = "linear_input_gradient",
                                     .infer = infer_input,
                                     .cost = cost,
                                     .reference = reference_input,
                                     .variants = input_variants};
const OpRecord linear_weight_gradient{.name = "linear_weight_gradient",
                                      .infer = infer_weight,
                                      .cost = weight_cost,
                                      .reference = reference_weight,
                                      .variants = weight_variants};
const OpRecord column_sum{.name = "column_sum",
                          .infer = infer_columns,
                          .cost = streaming_cost,
                          .reference = reference_columns,
                          .variants = column_variants};

}  // namespace hone::op
