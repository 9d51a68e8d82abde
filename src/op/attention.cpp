#include "kernel/attention.hpp"

#include <cmath>

#include "base/random.hpp"
#include "op/common.hpp"
#include "op/gradient_context.hpp"
#include "op/ops.hpp"

namespace hone::op {
namespace {

std::vector<OutputSpec> infer(const InferInput& i) {
  const auto a = i.attributes.as<AttentionAttributes>();
  i.require(3, step_type());
  const Shape& q = i.in[0].shape;
  if (a.heads <= 0 || q.last() % a.heads != 0)
    i.fail("heads must divide the width", "a divisor of " + std::to_string(q.last()),
           std::to_string(a.heads) + " heads");
  if (a.kv_heads <= 0 || a.heads % a.kv_heads != 0)
    i.fail("key heads must divide heads", "a divisor of " + std::to_string(a.heads),
           std::to_string(a.kv_heads) + " key heads");
  if (q.last() / a.heads > 256)
    i.fail("the heads are too wide", "at most 256", std::to_string(q.last() / a.heads));
  const Shape kv = q.with_last(q.last() / a.heads * a.kv_heads);
  i.require(1, {kv, i.in[0].dtype});
  i.require(2, {kv, i.in[0].dtype});
  return {{i.in[0]}, {f32({q[0], a.heads, q[1]})}};
}

Cost products(const Program& p, const Node& n, const Shape& q, double count) {
  const auto a = n.attributes.as<AttentionAttributes>();
  const double pairs = static_cast<double>(q.rows()) * static_cast<double>(q[1]) * (a.causal ? 0.5 : 1);
  return {.flops = 2 * count * pairs * static_cast<double>(q.last()),
          .bytes = operand_bytes(p, n),
          .low_precision = p[n.inputs[0]].type.dtype == DType::bf16};
}
Cost cost(const Program& p, const Node& n) { return products(p, n, p[n.inputs[0]].type.shape, 2); }
Cost gradient_cost(const Program& p, const Node& n) { return products(p, n, p[n.inputs[1]].type.shape, 5); }

kernel::HeadRows rows(const Operand& o) { return {o.data, o.row_stride()}; }

// The arguments of a forward call over the operands q, k, v, o, lse, step wherever they stand.
kernel::Attention arguments(const Call& c, const Operand& q, const Operand& k, const Operand& v,
                            const Operand& o, const Operand& lse, const Operand& step) {
  const auto a = c.attributes.as<AttentionAttributes>();
  const Shape& s = q.type.shape;
  kernel::Attention args{.B = s[0],
                         .T = s[1],
                         .S = s[1],
                         .heads = a.heads,
                         .kv_heads = a.kv_heads,
                         .D = s[2] / a.heads,
                         .type = element(q.type.dtype),
                         .q = rows(q),
                         .k = rows(k),
                         .v = rows(v),
                         .o = rows(o),
                         .lse = lse.as<float>(),
                         .scale = a.scale,
                         .causal = a.causal,
                         .lengths = nullptr,
                         .dropout = {.p = a.dropout, .key = 0, .first_sample = 0}};
  if (a.dropout > 0 && step.data) {
    const StepInfo info = step_info(step);
    args.dropout.key = random_key(a.stream, info);
    args.dropout.first_sample = info.first_sample;
  }
  return args;
}
kernel::Attention forward(const Call& c) {
  return arguments(c, c.in[0], c.in[1], c.in[2], c.out[0], c.out[1], c.in[3]);
}
kernel::AttentionGradient backward(const Call& c) {
  return {.forward = arguments(c, c.in[1], c.in[2], c.in[3], c.in[4], c.in[5], c.in[6]),
          .d_o = rows(c.in[0]),
          .d_q = rows(c.out[0]),
          .d_k = rows(c.out[1]),
          .d_v = rows(c.out[2])};
}

std::int64_t scratch(const Call& c) { return kernel::scratch_bytes(forward(c), c.isa, c.pool->threads()); }
std::int64_t gradient_scratch(const Call& c) {
  return kernel::scratch_bytes(backward(c), c.isa, c.pool->threads());
}
void run(const Call& c) { kernel::run(forward(c), c.isa, *c.pool, c.scratch); }
void run_gradient(const Call& c) { kernel::run(backward(c), c.isa, *c.pool, c.scratch); }

void gradient(GradientContext& g) {
  const TensorId d_o = g.gradient(0);
  if (!d_o) return;
  const auto d = g.emit(attention_gradient, {d_o, g.in(0), g.in(1), g.in(2), g.out(0), g.out(1), g.in(3)},
                        g.attributes<AttentionAttributes>());
  for (std::size_t i = 0; i < 3; ++i)
    if (g.wants(i)) g.set(i, d[i]);
}

std::vector<OutputSpec> infer_gradient(const InferInput& i) {
  i.require(0, i.in[1]);
  return {{i.in[1]}, {i.in[2]}, {i.in[3]}};
}

// One query row against all keys: probabilities, with what dropout makes of them.
class ReferenceRow {
 public:
  ReferenceRow(const kernel::Attention& a, const Operand& q, const Operand& k) : a_(a), q_(q), k_(k) {}

  std::int64_t at(std::int64_t b, std::int64_t t, std::int64_t head, std::int64_t heads) const {
    return ((b * a_.T + t) * heads + head) * a_.D;
  }
  std::int64_t kv_head(std::int64_t h) const { return h / (a_.heads / a_.kv_heads); }
  double keep(std::int64_t b, std::int64_t h, std::int64_t t, std::int64_t s) const {
    if (a_.dropout.p == 0) return 1;
    const auto pair = static_cast<std::uint64_t>(
        (((a_.dropout.first_sample + b) * a_.heads + h) * a_.T + t) * ((a_.S + 7) / 8) + s / 8);
    const std::uint32_t word = philox(a_.dropout.key, pair, 0)[static_cast<std::size_t>(s % 8) / 2];
    const std::uint32_t draw = s % 2 ? word >> 16 : word & 0xffffu;
    return draw >= static_cast<std::uint32_t>(std::lround(a_.dropout.p * 65536))
               ? 1 / (1 - static_cast<double>(a_.dropout.p))
               : 0;
  }
  std::vector<double> probabilities(std::int64_t b, std::int64_t h, std::int64_t t, double* lse) const {
    std::vector<double> p(static_cast<std::size_t>(a_.S));
    double sum = 0;
    for (std::int64_t s = 0; s < visible(t); ++s) {
      double score = 0;
      for (std::int64_t d = 0; d < a_.D; ++d)
        score += get(q_, at(b, t, h, a_.heads) + d) * get(k_, at(b, s, kv_head(h), a_.kv_heads) + d);
      p[static_cast<std::size_t>(s)] = std::exp(score * static_cast<double>(a_.scale));
      sum += p[static_cast<std::size_t>(s)];
    }
    for (double& x : p) x /= sum;
    *lse = std::log(sum);
    return p;
  }
  std::int64_t visible(std::int64_t t) const { return a_.causal ? t + 1 : a_.S; }

 private:
  const kernel::Attention& a_;
  const Operand &q_, &k_;
};

void reference(const Call& c) {
  const auto a = forward(c);
  const ReferenceRow row(a, c.in[0], c.in[1]);
  for (std::int64_t b = 0; b < a.B; ++b)
    for (std::int64_t h = 0; h < a.heads; ++h)
      for (std::int64_t t = 0; t < a.T; ++t) {
        double lse = 0;
        const auto p = row.probabilities(b, h, t, &lse);
        set(c.out[1], (b * a.heads + h) * a.T + t, lse);
        for (std::int64_t d = 0; d < a.D; ++d) {
          double o = 0;
          for (std::int64_t s = 0; s < row.visible(t); ++s)
            o += p[static_cast<std::size_t>(s)] * row.keep(b, h, t, s) *
                 get(c.in[2], row.at(b, s, row.kv_head(h), a.kv_heads) + d);
          set(c.out[0], row.at(b, t, h, a.heads) + d, o);
        }
      }
}

// dP = keep * (dO v^T); dS = P (dP - sum P dP); dq = scale dS k, dk = scale dS^T q, dv = (keep P)^T dO.
void reference_gradient(const Call& c) {
  const auto a = backward(c).forward;
  const ReferenceRow row(a, c.in[1], c.in[2]);
  std::vector<std::vector<double>> sums;
  for (int i = 0; i < 3; ++i)
    sums.emplace_back(static_cast<std::size_t>(c.out[static_cast<std::size_t>(i)].type.shape.elements()),
                      0.0);
  auto sum = [&](int i, std::int64_t at) -> double& {
    return sums[static_cast<std::size_t>(i)][static_cast<std::size_t>(at)];
  };
  const auto scale = static_cast<double>(a.scale);
  for (std::int64_t b = 0; b < a.B; ++b)
    for (std::int64_t h = 0; h < a.heads; ++h)
      for (std::int64_t t = 0; t < a.T; ++t) {
        double lse = 0, dot = 0;
        const auto p = row.probabilities(b, h, t, &lse);
        const std::int64_t at_q = row.at(b, t, h, a.heads);
        std::vector<double> dp(p.size(), 0.0);
        for (std::int64_t s = 0; s < row.visible(t); ++s) {
          const std::int64_t at_k = row.at(b, s, row.kv_head(h), a.kv_heads);
          const auto i = static_cast<std::size_t>(s);
          for (std::int64_t d = 0; d < a.D; ++d) dp[i] += get(c.in[0], at_q + d) * get(c.in[3], at_k + d);
          dp[i] *= row.keep(b, h, t, s);
          dot += p[i] * dp[i];
        }
        for (std::int64_t s = 0; s < row.visible(t); ++s) {
          const std::int64_t at_k = row.at(b, s, row.kv_head(h), a.kv_heads);
          const auto i = static_cast<std::size_t>(s);
          const double ds = scale * p[i] * (dp[i] - dot);
          for (std::int64_t d = 0; d < a.D; ++d) {
            sum(0, at_q + d) += ds * get(c.in[2], at_k + d);
            sum(1, at_k + d) += ds * get(c.in[1], at_q + d);
            sum(2, at_k + d) += p[i] * row.keep(b, h, t, s) * get(c.in[0], at_q + d);
          }
        }
      }
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t j = 0; j < sums[i].size(); ++j) set(c.out[i], static_cast<std::int64_t>(j), sums[i][j]);
}

bool takes(const Call& c) { return gaps_only_in(c, {0, 1, 2}, {0}); }
bool takes_gradient(const Call& c) { return gaps_only_in(c, {0, 1, 2, 3, 4}, {0, 1, 2}); }

constexpr Variant variants[] = {{"flash", "cpu", takes, scratch, run}};
constexpr Variant gradient_variants[] = {{"flash", "cpu", takes_gradient, gradient_scratch, run_gradient}};

}  // namespace

const OpRecord attention{.name = "attention",
                         .infer = infer,
                         .cost = cost,
                         .gradient = gradient,
                         .reference = reference,
                         .variants = variants,
                         .autocast = Autocast::lower,
                         .activation_inputs = 3};
const OpRecord attention_gradient{.name = "attention_gradient",
                                  .infer = infer_gradient,
                                  .cost = gradient_cost,
                                  .reference = reference_gradient,
                                  .variants = gradient_variants};

}  // namespace hone::op
