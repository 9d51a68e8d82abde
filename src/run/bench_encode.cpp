#include <cmath>

#include "base/random.hpp"
#include "hone/bench.hpp"
#include "hone/encode.hpp"
#include "hone/nearest.hpp"
#include "machine/memory.hpp"
#include "run/in_turns.hpp"

namespace hone {
namespace {

constexpr struct {
  const char* name;
  EncoderShape shape;
} shapes[] = {{"minilm", {6, 384, 12, 1536}}, {"bert-base", {12, 768, 12, 3072}}};

// Layers as BERT has them (Devlin et al., 2018): every position sees all, norms behind the sums.
Tensor layer(Builder& b, Tensor x, const EncoderShape& s, int index) {
  constexpr float epsilon = 1e-12f;
  const auto scope = b.scope("layer", index);
  const Tensor q = linear(x, "query", s.width), k = linear(x, "key", s.width),
               v = linear(x, "value", s.width);
  const Tensor a = attention(q, k, v, {.heads = s.heads, .causal = false, .cache = CacheUse::none});
  x = layer_norm(linear(a, "output", s.width) + x, "attention_norm", epsilon);
  return layer_norm(linear(gelu(linear(x, "up", s.feed_forward)), "down", s.width) + x, "norm", epsilon);
}

double error_of(std::span<const float> found, const std::vector<float>& expected) {
  double squares = 0, all = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    squares += std::pow(static_cast<double>(found[i]) - static_cast<double>(expected[i]), 2);
    all += std::pow(static_cast<double>(expected[i]), 2);
  }
  return std::sqrt(squares / all);
}

}  // namespace

EncoderShape encoder_shape(const std::string& name) {
  std::vector<std::string> known;
  for (const auto& each : shapes) {
    if (name == each.name) return each.shape;
    known.emplace_back(each.name);
  }
  throw Error(ErrorKind::usage, {.what = "no encoder shape is called '" + name + "'",
                                 .where = "model",
                                 .expected = "minilm or bert-base",
                                 .hint = "the nearest is '" + nearest(name, known) + "'"});
}

Model encoder_layers(const EncoderShape& shape) {
  const Network network = [shape](Builder& b) -> Outputs {
    Tensor x = b.input("x", {b.seq(), shape.width}, {});
    for (int i = 0; i < shape.layers; ++i) x = layer(b, x, shape, i);
    return {{"states", x}};
  };
  return Model(network, [](Builder&, const Outputs&) { return std::vector<LossTerm>(); });
}

EncodeBench bench_encode(const EncoderShape& shape, const EncodeOptions& options, int steps) {
  const Model model = encoder_layers(shape);
  const EncodePlan plan(model, options);
  const EncodeOptions& o = plan.options();
  Stream stream(stream_key("encode", 0));
  std::vector<float> x(static_cast<std::size_t>(o.batch * o.seq * shape.width));
  for (float& value : x) value = stream.normal();
  const Samples samples = Samples(o.batch).set("x", std::span<const float>(x));
  std::vector<float> exact;
  {
    EncodeOptions f32 = o;
    f32.precision = Precision::f32, f32.int8 = false;
    Encoder encoder{EncodePlan(model, f32)};
    encoder.run(samples);
    const auto states = encoder.output("states");
    exact.assign(states.begin(), states.end());
  }
  Encoder encoder(plan);
  EncodeBench r;
  encoder.run(samples);
  r.error = error_of(encoder.output("states"), exact);
  ThreadPool pool(o.threads);
  const Arithmetic kind = o.int8                           ? Arithmetic::int8
                          : o.precision == Precision::bf16 ? Arithmetic::bf16
                                                           : Arithmetic::f32;
  InTurns turns(pool, isa_from_name(o.isa), kind, 0.02);
  const double flops = plan.product_flops();
  // A short run is repeated for some milliseconds, as who serves requests does.
  const int times = std::max(1, static_cast<int>(2e9 / flops));
  for (int i = 0; i < steps; ++i) turns.measure(flops, times, [&] { encoder.run(samples); });
  const Spread s = turns.seconds();
  const auto tokens = static_cast<double>(o.batch * o.seq);
  r.ms = {1e3 * s.median, 1e3 * s.min, 1e3 * s.max};
  r.tokens_per_s = {tokens / s.median, tokens / s.max, tokens / s.min};
  r.gflops = turns.gflops(), r.limit_gflops = turns.limit();
  r.share_of_limit = turns.share_of_limit();
  r.peak_bytes = plan.forecast().peak_bytes;
  encoder.profile(true);
  for (int i = 0; i < times; ++i) encoder.run(samples);
  for (const auto& [op, ms] : encoder.profile_ms()) r.op_ms[op] = ms / times;
  return r;
}

}  // namespace hone
