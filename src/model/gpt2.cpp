// GPT-2 (Radford et al., "Language models are unsupervised multitask learners", 2019), by Hugging Face's
// names and config keys. Initial values as its training had them: normal(0.02), and products that end a
// residual branch divided by sqrt(2 n_layer).
#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/number.hpp"
#include "file/json.hpp"
#include "model/families.hpp"

namespace hone {
namespace {

struct Gpt2Config {
  std::int64_t n_layer, n_head, n_embd, n_positions, vocab_size, n_inner;
  float epsilon, range, embd_pdrop, attn_pdrop, resid_pdrop;
  std::string activation;
  bool tied, scaled, scaled_by_layer;
};

[[noreturn]] void bad(const std::string& where, const std::string& key, const std::string& expected,
                      const std::string& found) {
  throw Error(
      ErrorKind::input,
      {.what = "impossible value of \"" + key + "\"", .where = where, .expected = expected, .found = found});
}

std::int64_t positive(const nlohmann::json& config, const char* key, const std::string& where) {
  const std::int64_t value = json_integer(config, key, where);
  if (value <= 0 || value > 1'000'000'000) bad(where, key, "a positive number", std::to_string(value));
  return value;
}

float fraction(const nlohmann::json& config, const char* key, double missing, double below,
               const std::string& where) {
  if (!config.contains(key)) return static_cast<float>(missing);
  if (!config[key].is_number()) bad(where, key, "a number", config[key].dump());
  const double value = config[key].get<double>();
  if (!(value >= 0 && value < below))
    bad(where, key, "0 <= " + std::string(key) + " < " + to_text(below), config[key].dump());
  return static_cast<float>(value);
}

bool flag(const nlohmann::json& config, const char* key, bool missing, const std::string& where) {
  if (!config.contains(key)) return missing;
  if (!config[key].is_boolean()) bad(where, key, "true or false", config[key].dump());
  return config[key].get<bool>();
}

// The keys that this family reads, and those that Transformers writes beside them without effect here.
void check_keys(const nlohmann::json& config, const std::string& where) {
  static constexpr std::array known{"model_type",
                                    "architectures",
                                    "n_layer",
                                    "n_head",
                                    "n_embd",
                                    "n_positions",
                                    "n_ctx",
                                    "n_inner",
                                    "vocab_size",
                                    "activation_function",
                                    "layer_norm_epsilon",
                                    "initializer_range",
                                    "embd_pdrop",
                                    "attn_pdrop",
                                    "resid_pdrop",
                                    "tie_word_embeddings",
                                    "scale_attn_weights",
                                    "scale_attn_by_inverse_layer_idx",
                                    "reorder_and_upcast_attn",
                                    "add_cross_attention",
                                    "bos_token_id",
                                    "eos_token_id",
                                    "pad_token_id",
                                    "dtype",
                                    "torch_dtype",
                                    "transformers_version",
                                    "use_cache",
                                    "summary_activation",
                                    "summary_first_dropout",
                                    "summary_proj_to_labels",
                                    "summary_type",
                                    "summary_use_proj",
                                    "task_specific_params",
                                    "_name_or_path",
                                    "gradient_checkpointing",
                                    "output_past",
                                    "is_decoder",
                                    "return_dict",
                                    "id2label",
                                    "label2id",
                                    "_num_labels",
                                    "tokenizer_class",
                                    "finetuning_task",
                                    "use_return_dict",
                                    "chunk_size_feed_forward",
                                    "problem_type"};
  for (const auto& item : config.items())
    if (std::find(known.begin(), known.end(), item.key()) == known.end())
      throw Error(ErrorKind::input,
                  {.what = "unknown key \"" + item.key() + "\" for the gpt2 family",
                   .where = where,
                   .hint = "remove it, or check its spelling; width, layers and heads are n_embd, "
                           "n_layer and n_head"});
  if (flag(config, "add_cross_attention", false, where)) bad(where, "add_cross_attention", "false", "true");
}

Gpt2Config read(const nlohmann::json& config, const std::string& where) {
  check_keys(config, where);
  Gpt2Config c{};
  c.n_layer = positive(config, "n_layer", where);
  c.n_head = positive(config, "n_head", where);
  c.n_embd = positive(config, "n_embd", where);
  c.n_positions = positive(config, "n_positions", where);
  c.vocab_size = positive(config, "vocab_size", where);
  const bool inner = config.contains("n_inner") && !config["n_inner"].is_null();
  c.n_inner = inner ? positive(config, "n_inner", where) : 4 * c.n_embd;
  c.epsilon = fraction(config, "layer_norm_epsilon", 1e-5, 1, where);
  c.range = fraction(config, "initializer_range", 0.02, 10, where);
  c.embd_pdrop = fraction(config, "embd_pdrop", 0.1, 1, where);
  c.attn_pdrop = fraction(config, "attn_pdrop", 0.1, 1, where);
  c.resid_pdrop = fraction(config, "resid_pdrop", 0.1, 1, where);
  c.activation =
      config.contains("activation_function") ? json_string(config, "activation_function", where) : "gelu_new";
  c.tied = flag(config, "tie_word_embeddings", true, where);
  c.scaled = flag(config, "scale_attn_weights", true, where);
  c.scaled_by_layer = flag(config, "scale_attn_by_inverse_layer_idx", false, where);
  if (c.n_embd % c.n_head != 0)
    bad(where, "n_head", "a divisor of n_embd = " + std::to_string(c.n_embd), std::to_string(c.n_head));
  if (c.n_embd / c.n_head > 256)
    bad(where, "n_head", "heads at most 256 wide", std::to_string(c.n_embd / c.n_head) + " wide");
  if (c.n_layer > 10000) bad(where, "n_layer", "at most 10000", std::to_string(c.n_layer));
  return c;
}

using ActivationFunction = Tensor (*)(Tensor);

ActivationFunction activation(const Gpt2Config& c, const std::string& where) {
  if (c.activation == "gelu_new" || c.activation == "gelu_pytorch_tanh") return gelu_new;
  if (c.activation == "gelu") return gelu;
  if (c.activation == "relu") return relu;
  if (c.activation == "silu" || c.activation == "swish") return silu;
  bad(where, "activation_function", "gelu_new, gelu, relu or silu", "\"" + c.activation + "\"");
}

// Results are named as Transformers names its modules.
Tensor block(Builder& b, Tensor x, const Gpt2Config& c, std::int64_t layer, ActivationFunction act) {
  const auto scope = b.scope("h", static_cast<int>(layer));
  const Init init = normal(c.range);
  const Init last = normal(c.range / std::sqrt(2.0f * static_cast<float>(c.n_layer)));
  float scale = c.scaled ? 0.0f : 1.0f;
  if (c.scaled_by_layer)
    scale = (c.scaled ? 1 / std::sqrt(static_cast<float>(c.n_embd / c.n_head)) : 1.0f) /
            static_cast<float>(layer + 1);
  const auto n = layer_norm(x, "ln_1", c.epsilon);  // [B,T,C]
  const auto qkv = split(linear(n, "attn.c_attn", 3 * c.n_embd, {.init = init, .transposed = true}),
                         {c.n_embd, c.n_embd, c.n_embd});
  auto a = attention(qkv[0], qkv[1], qkv[2],
                     {.heads = c.n_head, .causal = true, .dropout = c.attn_pdrop, .scale = scale});
  a = linear(a, "attn.c_proj", c.n_embd, {.init = last, .transposed = true});
  x = x + named(dropout(a, c.resid_pdrop, "attn.resid_dropout"), "attn");
  auto m = act(
      linear(layer_norm(x, "ln_2", c.epsilon), "mlp.c_fc", c.n_inner, {.init = init, .transposed = true}));
  m = linear(m, "mlp.c_proj", c.n_embd, {.init = last, .transposed = true});
  return x + named(dropout(m, c.resid_pdrop, "mlp.dropout"), "mlp");
}

// Everything below the head, under "transformer."; also hands out the table of tokens for a tied head.
Tensor trunk(Builder& b, Tensor tokens, const Gpt2Config& c, ActivationFunction act, Tensor* wte) {
  const auto model = b.scope("transformer");
  *wte = b.parameter("wte.weight", {c.vocab_size, c.n_embd}, {.init = normal(c.range)});
  const auto wpe = b.parameter("wpe.weight", {c.n_positions, c.n_embd}, {.init = normal(c.range)});
  const auto x0 = named(embedding(tokens, *wte), "wte") + named(embedding(b.positions(), wpe), "wpe");
  auto x = dropout(x0, c.embd_pdrop, "drop");
  for (std::int64_t i = 0; i < c.n_layer; ++i) x = named(block(b, x, c, i, act), "h." + std::to_string(i));
  return layer_norm(x, "ln_f", c.epsilon);
}

}  // namespace

FamilyModel make_gpt2(nlohmann::json& config, const ModelOptions& options, const std::string& where) {
  if (options.vocab_size) config["vocab_size"] = options.vocab_size;
  if (options.context) config["n_positions"] = options.context;
  if (options.dropout)
    for (const char* key : {"embd_pdrop", "attn_pdrop", "resid_pdrop"}) config[key] = *options.dropout;
  const Gpt2Config c = read(config, where);
  const ActivationFunction act = activation(c, where);
  auto architecture = [c, act](Builder& b, Tensor tokens) {
    Tensor wte;
    const auto x = trunk(b, tokens, c, act, &wte);
    return c.tied ? linear(x, wte)
                  : linear(x, "lm_head", c.vocab_size, {.bias = false, .init = normal(c.range)});
  };
  return {architecture, c.vocab_size, c.n_positions};
}

}  // namespace hone
