#include "kernel/attention.hpp"

#include <cmath>

#include "base/random.hpp"
#include "op/common.hpp"
#include "op/gradient_context.hpp"
#include "op/ops.hpp"

namespace hone::op {
namespace {

std::vector<OutputSpec> infer(const InferInput& i) {
  using In = AttentionInputs;
  const auto a = i.attributes.as<AttentionAttributes>();
  i.require(In::step, step_type());
  i.require_rank(In::q, 3);
  i.require_rank(In::k, 3);
  const Shape &q = i.in[In::q].shape, &k = i.in[In::k].shape;
  if (a.heads <= 0 || q.last() % a.heads != 0)
    i.fail("heads must divide the width", "a divisor of " + std::to_string(q.last()),
           std::to_string(a.heads) + " heads");
  if (a.kv_heads <= 0 || a.heads % a.kv_heads != 0)
    i.fail("key heads must divide heads", "a divisor of " + std::to_string(a.heads),
           std::to_string(a.kv_heads) + " key heads");
  if (q.last() / a.heads > 256)
    i.fail("the heads are too wide", "at most 256", std::to_string(q.last() / a.heads));
  if (a.sees.looks_back() && k[1] != q[1])
    i.fail("attention that looks back only has as many keys as queries", std::to_string(q[1]) + " keys",
           to_string(i.in[In::k]));
  const Shape kv{q[0], k[1], q.last() / a.heads * a.kv_heads};
  i.require(In::k, {kv, i.in[In::q].dtype});
  i.require(In::v, {kv, i.in[In::q].dtype});
  if (i.has(In::lengths)) i.require(In::lengths, {{q[0]}, DType::i32});
  return {{i.in[In::q]}, {f32({q[0], a.heads, q[1]})}};
}

Cost products(const Program& p, const Node& n, TensorId q_id, TensorId k_id, double count) {
  const auto a = n.attributes.as<AttentionAttributes>();
  const Shape &q = p[q_id].type.shape, &k = p[k_id].type.shape;
  const double pairs = static_cast<double>(q[0]) * a.sees.pairs(q[1], k[1]);
  return {.flops = 2 * count * pairs * static_cast<double>(q.last()),
          .bytes = operand_bytes(p, n),
          .low_precision = p[q_id].type.dtype == DType::bf16};
}
Cost cost(const Program& p, const Node& n) {
  return products(p, n, n.inputs[AttentionInputs::q], n.inputs[AttentionInputs::k], 2);
}
Cost gradient_cost(const Program& p, const Node& n) {
  return products(p, n, n.inputs[AttentionGradientInputs::q], n.inputs[AttentionGradientInputs::k], 5);
}

kernel::HeadRows rows(const Operand& o) { return {o.data, o.row_stride()}; }

// The operands of a forward call, wherever they stand.
struct Operands {
  const Operand &q, &k, &v, &o, &lse, &lengths, &step;
};

kernel::Attention arguments(const Call& c, const Operands& operand) {
  const auto& [q, k, v, o, lse, lengths, step] = operand;
  const auto a = c.attributes.as<AttentionAttributes>();
  const Shape& s = q.type.shape;
  kernel::Attention args{.B = s[0],
                         .T = s[1],
                         .S = k.type.shape[1],
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
                         .sees = a.sees,
                         .lengths = lengths.as<std::int32_t>(),
                         .dropout = {.p = a.dropout, .key = 0, .first_sample = 0}};
  if (a.dropout > 0 && step.data) {
    const StepInfo info = step_info(step);
    args.dropout.key = random_key(a.stream, info);
    args.dropout.first_sample = info.first_sample;
  }
  return args;
}
kernel::Attention forward(const Call& c) {
  using In = AttentionInputs;
  return arguments(
      c, {c.in[In::q], c.in[In::k], c.in[In::v], c.out[0], c.out[1], c.in[In::lengths], c.in[In::step]});
}
kernel::AttentionGradient backward(const Call& c) {
  using In = AttentionGradientInputs;
  return {.forward = arguments(c, {c.in[In::q], c.in[In::k], c.in[In::v], c.in[In::o], c.in[In::lse],
                                   c.in[In::lengths], c.in[In::step]}),
          .d_o = rows(c.in[In::d_o]),
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
  using In = AttentionInputs;
  const auto d = g.emit(
      attention_gradient,
      {d_o, g.in(In::q), g.in(In::k), g.in(In::v), g.out(0), g.out(1), g.in(In::lengths), g.in(In::step)},
      g.attributes<AttentionAttributes>());
  for (const std::size_t i : {In::q, In::k, In::v})
    if (g.wants(i)) g.set(i, d[i]);
}

std::vector<OutputSpec> infer_gradient(const InferInput& i) {
  using In = AttentionGradientInputs;
  i.require(In::d_o, i.in[In::q]);
  return {{i.in[In::q]}, {i.in[In::k]}, {i.in[In::v]}};
}

// One query row against all keys: probabilities, with what dropout makes of them.
class ReferenceRow {
 public:
  ReferenceRow(const kernel::Attention& a, const Operand& q, const Operand& k) : a_(a), q_(q), k_(k) {}

  std::int64_t at_q(std::int64_t b, std::int64_t t, std::int64_t head) const {
    return ((b * a_.T + t) * a_.heads + head) * a_.D;
  }
  std::int64_t at_k(std::int64_t b, std::int64_t s, std::int64_t head) const {
    return ((b * a_.S + s) * a_.kv_heads + kv_head(head)) * a_.D;
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
    for (std::int64_t s = 0; s < a_.S; ++s) {
      if (!a_.sees.sees(t, s) || (a_.lengths && s >= a_.lengths[b])) continue;
      double score = 0;
      for (std::int64_t d = 0; d < a_.D; ++d)
        score += get(q_, at_q(b, t, h) + d) * get(k_, at_k(b, s, h) + d);
      p[static_cast<std::size_t>(s)] = std::exp(score * static_cast<double>(a_.scale));
      sum += p[static_cast<std::size_t>(s)];
    }
    if (sum > 0)
      for (double& x : p) x /= sum;
    *lse = std::log(sum);
    return p;
  }

 private:
  const kernel::Attention& a_;
  const Operand &q_, &k_;
};

void reference(const Call& c) {
  const auto a = forward(c);
  const ReferenceRow row(a, c.in[AttentionInputs::q], c.in[AttentionInputs::k]);
  for (std::int64_t b = 0; b < a.B; ++b)
    for (std::int64_t h = 0; h < a.heads; ++h)
      for (std::int64_t t = 0; t < a.T; ++t) {
        double lse = 0;
        const auto p = row.probabilities(b, h, t, &lse);
        set(c.out[1], (b * a.heads + h) * a.T + t, lse);
        for (std::int64_t d = 0; d < a.D; ++d) {
          double o = 0;
          for (std::int64_t s = 0; s < a.S; ++s)
            o += p[static_cast<std::size_t>(s)] * row.keep(b, h, t, s) *
                 get(c.in[AttentionInputs::v], row.at_k(b, s, h) + d);
          set(c.out[0], row.at_q(b, t, h) + d, o);
        }
      }
}

// dP = keep * (dO v^T); dS = P (dP - sum P dP); dq = scale dS k, dk = scale dS^T q, dv = (keep P)^T dO.
void reference_gradient(const Call& c) {
  using In = AttentionGradientInputs;
  const auto a = backward(c).forward;
  const Operand &d_o = c.in[In::d_o], &q = c.in[In::q], &k = c.in[In::k], &v = c.in[In::v];
  const ReferenceRow row(a, q, k);
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
        const std::int64_t at_q = row.at_q(b, t, h);
        std::vector<double> dp(p.size(), 0.0);
        for (std::int64_t s = 0; s < a.S; ++s) {
          const std::int64_t at_k = row.at_k(b, s, h);
          const auto i = static_cast<std::size_t>(s);
          for (std::int64_t d = 0; d < a.D; ++d) dp[i] += get(d_o, at_q + d) * get(v, at_k + d);
          dp[i] *= row.keep(b, h, t, s);
          dot += p[i] * dp[i];
        }
        for (std::int64_t s = 0; s < a.S; ++s) {
          const std::int64_t at_k = row.at_k(b, s, h);
          const auto i = static_cast<std::size_t>(s);
          const double ds = scale * p[i] * (dp[i] - dot);
          for (std::int64_t d = 0; d < a.D; ++d) {
            sum(0, at_q + d) += ds * get(k, at_k + d);
            sum(1, at_k + d) += ds * get(q, at_q + d);
            sum(2, at_k + d) += p[i] * row.keep(b, h, t, s) * get(d_o, at_q + d);
          }
        }
      }
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t j = 0; j < sums[i].size(); ++j) set(c.out[i], static_cast<std::int64_t>(j), sums[i][j]);
}

bool takes(const Call& c) {
  using In = AttentionInputs;
  return gaps_only_in(c, {In::q, In::k, In::v}, {0});
}
bool takes_gradient(const Call& c) {
  using In = AttentionGradientInputs;
  return gaps_only_in(c, {In::d_o, In::q, In::k, In::v, In::o}, {0, 1, 2});
}

constexpr auto optional = InputRecord::Kind::optional;
constexpr InputRecord inputs[] = {{"q"}, {"k"}, {"v"}, {"lengths", optional}, {"step"}};
constexpr InputRecord gradient_inputs[] = {
    {"do"}, {"q"}, {"k"}, {"v"}, {"o"}, {"lse"}, {"lengths", optional}, {"step"}};
constexpr std::size_t source_states[] = {AttentionInputs::k, AttentionInputs::v};
constexpr Variant variants[] = {{"flash", "cpu", takes, scratch, run}};
constexpr Variant gradient_variants[] = {{"flash", "cpu", takes_gradient, gradient_scratch, run_gradient}};

}  // namespace

const OpRecord attention{.name = "attention",
                         .inputs = inputs,
                         .infer = infer,
                         .cost = cost,
                         .gradient = gradient,
                         .reference = reference,
                         .variants = variants,
                         .autocast = Autocast::lower,
                         .activation_inputs = 3};
const OpRecord source_attention{.name = "source_attention",
                                .inputs = inputs,
                                .infer = infer,
                                .cost = cost,
                                .reference = reference,
                                .variants = variants,
                                .autocast = Autocast::lower,
                                .activation_inputs = 1,
                                .states_like_first = source_states};
const OpRecord attention_gradient{.name = "attention_gradient",
                                  .inputs = gradient_inputs,
                                  .infer = infer_gradient,
                                  .cost = gradient_cost,
                                  .reference = reference_gradient,
                                  .variants = gradient_variants};

}  // namespace hone::op
