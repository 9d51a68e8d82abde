// What the config.json of llama and its kin have in common.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/number.hpp"
#include "file/json.hpp"
#include "hone/error.hpp"
#include "model/config_keys.hpp"
#include "model/decoder.hpp"

namespace hone {
namespace {

using Json = nlohmann::json;

constexpr std::string_view shared_keys[] = {
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
    "num_key_value_heads", "head_dim", "max_position_embeddings", "rms_norm_eps", "initializer_range",
    "attention_dropout", "tie_word_embeddings", "rope_theta", "rope_scaling", "rope_parameters",
    "original_max_position_embeddings", "partial_rotary_factor", "rope_interleaved", "text_config",
    // without effect
    "pretraining_tp", "is_llama_config", "transformers.js_config", "unsloth_version", "unsloth_fixed"};

GateFunction activation_of(const Json& config, const DecoderFamily& family, const std::string& where) {
  const char* key = family.activation_key;
  const std::string name =
      config.contains(key) && !config[key].is_null() ? json_string(config, key, where) : family.activation;
  if (const auto known = gate_function(name)) return *known;
  refuse_key(where, key, "silu, gelu, gelu_pytorch_tanh or relu", "\"" + name + "\"");
}

// Of a model of several parts the text's own config may say it.
bool read_tied(const Json& config, bool missing, const std::string& where) {
  constexpr const char* key = "tie_word_embeddings";
  const Json inner = config.value("text_config", Json::object());
  if (!config.contains(key) && inner.is_object() && inner.contains(key))
    return flag_key(inner, key, missing, where);
  return flag_key(config, key, missing, where);
}

// No product of sizes may overflow below.
void check_sizes(const Decoder& d, std::int64_t layers, const std::string& where) {
  const auto number = [](std::int64_t n) { return static_cast<double>(n); };
  if (d.heads % d.kv_heads != 0)
    refuse_key(where, "num_key_value_heads", "a divisor of num_attention_heads = " + std::to_string(d.heads),
               std::to_string(d.kv_heads));
  if (d.head_dim % 2 != 0 || d.head_dim > 256)
    refuse_key(where, "head_dim", "an even width, at most 256", std::to_string(d.head_dim));
  if (layers > 1000) refuse_key(where, "num_hidden_layers", "at most 1000", std::to_string(layers));
  const double block =
      number(d.width) * (number(d.head_dim) * 2 * number(d.heads + d.kv_heads) + 3 * number(d.inner));
  const double all = number(layers) * block + 2 * number(d.width) * number(d.vocab_size);
  if (all > 1e15 || number(d.head_dim) * number(d.heads) > 1e8)
    throw Error(ErrorKind::input, {.what = "the sizes make no model that could exist",
                                   .where = where,
                                   .expected = "at most 1e15 parameters",
                                   .found = to_text(all)});
}

void put_options(Json& config, const ModelOptions& options) {
  if (options.vocab_size) config["vocab_size"] = options.vocab_size;
  if (options.context) config["max_position_embeddings"] = options.context;
  if (options.dropout) config["attention_dropout"] = as_written(*options.dropout);
}

std::int64_t head_width(const Json& config, const Decoder& d, const DecoderFamily& family,
                        const std::string& where) {
  const std::int64_t given = optional_size_key(config, "head_dim", family.head_dim, where);
  if (given) return given;
  if (d.width % d.heads != 0)
    refuse_key(where, "num_attention_heads",
               "a divisor of hidden_size = " + std::to_string(d.width) + ", or head_dim beside it",
               std::to_string(d.heads));
  return d.width / d.heads;
}

}  // namespace

std::optional<GateFunction> gate_function(std::string_view name) {
  for (const char* tanh : {"gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu_accurate"})
    if (name == tanh) return GateFunction::gelu_new;  // one formula
  if (name == "silu" || name == "swish") return GateFunction::silu;
  if (name == "gelu" || name == "gelu_python") return GateFunction::gelu;
  if (name == "relu") return GateFunction::relu;
  return {};
}

Decoder read_decoder(Json& config, const ModelOptions& options, const DecoderFamily& family,
                     const std::string& where, std::vector<std::string>& notes) {
  put_options(config, options);
  refuse_other_functions(config, where);
  std::vector<std::string_view> known(std::begin(shared_keys), std::end(shared_keys));
  known.insert(known.end(), family.keys.begin(), family.keys.end());
  known.push_back(family.activation_key);
  note_unknown_keys(family.name, config, known, where, notes);
  if (flag_key(config, "rope_interleaved", false, where))
    refuse_key(where, "rope_interleaved", "false: pairs are halves, as in Transformers' files", "true");
  Decoder d;
  d.vocab_size = positive_key(config, "vocab_size", where);
  d.width = positive_key(config, "hidden_size", where);
  d.inner = positive_key(config, "intermediate_size", where);
  d.heads = positive_key(config, "num_attention_heads", where);
  d.kv_heads =
      optional_size_key(config, "num_key_value_heads", family.kv_heads ? family.kv_heads : d.heads, where);
  d.head_dim = head_width(config, d, family, where);
  d.context = optional_size_key(config, "max_position_embeddings", family.context, where);
  d.epsilon = fraction_key(config, "rms_norm_eps", family.epsilon, 1, where);
  d.range = fraction_key(config, "initializer_range", 0.02, 10, where);
  d.attention_dropout = fraction_key(config, "attention_dropout", 0, 1, where);
  d.activation = activation_of(config, family, where);
  d.tied = read_tied(config, family.tied, where);
  const std::int64_t layers = positive_key(config, "num_hidden_layers", where);
  check_sizes(d, layers, where);
  d.layers.resize(static_cast<std::size_t>(layers));
  if (family.rope_theta > 0)
    d.ropes.push_back(
        make_rope(rope_parameters(config, family.rope_theta, where), {d.head_dim, d.context, where}));
  return d;
}

void set_windows(Decoder& d, const Json& config, std::int64_t window, const std::string& where,
                 const std::function<bool(std::int64_t layer)>& sliding) {
  constexpr const char* key = "layer_types";
  const Json types = config.value(key, Json());
  if (!types.is_null() && (!types.is_array() || types.size() != d.layers.size()))
    refuse_key(where, key, "a list of as many kinds as there are layers, " + std::to_string(d.layers.size()),
               types.is_array() ? std::to_string(types.size()) : types.dump());
  for (std::size_t i = 0; i < d.layers.size(); ++i) {
    const bool known = types.is_null() || types[i] == "sliding_attention" || types[i] == "full_attention";
    if (!known) refuse_key(where, key, "sliding_attention or full_attention", types[i].dump());
    const bool slides =
        types.is_null() ? sliding(static_cast<std::int64_t>(i)) : types[i] == "sliding_attention";
    if (slides && window == 0)
      refuse_key(where, "sliding_window", "a window for the layers of sliding_attention", "none");
    if (slides) d.layers[i].window = window;
  }
}

}  // namespace hone
