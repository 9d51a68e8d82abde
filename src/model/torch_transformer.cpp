// The encoder-decoder of "Attention is all you need" (Vaswani et al., 2017) as torch.nn.Transformer has it,
// by its names and with its initial values: embeddings of source and target in front of it, a head behind it.
// Inputs: source ids [B,S], source_lengths [B], target ids [B,T]; S is the size source_seq, or else the
// target's T. A padded target needs no mask: padding stands at its end, and a causal target looks back only.
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/number.hpp"
#include "model/config_keys.hpp"
#include "model/families.hpp"
#include "model/torch_transformer_config.hpp"

namespace hone {
namespace {

using Config = TorchTransformerConfig;

// One call of the network: what its pieces share.
class Writer {
 public:
  Writer(Builder& b, const Config& c) : b_(b), c_(c) {}

  Outputs write() {
    const std::int64_t S = b_.size("source_seq", b_.seq());
    const auto source = b_.input("source", {S}, {.kind = InputKind::ids, .below = c_.source_vocab_size});
    lengths_ = b_.input("source_lengths", {}, {.kind = InputKind::lengths, .below = S});
    const auto target =
        b_.input("target", {b_.seq()}, {.kind = InputKind::ids, .below = c_.target_vocab_size});
    const auto memory = encode(embed(source, "src", c_.source_vocab_size, b_.positions(S)));
    const auto y = decode(embed(target, "tgt", c_.target_vocab_size, b_.positions()), memory);
    return {{"logits", head(y)}};
  }

 private:
  // A table's rows have deviation 1 as torch.nn.Embedding's; where they are scaled, or are a head too, the
  // scaled ones have it.
  Init table_init() const {
    return normal(c_.scale_embedding || c_.tied ? 1 / std::sqrt(static_cast<float>(c_.d_model)) : 1.0f);
  }

  Tensor embed(Tensor ids, const std::string& name, std::int64_t vocab_size, Tensor positions) {
    const auto table = b_.parameter(name + ".weight", {vocab_size, c_.d_model}, {.init = table_init()});
    auto x = named(embedding(ids, table), name);  // [B,..,C]
    if (c_.scale_embedding) x = scale(x, std::sqrt(static_cast<float>(c_.d_model)));
    if (c_.positions == Config::Positions::none) return x;
    if (c_.positions == Config::Positions::sinusoidal)
      x = x + sinusoids(positions, c_.d_model);
    else
      x = x + embedding(positions, b_.parameter(name + "_positions.weight", {c_.context, c_.d_model}));
    return dropout(x, c_.dropout, name + ".dropout");
  }

  // torch.nn.MultiheadAttention: one joint weight, by parts where queries and keys come from two places.
  Tensor attend(const std::string& name, Tensor x, Tensor memory, AttentionOptions options) {
    const auto scope = b_.scope(name);
    const std::int64_t C = c_.d_model;
    const auto w = b_.parameter("in_proj_weight", {3 * C, C}, {.init = xavier_uniform(C, 3 * C)});
    const auto bias = b_.parameter("in_proj_bias", {3 * C}, {.init = zeros(), .decay = false});
    options.heads = c_.nhead, options.dropout = c_.dropout;
    Tensor o;
    if (memory.id() < 0) {
      const auto qkv = split(linear(x, w, {.bias = bias}), {C, C, C});
      o = attention(qkv[0], qkv[1], qkv[2], options);
    } else {
      const auto q = linear(x, w, {.bias = bias, .first = 0, .rows = C});
      const auto kv = split(linear(memory, w, {.bias = bias, .first = C, .rows = 2 * C}), {C, C});
      o = attention(q, kv[0], kv[1], options);
    }
    return linear(o, "out_proj", C, {.init = xavier_uniform(C, C)});
  }

  // A matrix as the module's own initialisation leaves it, its bias as torch.nn.Linear's.
  Tensor dense(Tensor x, const std::string& name, std::int64_t out) {
    const auto w = b_.parameter(name + ".weight", {out, x.width()}, {.init = xavier_uniform(x.width(), out)});
    return linear(x, w, {.bias = linear_bias(name, x.width(), out)});
  }
  Tensor linear_bias(const std::string& name, std::int64_t in, std::int64_t out) {
    return b_.parameter(name + ".bias", {out}, {.init = linear_init(in), .decay = false});
  }
  static Init linear_init(std::int64_t in) { return uniform(1 / std::sqrt(static_cast<float>(in))); }

  Tensor feed_forward(Tensor x) {
    auto m = dense(x, "linear1", c_.dim_feedforward);
    m = c_.activation == "gelu" ? gelu(m) : relu(m);
    return dense(dropout(m, c_.dropout, "dropout"), "linear2", c_.d_model);
  }

  // Around a branch: x + f(norm(x)) where norms come first, else norm(x + f(x)). `number`: of the norm.
  template <class Branch>
  Tensor residual(Tensor x, int number, const Branch& branch) {
    const std::string n = std::to_string(number);
    const auto norm = [&](Tensor t) { return layer_norm(t, "norm" + n, c_.epsilon); };
    const auto dropped = [&](Tensor t) { return dropout(t, c_.dropout, "dropout" + n); };
    return c_.norm_first ? x + dropped(branch(norm(x))) : norm(x + dropped(branch(x)));
  }

  Tensor encode(Tensor x) {
    const auto encoder = b_.scope("transformer.encoder");
    for (int i = 0; i < c_.encoder_layers; ++i) {
      const auto layer = b_.scope("layers", i);
      x = residual(x, 1, [&](Tensor t) {
        return attend("self_attn", t, {}, {.causal = false, .lengths = lengths_, .cache = CacheUse::none});
      });
      x = residual(x, 2, [&](Tensor t) { return feed_forward(t); });
    }
    return layer_norm(x, "norm", c_.epsilon);
  }

  Tensor decode(Tensor x, Tensor memory) {
    const auto decoder = b_.scope("transformer.decoder");
    for (int i = 0; i < c_.decoder_layers; ++i) {
      const auto layer = b_.scope("layers", i);
      x = residual(x, 1, [&](Tensor t) { return attend("self_attn", t, {}, {.causal = true}); });
      x = residual(x, 2, [&](Tensor t) {
        return attend("multihead_attn", t, memory,
                      {.causal = false, .lengths = lengths_, .cache = CacheUse::cross});
      });
      x = residual(x, 3, [&](Tensor t) { return feed_forward(t); });
    }
    return layer_norm(x, "norm", c_.epsilon);
  }

  Tensor head(Tensor x) {
    const std::int64_t V = c_.target_vocab_size;
    const auto w = c_.tied ? b_.parameter("tgt.weight", {V, c_.d_model}, {.init = table_init()})
                           : b_.parameter("out.weight", {V, c_.d_model}, {.init = linear_init(c_.d_model)});
    return linear(x, w, {.bias = linear_bias("out", c_.d_model, V)});
  }

  Builder& b_;
  const Config& c_;
  Tensor lengths_;
};

}  // namespace

FamilyModel make_torch_transformer(nlohmann::json& config, const ModelOptions& options,
                                   const std::string& where) {
  if (options.vocab_size) {
    config["vocab_size"] = options.vocab_size;
    config.erase("source_vocab_size");
    config.erase("target_vocab_size");
  }
  if (options.context) config["max_position_embeddings"] = options.context;
  if (options.dropout) config["dropout"] = as_written(*options.dropout);
  std::vector<std::string> notes;
  const Config c = read_torch_transformer_config(config, where, notes);
  if (c.activation != "relu" && c.activation != "gelu")
    refuse_key(where, "activation", "relu or gelu", "\"" + c.activation + "\"");
  return {[c](Builder& b) { return Writer(b, c).write(); }, c.target_vocab_size, c.context, std::move(notes),
          next_token({.label_smoothing = c.label_smoothing})};
}

}  // namespace hone
