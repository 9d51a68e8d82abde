#include "model/gguf_config.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <numbers>

#include "base/number.hpp"
#include "hone/error.hpp"

namespace hone {
namespace {

using Json = nlohmann::json;

constexpr const char* factors_tensor = "rope_freqs.weight";

// Keys of the file's own architecture: "llama.block_count".
class Keys {
 public:
  Keys(const GgufFile& file, std::string architecture)
      : file_(file), prefix_(std::move(architecture) + ".") {}
  std::string of(const char* key) const { return prefix_ + key; }
  bool has(const char* key) const { return file_.has(of(key)); }
  // A list is a number for each layer, and stands for one where all are equal.
  std::int64_t integer(const char* key) const {
    if (!is_array(key)) return file_.integer(of(key));
    const auto all = integers(key);
    if (all.empty() || std::ranges::count(all, all.front()) != std::ssize(all))
      refuse(key, "layers that differ are not supported", "one number for all", "several");
    return all.front();
  }
  std::int64_t integer(const char* key, std::int64_t missing) const {
    return has(key) ? integer(key) : missing;
  }
  double number(const char* key) const { return file_.number(of(key)); }
  double number(const char* key, double missing) const { return file_.number(of(key), missing); }
  bool flag(const char* key, bool missing) const { return file_.flag(of(key), missing); }
  std::string_view text(const char* key, std::string_view missing) const {
    return file_.text(of(key), missing);
  }
  bool is_array(const char* key) const {
    const auto found = file_.metadata().find(of(key));
    return found != file_.metadata().end() && found->second.type == GgufValueType::array;
  }
  std::vector<std::int64_t> integers(const char* key) const { return file_.integers(of(key)); }
  [[noreturn]] void refuse(const char* key, const std::string& what, const std::string& expected,
                           const std::string& found) const {
    throw Error(
        ErrorKind::input,
        {.what = what, .where = file_.path() + ", key " + of(key), .expected = expected, .found = found});
  }

 private:
  const GgufFile& file_;
  std::string prefix_;
};

// GGUF's numbers are f32: 1e-05, not 9.999999747378752e-06.
double as_decimal(double value) { return as_written(static_cast<float>(value)); }

// A divisor for each pair's frequency. Llama 3's stretching is written as such by its converter, without the
// numbers that it was made of: all models have low_freq_factor 1, high_freq_factor 4 and 8192 positions.
bool are_llama3s(const std::vector<float>& factors, double theta, std::int64_t head_dim) {
  constexpr double original = 8192, low = 1, high = 4;
  const double by = static_cast<double>(factors.back());
  for (std::size_t i = 0; i < factors.size(); ++i) {
    const double wavelength =
        2 * std::numbers::pi * std::pow(theta, 2 * static_cast<double>(i) / static_cast<double>(head_dim));
    const double smooth = (original / wavelength - low) / (high - low);
    const double expected = wavelength < original / high  ? 1
                            : wavelength > original / low ? by
                                                          : 1 / ((1 - smooth) / by + smooth);
    if (std::abs(static_cast<double>(factors[i]) - expected) > 1e-3 * expected) return false;
  }
  return true;
}

// Any others are longrope's, for short and long texts alike.
Json given_scaling(const GgufFile& file, const GgufTensor& tensor, const Keys& keys, double theta,
                   std::int64_t head_dim) {
  const auto bytes = file.bytes(tensor);
  std::vector<float> factors(bytes.size() / sizeof(float));
  std::memcpy(factors.data(), bytes.data(), factors.size() * sizeof(float));
  if (tensor.type.dtype != DType::f32 || static_cast<std::int64_t>(factors.size()) != head_dim / 2)
    throw Error(ErrorKind::input,
                {.what = "not a factor for each pair of a head",
                 .where = file.path() + ", tensor " + std::string(factors_tensor),
                 .expected = std::to_string(head_dim / 2) + " of F32",
                 .found = std::to_string(factors.size()) + " of " + std::string(tensor.type.name)});
  if (are_llama3s(factors, theta, head_dim))
    return {{"rope_type", "llama3"},
            {"factor", as_written(factors.back())},
            {"low_freq_factor", 1.0},
            {"high_freq_factor", 4.0},
            {"original_max_position_embeddings", 8192}};
  Json all = Json::array();
  for (const float f : factors) all.push_back(as_written(f));
  return {{"rope_type", "longrope"},
          {"short_factor", all},
          {"long_factor", all},
          {"attention_factor", 1.0},
          {"original_max_position_embeddings", keys.integer("context_length")}};
}

// YaRN's numbers; llama.cpp has its factor of what is rotated, 0.1 ln(scale) + 1, times one of the file.
void add_yarn(Json& scaling, const Keys& keys, double by) {
  if (const double more = keys.number("rope.scaling.attn_factor", 1); more != 1)
    scaling["attention_factor"] = as_decimal(more * (by <= 1 ? 1 : 0.1 * std::log(by) + 1));
  if (keys.has("rope.scaling.original_context_length"))
    scaling["original_max_position_embeddings"] = keys.integer("rope.scaling.original_context_length");
}

// A factor without a kind is linear's, and it has an old name, as in llama.cpp (llama-model.cpp).
Json scaling(const GgufFile& file, const Keys& keys, double theta, std::int64_t head_dim) {
  const std::string_view type = keys.text("rope.scaling.type", "linear");
  if (type != "none" && type != "linear" && type != "yarn")
    keys.refuse("rope.scaling.type", "the rotation is scaled in a way that is not known",
                "none, linear or yarn", std::string(type));
  const char* factor = keys.has("rope.scaling.factor") ? "rope.scaling.factor" : "rope.scale_linear";
  const double given = type == "none" ? 1 : keys.number(factor, 0), by = given == 0 ? 1 : given;
  const GgufTensor* factors = file.find(factors_tensor);
  if (factors && by != 1)
    keys.refuse(factor, "the rotation is scaled in two ways", std::string("1 beside ") + factors_tensor,
                to_text(by));
  if (const double more = keys.number("rope.scaling.attn_factor", 1);
      (factors || type != "yarn") && more != 1)
    keys.refuse("rope.scaling.attn_factor", "what is rotated is scaled without YaRN", "1", to_text(more));
  if (factors) return given_scaling(file, *factors, keys, theta, head_dim);
  if (by == 1 && type != "yarn") return nullptr;
  Json scaling{{"rope_type", type}, {"factor", as_decimal(by)}};
  if (type == "yarn") add_yarn(scaling, keys, by);
  return scaling;
}

// What is read here, and what changes nothing that hone computes.
constexpr std::string_view known_keys[] = {"block_count",
                                           "context_length",
                                           "embedding_length",
                                           "feed_forward_length",
                                           "vocab_size",
                                           "attention.head_count",
                                           "attention.head_count_kv",
                                           "attention.key_length",
                                           "attention.value_length",
                                           "attention.layer_norm_rms_epsilon",
                                           "attention.causal",
                                           "expert_count",
                                           "expert_used_count",
                                           "rope.dimension_count",
                                           "rope.freq_base",
                                           "rope.scale_linear",
                                           "rope.scaling.type",
                                           "rope.scaling.factor",
                                           "rope.scaling.original_context_length",
                                           "rope.scaling.attn_factor",
                                           "rope.scaling.finetuned"};
constexpr std::string_view gemma3_keys[] = {"attention.sliding_window", "attention.sliding_window_pattern",
                                            "rope.freq_base_swa",       "final_logit_softcapping",
                                            "attention.key_length_swa", "attention.value_length_swa",
                                            "rope.dimension_count_swa"};

// Other keys of the architecture. llama.cpp reads them for other ones, and computes what it would without:
// so it was found by setting each of its keys in a file of each family (version of November 2026).
void note_unknown_keys(const GgufFile& file, const GgufFamily& family, std::vector<std::string>& notes) {
  const std::string prefix = std::string(family.architecture) + ".";
  std::string unknown;
  for (const auto& [key, entry] : file.metadata()) {
    if (!key.starts_with(prefix)) continue;
    const std::string_view own = std::string_view(key).substr(prefix.size());
    const bool known = std::ranges::find(known_keys, own) != std::end(known_keys) ||
                       (family.branch_norms && std::ranges::find(gemma3_keys, own) != std::end(gemma3_keys));
    if (!known) unknown += (unknown.empty() ? "" : ", ") + key;
  }
  if (!unknown.empty())
    notes.push_back(file.path() + ": keys without effect on a " + family.model_type + " model: " + unknown);
}

void require_plain(const Keys& keys, std::int64_t head_dim, bool windows) {
  if (!keys.flag("attention.causal", true))
    keys.refuse("attention.causal", "a language model looks back", "true", "false");
  if (const auto experts = keys.integer("expert_count", 0); experts > 0)
    keys.refuse("expert_count", "a mixture of experts is not supported", "none", std::to_string(experts));
  const auto counts = [windows](const char* key) {
    return windows || !std::string_view(key).ends_with("_swa");
  };
  for (const char* key : {"rope.dimension_count", "rope.dimension_count_swa"})
    if (const auto rotated = keys.integer(key, head_dim); counts(key) && rotated != head_dim)
      keys.refuse(key, "a rotation of a part of each head is not supported", std::to_string(head_dim),
                  std::to_string(rotated));
  for (const char* key : {"attention.value_length", "attention.key_length_swa", "attention.value_length_swa"})
    if (const auto width = keys.integer(key, head_dim); counts(key) && width != head_dim)
      keys.refuse(key, "all heads are not equally wide", std::to_string(head_dim), std::to_string(width));
}

// Which layers have the window: as the file lists them, or all but every sixth.
std::vector<bool> sliding_layers(const Keys& keys, std::int64_t window) {
  constexpr const char* key = "attention.sliding_window_pattern";
  std::vector<bool> sliding(
      static_cast<std::size_t>(std::clamp<std::int64_t>(keys.integer("block_count"), 0, 1000)));
  const auto listed = keys.is_array(key) ? keys.integers(key) : std::vector<std::int64_t>{};
  if (!listed.empty() && listed.size() != sliding.size())
    keys.refuse(key, "the list of layers is not as long as there are layers", std::to_string(sliding.size()),
                std::to_string(listed.size()));
  const std::int64_t pattern = listed.empty() ? std::max<std::int64_t>(1, keys.integer(key, 6)) : 1;
  for (std::size_t i = 0; window > 0 && i < sliding.size(); ++i)
    sliding[i] = listed.empty() ? static_cast<std::int64_t>(i + 1) % pattern != 0 : listed[i] != 0;
  return sliding;
}

void add_gemma3(Json& config, const Keys& keys, std::int64_t head_dim) {
  // As llama.cpp: of its 62 layers the 27B alone scales scores by its width.
  config["query_pre_attn_scalar"] =
      keys.integer("block_count") == 62
          ? keys.integer("embedding_length") / keys.integer("attention.head_count")
          : head_dim;
  const std::int64_t window = keys.integer("attention.sliding_window", 0);
  config["rope_local_base_freq"] = as_decimal(keys.number("rope.freq_base_swa", 1e4));
  if (keys.has("final_logit_softcapping"))
    config["final_logit_softcapping"] = as_decimal(keys.number("final_logit_softcapping"));
  config["sliding_window"] = window > 0 ? Json(window) : Json(nullptr);
  Json types = Json::array();
  for (const bool slides : sliding_layers(keys, window))
    types.push_back(slides ? "sliding_attention" : "full_attention");
  config["layer_types"] = types;
}

void add_token(Json& config, const GgufFile& file, const char* key, const char* gguf) {
  const std::string name = std::string("tokenizer.ggml.") + gguf;
  if (file.has(name)) config[key] = file.integer(name);
}

}  // namespace

const GgufFamily& gguf_family(const GgufFile& file) {
  const std::string_view architecture = file.text("general.architecture");
  if (const GgufFamily* family = gguf_family_of_architecture(architecture)) return *family;
  std::string known;
  for (const GgufFamily& f : gguf_families())
    known += (known.empty() ? "" : ", ") + std::string(f.architecture);
  throw Error(ErrorKind::input, {.what = "this family of models is not supported",
                                 .where = file.path() + ", key general.architecture",
                                 .expected = known,
                                 .found = std::string(architecture)});
}

nlohmann::json config_of_gguf(const GgufFile& file, std::vector<std::string>& notes) {
  const GgufFamily& family = gguf_family(file);
  note_unknown_keys(file, family, notes);
  const Keys keys(file, family.architecture);
  const std::int64_t heads = keys.integer("attention.head_count"), width = keys.integer("embedding_length");
  if (heads < 1 || width < 1)
    keys.refuse("attention.head_count", "sizes make no model", "numbers above 0", std::to_string(heads));
  const std::int64_t head_dim = keys.integer("attention.key_length", width / heads);
  require_plain(keys, head_dim, family.branch_norms);
  const double theta = keys.number("rope.freq_base", family.norm_offset > 0 ? 1e6 : 1e4);
  Json config{{"model_type", family.model_type},
              {"architectures", Json::array({family.class_name})},
              {"vocab_size", file.at("token_embd.weight").shape.front()},
              {"hidden_size", width},
              {"intermediate_size", keys.integer("feed_forward_length")},
              {"num_hidden_layers", keys.integer("block_count")},
              {"num_attention_heads", heads},
              {"num_key_value_heads", keys.integer("attention.head_count_kv", heads)},
              {"head_dim", head_dim},
              {"max_position_embeddings", keys.integer("context_length")},
              {"rms_norm_eps", as_decimal(keys.number("attention.layer_norm_rms_epsilon"))},
              {"rope_theta", as_decimal(theta)},
              {"tie_word_embeddings", file.find("output.weight") == nullptr}};
  if (const Json scaled = scaling(file, keys, theta, head_dim); !scaled.is_null())
    config["rope_scaling"] = scaled;
  const bool gemma3 = std::string_view(family.model_type) == "gemma3_text";
  config[gemma3 ? "hidden_activation" : "hidden_act"] = family.activation;
  if (gemma3) add_gemma3(config, keys, head_dim);
  if (file.find("blk.0.attn_output.bias") ||
      (std::string_view(family.model_type) != "qwen2" && file.find("blk.0.attn_q.bias")))
    config["attention_bias"] = true;
  if (file.find("blk.0.ffn_up.bias")) config["mlp_bias"] = true;
  add_token(config, file, "bos_token_id", "bos_token_id");
  add_token(config, file, "eos_token_id", "eos_token_id");
  add_token(config, file, "pad_token_id", "padding_token_id");
  return config;
}

}  // namespace hone
