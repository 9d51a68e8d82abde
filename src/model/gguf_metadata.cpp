#include "model/gguf_metadata.hpp"

#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

#include "file/json.hpp"
#include "hone/error.hpp"

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

// The rotation's parameters, wherever a config has them: rope_parameters (of gemma's full layers), or
// rope_scaling and rope_theta.
Json rotation(const Json& config, const char* kind) {
  Json all = config.value("rope_parameters", Json());
  if (all.is_object() && all.contains(kind)) all = all[kind];
  if (!all.is_object()) all = config.value("rope_scaling", Json());
  if (!all.is_object()) all = Json::object();
  if (!all.contains("rope_theta") && config.contains("rope_theta")) all["rope_theta"] = config["rope_theta"];
  if (all.contains("type") && !all.contains("rope_type")) all["rope_type"] = all["type"];
  return all;
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

void write_rotation(const Keys& keys, const Json& config, double theta, const std::string& where) {
  const Json rope = rotation(config, "full_attention");
  keys.number("rope.freq_base", rope.value("rope_theta", theta));
  const std::string type = rope.value("rope_type", "default");
  if (type == "default" || type == "llama3") return;  // the latter: rotation_factors
  if (type != "linear" && type != "yarn") refuse(where, "rope_type", "default, linear, yarn or llama3", type);
  keys.text("rope.scaling.type", type);
  keys.number("rope.scaling.factor", rope.value("factor", 1.0));
  if (const auto original = rope.value("original_max_position_embeddings", std::int64_t{0}))
    keys.whole("rope.scaling.original_context_length", original);
}

// The period of layers without a window, from the list of layers.
std::int64_t window_period(const Json& config, const std::string& where) {
  const Json types = config.value("layer_types", Json());
  if (!types.is_array())
    return config.value("sliding_window_pattern", config.value("_sliding_window_pattern", 6));
  std::size_t period = 0;
  while (period < types.size() && types[period] == "sliding_attention") ++period;
  ++period;
  for (std::size_t i = 0; i < types.size(); ++i)
    if ((types[i] == "sliding_attention") != ((i + 1) % period != 0))
      refuse(where, "layer_types", "a window in all but every n-th layer", "another order");
  return static_cast<std::int64_t>(period);
}

void write_gemma3(const Keys& keys, const Json& config, std::int64_t head_dim, const std::string& where) {
  const auto scalar = config.value("query_pre_attn_scalar", 256.0);
  if (scalar != static_cast<double>(head_dim) && config.value("num_hidden_layers", 0) != 62)
    refuse(where, "query_pre_attn_scalar", std::to_string(head_dim) + ", the width of a head",
           Json(scalar).dump());
  const Json window = config.value("sliding_window", Json(4096));
  if (!window.is_null()) keys.whole("attention.sliding_window", window.get<std::int64_t>());
  if (const std::int64_t period = window_period(config, where); period != 6)
    keys.whole("attention.sliding_window_pattern", period);
  const Json local = rotation(config, "sliding_attention");
  const bool own = config.value("rope_parameters", Json()).contains("sliding_attention");
  if (const double theta = own ? local.value("rope_theta", 1e4) : config.value("rope_local_base_freq", 1e4);
      theta != 1e4)
    keys.number("rope.freq_base_swa", theta);
  if (const Json cap = config.value("final_logit_softcapping", Json()); cap.is_number())
    keys.number("final_logit_softcapping", cap.get<double>());
}

}  // namespace

void write_config_keys(GgufWriter& out, const GgufFamily& family, const Json& config,
                       const std::string& where) {
  const Keys keys(out, family);
  const std::int64_t heads = json_integer(config, "num_attention_heads", where),
                     width = json_integer(config, "hidden_size", where);
  const std::int64_t head_dim = head_width(config);
  const Json kv = config.value("num_key_value_heads", Json());
  keys.whole("block_count", json_integer(config, "num_hidden_layers", where));
  keys.whole("context_length", json_integer(config, "max_position_embeddings", where));
  keys.whole("embedding_length", width);
  keys.whole("feed_forward_length", json_integer(config, "intermediate_size", where));
  keys.whole("attention.head_count", heads);
  keys.whole("attention.head_count_kv", kv.is_number() ? kv.get<std::int64_t>() : heads);
  keys.whole("attention.key_length", head_dim);
  keys.whole("attention.value_length", head_dim);
  keys.whole("rope.dimension_count", head_dim);
  keys.whole("vocab_size", json_integer(config, "vocab_size", where));
  keys.number("attention.layer_norm_rms_epsilon", config.value("rms_norm_eps", 1e-6));
  write_rotation(keys, config, family.norm_offset > 0 ? 1e6 : 1e4, where);
  const bool gemma3 = std::string_view(family.model_type) == "gemma3_text";
  if (gemma3) write_gemma3(keys, config, head_dim, where);
  if (!gemma3 && config.value("use_sliding_window", false))
    refuse(where, "use_sliding_window", "false", "true");
}

std::int64_t head_width(const nlohmann::json& config) {
  const nlohmann::json head = config.value("head_dim", nlohmann::json());
  return head.is_number() ? head.get<std::int64_t>()
                          : config.at("hidden_size").get<std::int64_t>() /
                                config.at("num_attention_heads").get<std::int64_t>();
}

std::vector<float> rotation_factors(const Json& config) {
  const Json rope = rotation(config, "full_attention");
  if (rope.value("rope_type", "") != "llama3") return {};
  const double theta = rope.value("rope_theta", 1e4), by = rope.value("factor", 8.0),
               low = rope.value("low_freq_factor", 1.0), high = rope.value("high_freq_factor", 4.0),
               original = rope.value("original_max_position_embeddings", 8192.0);
  const Json head = config.value("head_dim", Json());
  const std::int64_t head_dim = head.is_number() ? head.get<std::int64_t>()
                                                 : config.at("hidden_size").get<std::int64_t>() /
                                                       config.at("num_attention_heads").get<std::int64_t>();
  std::vector<float> factors;
  for (std::int64_t i = 0; i < head_dim; i += 2) {
    const double wavelength =
        2 * std::numbers::pi * std::pow(theta, static_cast<double>(i) / static_cast<double>(head_dim));
    const double smooth = (original / wavelength - low) / (high - low);
    factors.push_back(static_cast<float>(wavelength < original / high  ? 1
                                         : wavelength > original / low ? by
                                                                       : 1 / ((1 - smooth) / by + smooth)));
  }
  return factors;
}

}  // namespace hone
