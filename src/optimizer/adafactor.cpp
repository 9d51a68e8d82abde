// Adafactor (Shazeer & Stern, "Adafactor: adaptive learning rates with sublinear memory cost", 2018) with a
// learning rate of its own instead of relative steps, and without momentum, as most people run it:
// g = clip_scale * gradient; b2 = 1 - step^-0.8; of g^2 + 1e-30 the means over rows and columns,
// r = b2 r + (1 - b2) mean over columns, c the same over rows; u = g / sqrt(r c / mean(r));
// w = w (1 - lr wd) - lr u / max(1, rms(u)). A weight that is no matrix keeps v of each element, u = g /
// sqrt(v). Memory is the limit, so plain loops do; sums are in f64, by pieces of fixed sizes.
#include <cmath>

#include "optimizer/update_op.hpp"

namespace hone {
namespace {

using namespace op;

struct Hyper {
  float lr, weight_decay, beta2;
};
constexpr int hyper_floats = sizeof(Hyper) / sizeof(float);
constexpr double epsilon = 1e-30;      // beside squares
constexpr std::int64_t piece = 16384;  // elements at least; whole rows

// Eight partial sums of term(i), i < n, then in order.
template <class Term>
double sum_of(std::int64_t n, const Term& term) {
  double part[8] = {}, sum = 0;
  std::int64_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (int k = 0; k < 8; ++k) part[k] += term(i + k);
  for (; i < n; ++i) part[i % 8] += term(i);
  for (const double p : part) sum += p;
  return sum;
}

struct Update {
  explicit Update(const Call& c, std::size_t hyper_at)
      : h(*c.in[hyper_at].as<Hyper>()),
        w(c.out[0].as<float>()),
        gradient(c.in[1].as<float>()),
        scale(*c.in[hyper_at + 1].as<float>()),
        kept(c.attributes.as<UpdateAttributes>().decay ? 1 - h.lr * h.weight_decay : 1) {
    const Shape& s = c.in[0].type.shape;
    columns = s.rank() == 2 ? s[1] : 1;
    rows = s.elements() / columns;
    piece_rows = std::max<std::int64_t>(1, piece / columns);
    pieces = (rows + piece_rows - 1) / piece_rows;
  }
  // body(first row, its end, piece)
  template <class Body>
  void each_piece(ThreadPool& pool, const Body& body) const {
    pool.run(pieces,
             [&](std::int64_t p, int) { body(p * piece_rows, std::min(rows, (p + 1) * piece_rows), p); });
  }
  float g(std::int64_t i) const { return gradient[i] * scale; }
  double squared(std::int64_t i) const {
    return static_cast<double>(g(i)) * static_cast<double>(g(i)) + epsilon;
  }

  // The step that direction(row, column) is the way of, by its own root mean square where that is above 1.
  template <class Direction>
  void step(ThreadPool& pool, double* sums, const Direction& direction) const {
    each_piece(pool, [&](std::int64_t first, std::int64_t end, std::int64_t p) {
      sums[p] = 0;
      for (std::int64_t row = first; row < end; ++row)
        sums[p] += sum_of(columns, [&](std::int64_t j) {
          const auto u = static_cast<double>(direction(row, j));
          return u * u;
        });
    });
    double squares = 0;
    for (std::int64_t p = 0; p < pieces; ++p) squares += sums[p];
    const double rms = std::sqrt(squares / static_cast<double>(rows * columns));
    const float lr = h.lr / static_cast<float>(std::max(1.0, rms));
    each_piece(pool, [&](std::int64_t first, std::int64_t end, std::int64_t) {
      for (std::int64_t row = first; row < end; ++row)
        for (std::int64_t j = 0; j < columns; ++j) {
          float& to = w[row * columns + j];
          to = to * kept - lr * direction(row, j);
        }
    });
  }

  Hyper h;
  float* w;
  const float* gradient;
  float scale, kept;
  std::int64_t rows, columns, piece_rows, pieces;
};

// --- matrices --------------------------------------------------------------------------------------------

struct In {
  enum : std::size_t { weight, gradient, row, column, hyper, clip_scale };
};

Shape rows_of_matrix(const Shape& s) { return {s[0]}; }
Shape columns_of_matrix(const Shape& s) { return {s[1]}; }

std::vector<OutputSpec> infer(const InferInput& i) {
  i.require_rank(In::weight, 2);
  const Shape& s = i.in[In::weight].shape;
  i.require(In::gradient, i.in[In::weight]);
  i.require(In::row, f32({s[0]}));
  i.require(In::column, f32({s[1]}));
  i.require(In::hyper, f32({hyper_floats}));
  i.require(In::clip_scale, f32({1}));
  return {{i.in[In::weight], In::weight}, {i.in[In::row], In::row}, {i.in[In::column], In::column}};
}

// Of each piece its sums over rows and its sum of squares of u; of each column and row what u is made of.
struct Scratch {
  Scratch(const Update& u, void* at)
      : columns(static_cast<double*>(at)),
        squares(columns + u.pieces * u.columns),
        by_column(reinterpret_cast<float*>(squares + u.pieces)),
        by_row(by_column + u.columns) {}
  double *columns, *squares;
  float *by_column, *by_row;
};
std::int64_t scratch(const Call& c) {
  const Shape& s = c.in[In::weight].type.shape;
  const std::int64_t piece_rows = std::max<std::int64_t>(1, piece / s[1]),
                     pieces = (s[0] + piece_rows - 1) / piece_rows;
  return 8 * pieces * (s[1] + 1) + 4 * (s[0] + s[1]);
}

// Writes the next mean over each row, and each piece's sums over its rows.
void sum_squares(const Update& u, ThreadPool& pool, float* row_means, double* column_sums) {
  u.each_piece(pool, [&](std::int64_t first, std::int64_t end, std::int64_t p) {
    double* sums = column_sums + p * u.columns;
    std::fill_n(sums, u.columns, 0.0);
    for (std::int64_t row = first; row < end; ++row) {
      const std::int64_t at = row * u.columns;
      const double sum = sum_of(u.columns, [&](std::int64_t j) { return u.squared(at + j); });
      for (std::int64_t j = 0; j < u.columns; ++j) sums[j] += u.squared(at + j);
      row_means[row] = u.h.beta2 * row_means[row] +
                       (1 - u.h.beta2) * static_cast<float>(sum / static_cast<double>(u.columns));
    }
  });
}

void run(const Call& c) {
  const Update u(c, In::hyper);
  const Scratch s(u, c.scratch);
  auto *r = c.out[1].as<float>(), *columns = c.out[2].as<float>();
  sum_squares(u, *c.pool, r, s.columns);
  double mean = 0;
  for (std::int64_t i = 0; i < u.rows; ++i) mean += static_cast<double>(r[i]);
  mean /= static_cast<double>(u.rows);
  for (std::int64_t j = 0; j < u.columns; ++j) {
    double sum = 0;
    for (std::int64_t p = 0; p < u.pieces; ++p) sum += s.columns[p * u.columns + j];
    columns[j] =
        u.h.beta2 * columns[j] + (1 - u.h.beta2) * static_cast<float>(sum / static_cast<double>(u.rows));
    s.by_column[j] = static_cast<float>(1 / std::sqrt(static_cast<double>(columns[j])));
  }
  for (std::int64_t i = 0; i < u.rows; ++i)
    s.by_row[i] = static_cast<float>(std::sqrt(mean / static_cast<double>(r[i])));
  u.step(*c.pool, s.squares, [&](std::int64_t row, std::int64_t j) {
    return u.g(row * u.columns + j) * s.by_row[row] * s.by_column[j];
  });
}

// The next weight, from directions that are there.
void reference_step(const Call& c, std::size_t hyper_at, const std::vector<double>& directions) {
  double squares = 0;
  for (const double u : directions) squares += u * u;
  const double rms = std::sqrt(squares / static_cast<double>(directions.size()));
  const double lr = get(c.in[hyper_at], 0);
  const double decay = c.attributes.as<UpdateAttributes>().decay ? get(c.in[hyper_at], 1) : 0;
  for (std::size_t i = 0; i < directions.size(); ++i) {
    const auto at = static_cast<std::int64_t>(i);
    set(c.out[0], at, get(c.in[0], at) * (1 - lr * decay) - lr * directions[i] / std::max(1.0, rms));
  }
}

void reference(const Call& c) {
  const std::int64_t R = c.in[In::weight].type.shape[0], C = c.in[In::weight].type.shape[1];
  const double beta2 = get(c.in[In::hyper], 2);
  std::vector<double> squares(static_cast<std::size_t>(R * C)), directions = squares;
  const auto g = [&](std::int64_t i) { return get(c.in[In::gradient], i) * get(c.in[In::clip_scale], 0); };
  double mean = 0;
  for (std::int64_t i = 0; i < R; ++i) {
    double sum = 0;
    for (std::int64_t j = 0; j < C; ++j) sum += g(i * C + j) * g(i * C + j) + epsilon;
    set(c.out[1], i, beta2 * get(c.in[In::row], i) + (1 - beta2) * sum / static_cast<double>(C));
    mean += get(c.out[1], i) / static_cast<double>(R);
  }
  for (std::int64_t j = 0; j < C; ++j) {
    double sum = 0;
    for (std::int64_t i = 0; i < R; ++i) sum += g(i * C + j) * g(i * C + j) + epsilon;
    set(c.out[2], j, beta2 * get(c.in[In::column], j) + (1 - beta2) * sum / static_cast<double>(R));
  }
  for (std::int64_t i = 0; i < R; ++i)
    for (std::int64_t j = 0; j < C; ++j)
      directions[static_cast<std::size_t>(i * C + j)] =
          g(i * C + j) / std::sqrt(get(c.out[1], i) * get(c.out[2], j) / mean);
  reference_step(c, In::hyper, directions);
}

// --- everything else -------------------------------------------------------------------------------------

struct VectorIn {
  enum : std::size_t { weight, gradient, v, hyper, clip_scale };
};

std::vector<OutputSpec> infer_vector(const InferInput& i) {
  for (const std::size_t k : {VectorIn::gradient, VectorIn::v}) i.require(k, i.in[VectorIn::weight]);
  i.require(VectorIn::hyper, f32({hyper_floats}));
  i.require(VectorIn::clip_scale, f32({1}));
  return {{i.in[VectorIn::weight], VectorIn::weight}, {i.in[VectorIn::v], VectorIn::v}};
}

std::int64_t vector_scratch(const Call& c) {
  return 8 * ((c.in[VectorIn::weight].type.shape.elements() + piece - 1) / piece);
}

void run_vector(const Call& c) {
  Update u(c, VectorIn::hyper);
  u.rows = c.in[VectorIn::weight].type.shape.elements(), u.columns = 1, u.piece_rows = piece;
  u.pieces = (u.rows + piece - 1) / piece;
  auto* v = c.out[1].as<float>();
  u.each_piece(*c.pool, [&](std::int64_t first, std::int64_t end, std::int64_t) {
    for (std::int64_t i = first; i < end; ++i)
      v[i] = u.h.beta2 * v[i] + (1 - u.h.beta2) * static_cast<float>(u.squared(i));
  });
  u.step(*c.pool, static_cast<double*>(c.scratch),
         [&](std::int64_t i, std::int64_t) { return u.g(i) / std::sqrt(v[i]); });
}

void reference_vector(const Call& c) {
  const double beta2 = get(c.in[VectorIn::hyper], 2);
  std::vector<double> directions;
  for (std::int64_t i = 0; i < c.in[VectorIn::weight].type.shape.elements(); ++i) {
    const double g = get(c.in[VectorIn::gradient], i) * get(c.in[VectorIn::clip_scale], 0);
    set(c.out[1], i, beta2 * get(c.in[VectorIn::v], i) + (1 - beta2) * (g * g + epsilon));
    directions.push_back(g / std::sqrt(get(c.out[1], i)));
  }
  reference_step(c, VectorIn::hyper, directions);
}

constexpr InputRecord inputs[] = {{"weight"}, {"gradient"}, {"row"}, {"column"}, {"hyper"}, {"clip_scale"}};
constexpr InputRecord vector_inputs[] = {{"weight"}, {"gradient"}, {"v"}, {"hyper"}, {"clip_scale"}};
constexpr Variant variants[] = {{"pieces", "cpu", nullptr, scratch, run}};
constexpr Variant vector_variants[] = {{"pieces", "cpu", nullptr, vector_scratch, run_vector}};
constexpr OpRecord adafactor{.name = "adafactor",
                             .inputs = inputs,
                             .infer = infer,
                             .cost = streaming_cost,
                             .reference = reference,
                             .variants = variants};
constexpr OpRecord adafactor_vector{.name = "adafactor_vector",
                                    .inputs = vector_inputs,
                                    .infer = infer_vector,
                                    .cost = streaming_cost,
                                    .reference = reference_vector,
                                    .variants = vector_variants};

void fill_hyper(std::span<const float> s, std::int64_t step, std::span<float> hyper) {
  std::copy(s.begin(), s.end(), hyper.begin());
  hyper[2] = static_cast<float>(1 - std::pow(static_cast<double>(step), -0.8));
}

constexpr OptimizerState states[] = {{"row", DType::f32, rows_of_matrix},
                                     {"column", DType::f32, columns_of_matrix}};
constexpr OptimizerState vector_states[] = {{"v"}};
constexpr OptimizerScalar scalars[] = {scalar::lr, scalar::weight_decay(0)};
constexpr const OpRecord* ops[] = {&adafactor, &adafactor_vector};

const OptimizerRecord vectors{.name = "adafactor_vector",
                              .states = vector_states,
                              .scalars = scalars,
                              .hyper_floats = hyper_floats,
                              .fill_hyper = fill_hyper,
                              .update = [](UpdateContext& u) {
                                u.emit(adafactor_vector,
                                       {u.weight(), u.gradient(), u.state(0), u.hyper(), u.clip_scale()},
                                       UpdateAttributes{u.decay()});
                              }};

}  // namespace

const OptimizerRecord adafactor_optimizer{
    .name = "adafactor",
    .states = states,
    .scalars = scalars,
    .hyper_floats = hyper_floats,
    .fill_hyper = fill_hyper,
    .update =
        [](UpdateContext& u) {
          u.emit(adafactor, {u.weight(), u.gradient(), u.state(0), u.state(1), u.hyper(), u.clip_scale()},
                 UpdateAttributes{u.decay()});
        },
    .takes = [](const TrainedWeight& w) { return w.spec.shape.rank() == 2; },
    .others = &vectors,
    .ops = ops};

}  // namespace hone
