// GPT-2 (Radford et al., "Language models are unsupervised multitask learners", 2019), by Hugging Face's
// names and config keys. Initial values as its training had them: normal(0.02), and products that end a
// residual branch divided by sqrt(2 n_layer).
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/number.hpp"
#include "model/config_keys.hpp"
#include "model/families.hpp"
#include "model/gpt2_config.hpp"

namespace hone {
namespace {

using ActivationFunction = Tensor (*)(Tensor);

ActivationFunction activation(const Gpt2Config& c, const std::string& where) {
  for (const char* name : {"gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu_accurate"})
    if (c.activation == name) return gelu_new;  // one formula
  if (c.activation == "gelu" || c.activation == "gelu_python") return gelu;
  if (c.activation == "relu") return relu;
  if (c.activation == "silu" || c.activation == "swish") return silu;
  refuse_key(where, "activation_function", "gelu_new, gelu, relu or silu", "\"" + c.activation + "\"");
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
    for (const char* key : {"embd_pdrop", "attn_pdrop", "resid_pdrop"})
      config[key] = as_written(*options.dropout);
  std::vector<std::string> notes;
  const Gpt2Config c = read_gpt2_config(config, where, notes);
  const ActivationFunction act = activation(c, where);
  auto architecture = [c, act](Builder& b, Tensor tokens) {
    Tensor wte;
    const auto x = trunk(b, tokens, c, act, &wte);
    return c.tied ? linear(x, wte)
                  : linear(x, "lm_head", c.vocab_size, {.bias = false, .init = normal(c.range)});
  };
  return {language_model(architecture), c.vocab_size, c.n_positions, std::move(notes)};
}

}  // namespace hone
