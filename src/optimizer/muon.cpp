// Muon (Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024): for the matrices of
// hidden layers, momentum whose singular values are all brought near 1. g = clip_scale * gradient;
// m = momentum m + g; u = g + momentum m (Nesterov); X = u / |u|, and five times, with A = X X^T,
// X = (a + b A + c A^2) X, a quintic Newton-Schulz step by the coefficients of that work, which carries
// singular values of (0, 1] to about 0.7 to 1.2; w = w (1 - lr wd) - lr s X.
//
// s = 0.2 sqrt(max(rows, columns)) gives X the root mean square of AdamW's steps (Liu et al., "Muon is
// scalable for LLM training", 2025), so that one learning rate and one decay do for these matrices and for
// what AdamW updates beside them: tables, the head, vectors. (Jordan's sqrt(max(1, rows / columns)) wants a
// rate of its own, ten times as large.)
//
// The products are ordinary nodes over the shorter side: a matrix with more rows than columns is turned on
// the way in and on the way out. They are bf16 where the weight has a bf16 copy, f32 elsewhere.
#include <cmath>

#include "op/ops.hpp"
#include "optimizer/update_op.hpp"

namespace hone {
namespace {

using namespace op;

struct Hyper {
  float lr, momentum, weight_decay;
};
constexpr int hyper_floats = sizeof(Hyper) / sizeof(float);
constexpr int iterations = 5;
constexpr float a = 3.4445f, b = -4.7750f, c2 = 2.0315f;
constexpr std::int64_t band = 32;  // rows that a task takes, so that turning stays in cache

bool is_turned(const Shape& s) { return s[0] > s[1]; }
Shape turned(const Shape& s) { return is_turned(s) ? Shape{s[1], s[0]} : s; }
std::int64_t bands(const Shape& s) { return (s[0] + band - 1) / band; }

template <class Body>
void each_band(const Call& c, const Shape& s, const Body& body) {
  c.pool->run(bands(s), [&](std::int64_t task, int) {
    for (std::int64_t i = task * band; i < std::min(s[0], (task + 1) * band); ++i) body(task, i);
  });
}

// Element [i,j] of a weight of shape s, in what is turned where the weight is.
std::int64_t place(const Shape& s, std::int64_t i, std::int64_t j) {
  return is_turned(s) ? j * s[0] + i : i * s[1] + j;
}

// --- (gradient, momentum, hyper, clip_scale) -> next momentum, X in `dtype` ------------------------------

struct In {
  enum : std::size_t { gradient, momentum, hyper, clip_scale };
};

std::vector<OutputSpec> infer(const InferInput& i) {
  i.require_rank(In::gradient, 2);
  const TensorType& gradient = i.in[In::gradient];
  i.require(In::momentum, gradient);
  i.require(In::hyper, f32({hyper_floats}));
  i.require(In::clip_scale, f32({1}));
  return {{gradient, In::momentum}, {{turned(gradient.shape), i.attributes.as<TypeAttributes>().dtype}}};
}

std::int64_t scratch(const Call& c) { return 8 * bands(c.in[In::gradient].type.shape); }

template <class T, class Rounded>
void write_direction(const Call& c, const Rounded& rounded) {
  const Shape& s = c.in[In::gradient].type.shape;
  const auto *g = c.in[In::gradient].as<float>(), *scale = c.in[In::clip_scale].as<float>();
  const float momentum = c.in[In::hyper].as<Hyper>()->momentum;
  auto* m = c.out[0].as<float>();
  auto* x = c.out[1].as<T>();
  auto* sums = static_cast<double*>(c.scratch);
  std::fill_n(sums, bands(s), 0.0);
  each_band(c, s, [&](std::int64_t task, std::int64_t i) {
    double part[8] = {};
    for (std::int64_t j = 0; j < s[1]; ++j) {
      const std::int64_t at = i * s[1] + j;
      m[at] = momentum * m[at] + g[at] * *scale;
      const float u = g[at] * *scale + momentum * m[at];
      part[j % 8] += static_cast<double>(u) * static_cast<double>(u);
    }
    for (const double p : part) sums[task] += p;
  });
  double squares = 0;
  for (std::int64_t k = 0; k < bands(s); ++k) squares += sums[k];
  const auto inverse = static_cast<float>(1 / (std::sqrt(squares) + 1e-30));
  each_band(c, s, [&](std::int64_t, std::int64_t i) {
    for (std::int64_t j = 0; j < s[1]; ++j) {
      const std::int64_t at = i * s[1] + j;
      x[place(s, i, j)] = rounded((g[at] * *scale + momentum * m[at]) * inverse);
    }
  });
}

void run(const Call& c) {
  if (c.out[1].type.dtype == DType::bf16)
    write_direction<bf16>(c, [](float x) { return to_bf16(x); });
  else
    write_direction<float>(c, [](float x) { return x; });
}

void reference(const Call& c) {
  const Shape& s = c.in[In::gradient].type.shape;
  const double momentum = get(c.in[In::hyper], 1);
  std::vector<double> u;
  double squares = 0;
  for (std::int64_t i = 0; i < s.elements(); ++i) {
    const double g = get(c.in[In::gradient], i) * get(c.in[In::clip_scale], 0);
    set(c.out[0], i, momentum * get(c.in[In::momentum], i) + g);
    u.push_back(g + momentum * get(c.out[0], i));
    squares += u.back() * u.back();
  }
  for (std::int64_t i = 0; i < s.elements(); ++i)
    set(c.out[1], place(s, i / s[1], i % s[1]), u[static_cast<std::size_t>(i)] / std::sqrt(squares));
}

// --- (A, A^2) -> a I + b A + c A^2 -----------------------------------------------------------------------

std::vector<OutputSpec> infer_polynomial(const InferInput& i) {
  i.require_rank(0, 2);
  i.require(1, i.in[0]);
  return {{i.in[0]}};
}

template <class T, class Wide, class Rounded>
void write_polynomial(const Call& c, const Wide& wide, const Rounded& rounded) {
  const Shape& s = c.out[0].type.shape;
  const auto *first = c.in[0].as<T>(), *second = c.in[1].as<T>();
  auto* to = c.out[0].as<T>();
  each_band(c, s, [&](std::int64_t, std::int64_t i) {
    for (std::int64_t j = 0; j < s[1]; ++j) {
      const std::int64_t at = i * s[1] + j;
      to[at] = rounded((i == j ? a : 0.0f) + b * wide(first[at]) + c2 * wide(second[at]));
    }
  });
}

void run_polynomial(const Call& c) {
  if (c.out[0].type.dtype == DType::bf16)
    write_polynomial<bf16>(
        c, [](bf16 x) { return to_f32(x); }, [](float x) { return to_bf16(x); });
  else
    write_polynomial<float>(
        c, [](float x) { return x; }, [](float x) { return x; });
}

void reference_polynomial(const Call& c) {
  const std::int64_t n = c.out[0].type.shape[0];
  for (std::int64_t i = 0; i < n * n; ++i)
    set(c.out[0], i,
        (i / n == i % n ? double{a} : 0) + double{b} * get(c.in[0], i) + double{c2} * get(c.in[1], i));
}

// --- (weight, X, hyper) -> next weight -------------------------------------------------------------------

struct StepIn {
  enum : std::size_t { weight, x, hyper };
};

std::vector<OutputSpec> infer_step(const InferInput& i) {
  i.require_rank(StepIn::weight, 2);
  i.require(StepIn::x, {turned(i.in[StepIn::weight].shape), i.in[StepIn::x].dtype});
  i.require(StepIn::hyper, f32({hyper_floats}));
  return {{i.in[StepIn::weight], StepIn::weight}};
}

float scale(const Shape& s) { return 0.2f * std::sqrt(static_cast<float>(std::max(s[0], s[1]))); }

template <class T, class Wide>
void write_step(const Call& c, const Wide& wide) {
  const Shape& s = c.in[StepIn::weight].type.shape;
  const Hyper h = *c.in[StepIn::hyper].as<Hyper>();
  const float kept = c.attributes.as<UpdateAttributes>().decay ? 1 - h.lr * h.weight_decay : 1;
  const float rate = h.lr * scale(s);
  const auto* x = c.in[StepIn::x].as<T>();
  auto* w = c.out[0].as<float>();
  each_band(c, s, [&](std::int64_t, std::int64_t i) {
    for (std::int64_t j = 0; j < s[1]; ++j)
      w[i * s[1] + j] = w[i * s[1] + j] * kept - rate * wide(x[place(s, i, j)]);
  });
}

void run_step(const Call& c) {
  if (c.in[StepIn::x].type.dtype == DType::bf16)
    write_step<bf16>(c, [](bf16 x) { return to_f32(x); });
  else
    write_step<float>(c, [](float x) { return x; });
}

void reference_step(const Call& c) {
  const Shape& s = c.in[StepIn::weight].type.shape;
  const double lr = get(c.in[StepIn::hyper], 0);
  const double decay = c.attributes.as<UpdateAttributes>().decay ? get(c.in[StepIn::hyper], 2) : 0;
  for (std::int64_t i = 0; i < s.elements(); ++i)
    set(c.out[0], i,
        get(c.in[StepIn::weight], i) * (1 - lr * decay) -
            lr * static_cast<double>(scale(s)) * get(c.in[StepIn::x], place(s, i / s[1], i % s[1])));
}

constexpr InputRecord inputs[] = {{"gradient"}, {"momentum"}, {"hyper"}, {"clip_scale"}};
constexpr InputRecord polynomial_inputs[] = {{"gram"}, {"square"}};
constexpr InputRecord step_inputs[] = {{"weight"}, {"x"}, {"hyper"}};
constexpr Variant variants[] = {{"bands", "cpu", nullptr, scratch, run}};
constexpr Variant polynomial_variants[] = {{"bands", "cpu", nullptr, nullptr, run_polynomial}};
constexpr Variant step_variants[] = {{"bands", "cpu", nullptr, nullptr, run_step}};
constexpr OpRecord muon_direction{.name = "muon_direction",
                                  .inputs = inputs,
                                  .infer = infer,
                                  .cost = streaming_cost,
                                  .reference = reference,
                                  .variants = variants};
constexpr OpRecord muon_polynomial{.name = "muon_polynomial",
                                   .inputs = polynomial_inputs,
                                   .infer = infer_polynomial,
                                   .cost = streaming_cost,
                                   .alias = first_input,
                                   .reference = reference_polynomial,
                                   .variants = polynomial_variants};
constexpr OpRecord muon_step{.name = "muon_step",
                             .inputs = step_inputs,
                             .infer = infer_step,
                             .cost = streaming_cost,
                             .reference = reference_step,
                             .variants = step_variants};

void update(UpdateContext& u) {
  const DType dtype = u.product_type() == DType::bf16 ? DType::bf16 : DType::f32;
  const LinearAttributes product{.dtype = dtype};
  TensorId x =
      u.emit(muon_direction, {u.gradient(), u.state(0), u.hyper(), u.clip_scale()}, TypeAttributes{dtype})[1];
  for (int i = 0; i < iterations; ++i) {
    const TensorId gram = u.emit(linear, {x, x}, product)[0];
    const TensorId square = u.emit(linear, {gram, gram}, product)[0];  // it is symmetric
    const TensorId polynomial = u.emit(muon_polynomial, {gram, square}, {})[0];
    x = u.emit(linear_input_gradient, {polynomial, x}, LinearInputGradientAttributes{.dtype = dtype})[0];
  }
  u.emit(muon_step, {u.weight(), x, u.hyper()}, UpdateAttributes{u.decay()});
}

constexpr OptimizerState states[] = {{"momentum"}};
constexpr OptimizerScalar scalars[] = {scalar::lr, scalar::momentum(0.95f), scalar::weight_decay(0.1f)};
constexpr const OpRecord* ops[] = {&muon_direction, &muon_polynomial, &muon_step};

}  // namespace

const OptimizerRecord muon_optimizer{
    .name = "muon",
    .states = states,
    .scalars = scalars,
    .hyper_floats = hyper_floats,
    .fill_hyper = [](std::span<const float> s, std::int64_t,
                     std::span<float> hyper) { std::copy(s.begin(), s.end(), hyper.begin()); },
    .update = update,
    .takes = [](const TrainedWeight& w) { return w.spec.shape.rank() == 2 && !w.table && !w.head; },
    .others = &adamw_optimizer,
    .others_rate = true,
    .leaves_zeros = false,
    .ops = ops};

}  // namespace hone
