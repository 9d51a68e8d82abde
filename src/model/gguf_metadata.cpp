#include "model/gguf_metadata.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

#include "file/json.hpp"
#include "hone/error.hpp"
#include "model/decoder.hpp"

namespace hone {
namespace {

using Json = nlohmann::json;

[[noreturn]] void refuse(const std::string& where, const std::string& key, const std::string& expected,
                         const std::string& found) {
  throw Error(ErrorKind::input, {.what = "llama.cpp's files cannot say this of the model",
                                 .where = where + ", key " + key,
                                 .expected = expected,
                                 .found = found});
}

constexpr const char *full = "full_attention", *sliding = "sliding_attention";

bool is_gemma3(const Json& config) { return config.value("model_type", "") == "gemma3_text"; }

// The rotation's parameters of one kind of layer.
Json rotation(const Json& config, const char* kind, const std::string& where) {
  Json p =
      is_gemma3(config) ? gemma3_rope_parameters(config, kind, where) : rope_parameters(config, 1e4, where);
  if (!p.contains("rope_type")) p["rope_type"] = p.value("type", "default");
  return p;
}

class Keys {
 public:
  Keys(GgufWriter& out, const GgufFamily& family)
      : out_(out), prefix_(std::string(family.architecture) + ".") {}
  void whole(const char* key, std::int64_t value) const {
    out_.key(prefix_ + key, static_cast<std::uint32_t>(value));
  }
  void number(const char* key, double value) const { out_.key(prefix_ + key, static_cast<float>(value)); }
  void text(const char* key, const std::string& value) const { out_.key(prefix_ + key, value); }

 private:
  GgufWriter& out_;
  std::string prefix_;
};

// llama.cpp's YaRN is Transformers' one with its usual bounds, cut to whole pairs (ggml.c,
// ggml_rope_yarn_corr_dims; keys of bounds are read for other families only), and has 0.1 ln(scale) + 1, by
// which what is rotated is multiplied, times one factor of the file (llama-context.cpp).
void write_yarn(const Keys& keys, const Json& rope, double scale, const Decoder& d,
                const RopeContext& context) {
  const Rope& made = d.ropes.front();
  const double usual = scale <= 1 ? 1 : 0.1 * std::log(scale) + 1;
  const double more = static_cast<double>(made.factor) / usual;
  if (std::abs(more - 1) > 1e-6) {
    if (d.ropes.size() > 1)  // it would be the sliding layers' too
      refuse(context.where, "attention_factor", Json(usual).dump(), Json(made.factor).dump());
    keys.number("rope.scaling.attn_factor", more);
  }
  Json usual_bounds = rope;
  for (const char* key : {"beta_fast", "beta_slow", "truncate"}) usual_bounds.erase(key);
  if (make_rope(usual_bounds, context).frequencies != made.frequencies)
    refuse(context.where, "rope_parameters of yarn", "beta_fast 32, beta_slow 1 and truncate true",
           rope.dump());
}

void write_rotation(const Keys& keys, const Json& config, const Decoder& d, const std::string& where) {
  const Json rope = rotation(config, full, where);
  keys.number("rope.freq_base", rope.at("rope_theta").get<double>());
  const std::string type = rope.at("rope_type").get<std::string>();
  if (type == "default" || !rotation_factors(config).empty()) return;
  if (type != "linear" && type != "yarn") refuse(where, "rope_type", "default, linear, yarn or llama3", type);
  const Json given = rope.value("original_max_position_embeddings", Json()),
             by = rope.value("factor", Json());
  const std::int64_t original = given.is_number() ? given.get<std::int64_t>() : d.context;
  const double scale =
      by.is_number() ? by.get<double>() : static_cast<double>(d.context) / static_cast<double>(original);
  keys.text("rope.scaling.type", type);
  keys.number("rope.scaling.factor", scale);
  if (type == "linear") return;
  keys.whole("rope.scaling.original_context_length", original);
  write_yarn(keys, rope, scale, d, {d.head_dim, d.context, where});
}

// All but every n-th layer have the window: n.
std::int64_t window_period(const Decoder& d, const std::string& where) {
  std::size_t period = 0;
  while (period < d.layers.size() && d.layers[period].window > 0) ++period;
  ++period;
  for (std::size_t i = 0; i < d.layers.size(); ++i)
    if ((d.layers[i].window > 0) != ((i + 1) % period != 0))
      refuse(where, "layer_types", "a window in all but every n-th layer", "another order");
  return static_cast<std::int64_t>(period);
}

void write_gemma3(const Keys& keys, const Json& config, const Decoder& d, const std::string& where) {
  // As llama.cpp: of its 62 layers the 27B alone scales scores by its width.
  const std::int64_t scored = d.layers.size() == 62 ? d.width / d.heads : d.head_dim;
  if (std::abs(static_cast<double>(d.score_scale) * std::sqrt(static_cast<double>(scored)) - 1) > 1e-6)
    refuse(where, "query_pre_attn_scalar", std::to_string(scored) + ", the width of a head",
           config.value("query_pre_attn_scalar", Json(256)).dump());
  const std::int64_t period = window_period(d, where);
  if (period > 1) keys.whole("attention.sliding_window", d.layers.front().window);
  if (period > 1 && period != 6) keys.whole("attention.sliding_window_pattern", period);
  const Json local = rotation(config, sliding, where);
  if (local.at("rope_type") != "default")
    refuse(where, "rope_parameters.sliding_attention.rope_type", "default", local.at("rope_type").dump());
  if (const auto theta = local.at("rope_theta").get<double>(); theta != 1e4)
    keys.number("rope.freq_base_swa", theta);
  if (d.logit_cap > 0) keys.number("final_logit_softcapping", static_cast<double>(d.logit_cap));
}

// What llama.cpp computes is its family's, whatever a file says.
void require_family(const GgufFamily& family, const Json& config, const Decoder& d,
                    const std::string& where) {
  const bool gemma3 = is_gemma3(config);
  const char* activation = gemma3 ? "hidden_activation" : "hidden_act";
  if (d.activation != gate_function(family.activation))
    refuse(where, activation, family.activation, config.value(activation, Json("another")).dump());
  if ((d.qkv_bias && !family.head_biases) || (d.o_bias && !family.output_bias))
    refuse(where, "attention_bias", "false", "true");
  if (d.mlp_bias && !family.mlp_bias) refuse(where, "mlp_bias", "false", "true");
  if (std::string_view(family.model_type) == "qwen2" && d.heads * d.head_dim != d.width)
    refuse(where, "head_dim", "heads that fill hidden_size " + std::to_string(d.width),
           std::to_string(d.heads) + " of " + std::to_string(d.head_dim));
  for (const Decoder::Layer& layer : d.layers)
    if (!gemma3 && layer.window > 0)
      refuse(where, "sliding_window", "no layer with a window", std::to_string(layer.window));
}

}  // namespace

void write_config_keys(GgufWriter& out, const GgufFamily& family, const Json& config,
                       const std::string& where) {
  const Keys keys(out, family);
  const std::shared_ptr<const Decoder> of = decoder_of(config, where);
  const Decoder& d = *of;
  require_family(family, config, d, where);
  keys.whole("block_count", std::ssize(d.layers));
  keys.whole("context_length", d.context);
  keys.whole("embedding_length", d.width);
  keys.whole("feed_forward_length", d.inner);
  keys.whole("attention.head_count", d.heads);
  keys.whole("attention.head_count_kv", d.kv_heads);
  keys.whole("attention.key_length", d.head_dim);
  keys.whole("attention.value_length", d.head_dim);
  keys.whole("rope.dimension_count", d.head_dim);
  keys.whole("vocab_size", d.vocab_size);
  keys.number("attention.layer_norm_rms_epsilon", static_cast<double>(d.epsilon));
  write_rotation(keys, config, d, where);
  if (is_gemma3(config)) write_gemma3(keys, config, d, where);
}

std::int64_t head_width(const Json& config) { return decoder_of(config, "config.json")->head_dim; }

std::vector<float> rotation_factors(const Json& config) {
  const std::string where = "config.json";
  const auto d = decoder_of(config, where);
  const Rope& rope = d->ropes.front();
  const Json parameters = rotation(config, full, where);
  const bool one = rope.long_frequencies.empty() || rope.long_frequencies == rope.frequencies;
  const Json& type = parameters.at("rope_type");
  if (type != "llama3" && !(type == "longrope" && one && rope.factor == 1)) return {};
  const Json theta{{"rope_theta", parameters.at("rope_theta")}};
  const Rope plain = make_rope(theta, {d->head_dim, d->context, where});
  std::vector<float> factors;
  for (std::size_t i = 0; i < plain.frequencies.size(); ++i)
    factors.push_back(plain.frequencies[i] / rope.frequencies[i]);
  return factors;
}

}  // namespace hone
