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

using In = LinearInputs;

// Those rows of a weight or a bias that a node uses.
Operand rows_of_weight(Operand whole, RowRange rows) {
  if (!whole || !rows) return whole;
  if (whole.data)
    whole.data = whole.as<std::byte>() + rows.first * row_bytes(whole.type.dtype, whole.strides[0]);
  whole.type.shape[0] = rows.rows;
  return whole;
}
// How many they are, of a weight of that shape.
std::int64_t count_rows(const InferInput& i, RowRange rows, const Shape& weight) {
  if (rows.first < 0 || rows.end() > weight[0])
    i.fail("the weight has no such rows", "rows below " + std::to_string(weight[0]),
           std::to_string(rows.first) + " to " + std::to_string(rows.end()));
  return rows ? rows.rows : weight[0];
}

std::vector<OutputSpec> infer(const InferInput& i) {
  const auto a = i.attributes.as<LinearAttributes>();
  i.require_rank_at_least(In::x, 2);
  i.require_rank(In::weight, 2);
  const TensorType &x = i.in[In::x], &weight = i.in[In::weight];
  const Shape& w = weight.shape;
  if (x.shape.last() != w[1])
    i.fail("the input's width does not fit the weight", "width " + std::to_string(w[1]), to_string(x));
  if (!is_floating(x.dtype)) i.fail("the input is no floating type", "f32, bf16 or f16", to_string(x));
  if (!is_floating(weight.dtype) && !is_blocks(weight.dtype))
    i.fail("the weight is of no type that is multiplied", "a floating type, or blocks", to_string(weight));
  if (i.has(In::bias)) i.require(In::bias, f32({w[0]}));
  const Shape y = x.shape.with_last(count_rows(i, a.rows, w));
  if (i.has(In::residual)) {
    i.require(In::residual, f32(y));
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
Shape with_rows(Shape weight, RowRange rows) {
  if (rows) weight[0] = rows.rows;
  return weight;
}
Cost cost(const Program& p, const Node& n) {
  return product_cost(
      p, n, p[n.inputs[In::x]].type.shape,
      with_rows(p[n.inputs[In::weight]].type.shape, n.attributes.as<LinearAttributes>().rows));
}

kernel::Gemm arguments(const Call& c) {
  const auto a = c.attributes.as<LinearAttributes>();
  const Operand &x = c.in[In::x], &y = c.out[0], w = rows_of_weight(c.in[In::weight], a.rows),
                bias = rows_of_weight(c.in[In::bias], a.rows);
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
          .bias = bias.as<float>(),
          .rounded = element(a.dtype),
          .activation = a.activation,
          .activated = a.activation != Activation::none ? c.out[1].data : nullptr,
          .pre = nullptr,
          .residual = c.in[In::residual].as<float>()};
}

std::int64_t scratch(const Call& c) { return kernel::scratch_bytes(arguments(c), c.isa, c.pool->threads()); }
void run(const Call& c) { kernel::run(arguments(c), c.isa, *c.pool, c.scratch); }
std::int64_t few_rows_scratch(const Call& c) { return kernel::scratch_bytes(kernel::FewRows{arguments(c)}); }
void run_few_rows(const Call& c) { kernel::run(kernel::FewRows{arguments(c)}, c.isa, *c.pool, c.scratch); }

void reference(const Call& c) {
  const auto a = c.attributes.as<LinearAttributes>();
  std::vector<float> values;
  const Operand &x = c.in[In::x], &residual = c.in[In::residual],
                w = expanded(rows_of_weight(c.in[In::weight], a.rows), values),
                bias = rows_of_weight(c.in[In::bias], a.rows);
  const std::int64_t K = w.type.shape[1], N = w.type.shape[0], rows = x.type.shape.rows();
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t j = 0; j < N; ++j) {
      double s = bias ? get(bias, j) : 0;
      for (std::int64_t k = 0; k < K; ++k) s += get(x, r * K + k) * get(w, j * K + k);
      s = rounded(a.dtype, s);
      set(c.out[0], r * N + j, residual ? get(residual, r * N + j) + s : s);
      if (a.activation != Activation::none) set(c.out[1], r * N + j, activate(a.activation, s));
    }
}

void gradient(GradientContext& g) {
  const TensorId dy = g.gradient(0);
  if (!dy) return;
  const RowRange rows = g.attributes<LinearAttributes>().rows;
  if (g.wants(In::x))
    g.set(In::x, g.emit(linear_input_gradient, {dy, g.in(In::weight)},
                        LinearInputGradientAttributes{.dtype = g.type(g.in(In::x)).dtype, .rows = rows})[0]);
  const SumAttributes sum{.rows = rows};
  if (g.wants(In::weight))
    g.emit(linear_weight_gradient, {dy, g.in(In::x), g.sum(In::weight), g.step()}, sum);
  if (g.wants(In::bias)) g.emit(column_sum, {dy, g.sum(In::bias), g.step()}, sum);
}

RowRange weight_rows(const Attributes& a) { return a.as<LinearAttributes>().rows; }

int alias(const Node& n, int output) {
  return output == 0 && n.inputs[In::residual] ? static_cast<int>(In::residual) : -1;
}

bool activate(Node& n, const Attributes& activation) {
  auto a = n.attributes.as<LinearAttributes>();
  if (n.inputs[In::residual] || a.activation != Activation::none) return false;
  a.activation = activation.as<ActivationAttributes>().kind;
  n.attributes = a;
  return true;
}

// What it activates, from what it rounded.
std::optional<Remake> remake(const Node& n) {
  const auto a = n.attributes.as<LinearAttributes>();
  if (a.activation == Activation::none) return {};
  return Remake{
      .output = 1, .from = 0, .op = &op::activation, .attributes = ActivationAttributes{a.activation}};
}

void set_type(Attributes& a, DType dtype) {
  auto value = a.as<LinearAttributes>();
  value.dtype = dtype;
  a = value;
}

// --- the gradient of the input: dx = dy w ----------------------------------------------------------------

using InputIn = LinearInputGradientInputs;

std::vector<OutputSpec> infer_input(const InferInput& i) {
  const TensorType& dy = i.in[InputIn::dy];
  const Shape& w = i.in[InputIn::weight].shape;
  const auto a = i.attributes.as<LinearInputGradientAttributes>();
  if (const std::int64_t rows = count_rows(i, a.rows, w); dy.shape.last() != rows)
    i.fail("the gradient's width does not fit the weight", std::to_string(rows), to_string(dy));
  return {{{dy.shape.with_last(w[1]), a.dtype}}};
}

bool activate_input(Node& n, const Attributes& activation) {
  auto a = n.attributes.as<LinearInputGradientAttributes>();
  if (a.activation != Activation::none) return false;
  a.activation = activation.as<ActivationAttributes>().kind;
  n.attributes = a;
  return true;
}

Cost input_cost(const Program& p, const Node& n) {
  return product_cost(p, n, p[n.inputs[InputIn::dy]].type.shape,
                      with_rows(p[n.inputs[InputIn::weight]].type.shape,
                                n.attributes.as<LinearInputGradientAttributes>().rows));
}

kernel::Gemm input_arguments(const Call& c) {
  const auto a = c.attributes.as<LinearInputGradientAttributes>();
  const Operand &dy = c.in[InputIn::dy], &dx = c.out[0], w = rows_of_weight(c.in[InputIn::weight], a.rows);
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
          .pre = c.in[InputIn::pre].data,
          .residual = nullptr};
}

std::int64_t input_scratch(const Call& c) {
  return kernel::scratch_bytes(input_arguments(c), c.isa, c.pool->threads());
}
void run_input(const Call& c) { kernel::run(input_arguments(c), c.isa, *c.pool, c.scratch); }

void reference_input(const Call& c) {
  const auto a = c.attributes.as<LinearInputGradientAttributes>();
  std::vector<float> values;
  const Operand &dy = c.in[InputIn::dy], &pre = c.in[InputIn::pre],
                w = expanded(rows_of_weight(c.in[InputIn::weight], a.rows), values);
  const std::int64_t N = w.type.shape[0], K = w.type.shape[1];
  for (std::int64_t r = 0; r < dy.type.shape.rows(); ++r)
    for (std::int64_t k = 0; k < K; ++k) {
      double s = 0;
      for (std::int64_t j = 0; j < N; ++j) s += get(dy, r * N + j) * get(w, j * K + k);
      s = rounded(a.dtype, s);
      set(c.out[0], r * K + k, pre ? s * activation_slope(a.activation, get(pre, r * K + k)) : s);
    }
}

// --- the gradient of the weight: dw = dy^T x, by pieces ---------------------------------------------------

using WeightIn = LinearWeightGradientInputs;

// A sum over the columns of dy is those rows of the weight's that the node uses, which are as many.
void require_rows(const InferInput& i, RowRange rows, std::size_t sum, std::size_t dy) {
  const std::int64_t columns = i.in[dy].shape.last();
  if (const std::int64_t count = count_rows(i, rows, i.in[sum].shape); columns != count)
    i.fail("the gradient's width does not fit the weight", std::to_string(count), to_string(i.in[dy]));
}

std::vector<OutputSpec> infer_weight(const InferInput& i) {
  i.require_rank(WeightIn::sum, 2);
  require_rows(i, i.attributes.as<SumAttributes>().rows, WeightIn::sum, WeightIn::dy);
  const TensorType sum = i.in[WeightIn::sum];
  i.require(WeightIn::sum, {{sum.shape[0], i.in[WeightIn::x].shape.last()}, sum_type(sum.dtype)});
  i.require(WeightIn::step, step_type());
  return {{i.in[WeightIn::sum], WeightIn::sum}};
}

Cost weight_cost(const Program& p, const Node& n) {
  return product_cost(
      p, n, p[n.inputs[WeightIn::dy]].type.shape,
      with_rows(p[n.inputs[WeightIn::sum]].type.shape, n.attributes.as<SumAttributes>().rows));
}

kernel::WeightGradient weight_arguments(const Call& c) {
  const Operand &dy = c.in[WeightIn::dy], &x = c.in[WeightIn::x];
  const Operand dw = rows_of_weight(c.out[0], c.attributes.as<SumAttributes>().rows);
  const Rows rows = rows_of(dy.type.shape);
  return {.sequences = rows.sequences,
          .positions = rows.positions,
          .N = dy.type.shape.last(),
          .K = x.type.shape.last(),
          .dy = in(dy),
          .dy_stride = dy.row_stride(),
          .x = in(x),
          .x_stride = x.row_stride(),
          .dw = out(dw),
          .accumulate = false};
}

std::int64_t weight_scratch(const Call& c) {
  return kernel::scratch_bytes(weight_arguments(c), c.isa, c.pool->threads());
}
void run_weight(const Call& c) {
  auto a = weight_arguments(c);
  a.accumulate = continues(c, WeightIn::step);
  kernel::run(a, c.isa, *c.pool, c.scratch);
}

void reference_weight(const Call& c) {
  const RowRange part = c.attributes.as<SumAttributes>().rows;
  const Operand &dy = c.in[WeightIn::dy], &x = c.in[WeightIn::x],
                sum = rows_of_weight(c.in[WeightIn::sum], part), next = rows_of_weight(c.out[0], part);
  const std::int64_t N = dy.type.shape.last(), K = x.type.shape.last();
  const Rows rows = rows_of(dy.type.shape);
  const bool more = continues(c, WeightIn::step);
  for (std::int64_t j = 0; j < N; ++j)
    for (std::int64_t k = 0; k < K; ++k)
      set(next, j * K + k,
          sum_by_pieces(
              get(sum, j * K + k), more, rows,
              [&](std::int64_t b, std::int64_t t) {
                const std::int64_t r = b * rows.positions + t;
                return static_cast<float>(get(dy, r * N + j) * get(x, r * K + k));
              },
              next.type.dtype));
}

// --- the gradient of the bias ----------------------------------------------------------------------------

using ColumnIn = ColumnSumInputs;

std::vector<OutputSpec> infer_columns(const InferInput& i) {
  i.require_rank(ColumnIn::sum, 1);
  require_rows(i, i.attributes.as<SumAttributes>().rows, ColumnIn::sum, ColumnIn::dy);
  i.require(ColumnIn::step, step_type());
  return {{i.in[ColumnIn::sum], ColumnIn::sum}};
}

kernel::ColumnSum column_arguments(const Call& c) {
  const Operand& dy = c.in[ColumnIn::dy];
  const Operand sum = rows_of_weight(c.out[0], c.attributes.as<SumAttributes>().rows);
  const Rows rows = rows_of(dy.type.shape);
  return {.sequences = rows.sequences,
          .positions = rows.positions,
          .columns = dy.type.shape.last(),
          .x = in(dy),
          .x_stride = dy.row_stride(),
          .sum = sum.as<float>(),
          .accumulate = false};
}
std::int64_t column_scratch(const Call& c) {
  return kernel::scratch_bytes(column_arguments(c), c.pool->threads());
}
void run_columns(const Call& c) {
  auto a = column_arguments(c);
  a.accumulate = continues(c, ColumnIn::step);
  kernel::run(a, c.isa, *c.pool, c.scratch);
}
void reference_columns(const Call& c) {
  const RowRange part = c.attributes.as<SumAttributes>().rows;
  const Operand &dy = c.in[ColumnIn::dy], sum = rows_of_weight(c.in[ColumnIn::sum], part),
                next = rows_of_weight(c.out[0], part);
  const std::int64_t N = dy.type.shape.last();
  const Rows rows = rows_of(dy.type.shape);
  const bool more = continues(c, ColumnIn::step);
  for (std::int64_t j = 0; j < N; ++j)
    set(next, j, sum_by_pieces(get(sum, j), more, rows, [&](std::int64_t b, std::int64_t t) {
          return static_cast<float>(get(dy, (b * rows.positions + t) * N + j));
        }));
}

// What an epilogue reads or writes beside y lies as y does.
bool takes(const Call& c) {
  return gaps_only_in(c, {In::x, In::weight}, {0}) &&
         (c.out[0].packed() || (c.out.size() == 1 && !c.in[In::residual]));
}
bool takes_few_rows(const Call& c) { return c.attributes.as<LinearAttributes>().few_rows && takes(c); }
bool takes_input(const Call& c) {
  return gaps_only_in(c, {InputIn::dy, InputIn::weight}, {0}) && (!c.in[InputIn::pre] || c.out[0].packed());
}
bool takes_weight(const Call& c) { return gaps_only_in(c, {WeightIn::dy, WeightIn::x}, {}); }
bool takes_columns(const Call& c) { return gaps_only_in(c, {ColumnIn::dy}, {}); }

constexpr auto optional = InputRecord::Kind::optional;
constexpr InputRecord inputs[] = {{"x"},
                                  {.name = "weight", .trains = true, .stored = true},
                                  {"bias", optional, true},
                                  {"residual", optional}};
constexpr InputRecord input_inputs[] = {{"dy"}, {.name = "weight", .stored = true}, {"pre", optional}};
constexpr InputRecord weight_inputs[] = {{"dy"}, {"x"}, {"sum"}, {"step"}};
constexpr InputRecord column_inputs[] = {{"dy"}, {"sum"}, {"step"}};

// A node says which of the two sums it is; no machine and no number of threads chooses.
constexpr Variant variants[] = {{"few_rows", "cpu", takes_few_rows, few_rows_scratch, run_few_rows},
                                {"panels", "cpu", takes, scratch, run}};
constexpr Variant input_variants[] = {{"panels", "cpu", takes_input, input_scratch, run_input}};
constexpr Variant weight_variants[] = {{"pieces", "cpu", takes_weight, weight_scratch, run_weight}};
constexpr Variant column_variants[] = {{"pieces", "cpu", takes_columns, column_scratch, run_columns}};

}  // namespace

const OpRecord linear{.name = "linear",
                      .inputs = inputs,
                      .infer = infer,
                      .cost = cost,
                      .gradient = gradient,
                      .alias = alias,
                      .reference = reference,
                      .variants = variants,
                      .autocast = Autocast::lower,
                      .set_type = set_type,
                      .activation_inputs = 2,
                      .fusion = {.addend = In::residual, .activate = activate},
                      .remake = remake,
                      .weight_rows = weight_rows};
const OpRecord linear_input_gradient{.name = "linear_input_gradient",
                                     .inputs = input_inputs,
                                     .infer = infer_input,
                                     .cost = input_cost,
                                     .reference = reference_input,
                                     .variants = input_variants,
                                     .fusion = {.activate = activate_input, .slope_of = InputIn::pre}};
const OpRecord linear_weight_gradient{.name = "linear_weight_gradient",
                                      .inputs = weight_inputs,
                                      .infer = infer_weight,
                                      .cost = weight_cost,
                                      .reference = reference_weight,
                                      .variants = weight_variants,
                                      .continue_sums = continue_sum,
                                      .bf16_sums = true};
const OpRecord column_sum{.name = "column_sum",
                          .inputs = column_inputs,
                          .infer = infer_columns,
                          .cost = streaming_cost,
                          .reference = reference_columns,
                          .variants = column_variants,
                          .continue_sums = continue_sum};

}  // namespace hone::op
