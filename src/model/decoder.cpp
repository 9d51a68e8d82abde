#include "model/decoder.hpp"

#include <nlohmann/json.hpp>

#include "file/json.hpp"
#include "model/config_keys.hpp"

namespace hone {
namespace {

// Results are named as Transformers names its modules.
class DecoderWriter {
 public:
  DecoderWriter(Builder& b, const Decoder& d) : b_(b), d_(d) {}

  Tensor write(Tensor tokens) {
    Tensor table;
    const auto x = trunk(tokens, &table);
    const auto logits = d_.tied ? linear(x, table) : dense(x, "lm_head", d_.vocab_size, false);
    return d_.logit_cap > 0 ? softcap(logits, d_.logit_cap) : logits;
  }

 private:
  Tensor trunk(Tensor tokens, Tensor* table) {
    const auto model = b_.scope("model");
    *table = b_.parameter("embed_tokens.weight", {d_.vocab_size, d_.width}, {.init = normal(d_.range)});
    auto x = named(embedding(tokens, *table), "embed_tokens");  // [B,T,C]
    if (d_.embedding_scale != 1) x = scale(x, d_.embedding_scale);
    for (std::size_t i = 0; i < d_.layers.size(); ++i)
      x = named(block(x, static_cast<int>(i)), "layers." + std::to_string(i));
    return norm(x, "norm");
  }

  Tensor block(Tensor x, int number) {
    const auto scope = b_.scope("layers", number);
    auto a = attend(input(x, "input_layernorm"), d_.layers[static_cast<std::size_t>(number)]);
    if (d_.branch_norms) a = norm(a, "post_attention_layernorm");
    x = x + a;
    auto m =
        feed_forward(input(x, d_.branch_norms ? "pre_feedforward_layernorm" : "post_attention_layernorm"));
    if (d_.branch_norms) m = norm(m, "post_feedforward_layernorm");
    return x + m;
  }

  Tensor attend(Tensor x, const Decoder::Layer& layer) {
    const auto scope = b_.scope("self_attn");
    const auto q = heads(dense(x, "q_proj", d_.heads * d_.head_dim, d_.qkv_bias), "q_norm", d_.heads, layer);
    const auto k =
        heads(dense(x, "k_proj", d_.kv_heads * d_.head_dim, d_.qkv_bias), "k_norm", d_.kv_heads, layer);
    const auto v = dense(x, "v_proj", d_.kv_heads * d_.head_dim, d_.qkv_bias);
    const auto a = attention(q, k, v,
                             {.heads = d_.heads,
                              .kv_heads = d_.kv_heads,
                              .dropout = d_.attention_dropout,
                              .scale = d_.score_scale,
                              .window = layer.window});
    return dense(a, "o_proj", d_.width, d_.o_bias);
  }

  // Queries or keys [B,T,heads*D], ready to meet.
  Tensor heads(Tensor x, const char* norm_name, std::int64_t count, const Decoder::Layer& layer) {
    if (d_.head_norms) {
      const auto each = reshape(x, {b_.batch(), b_.seq(), count, d_.head_dim});
      x = reshape(norm(each, norm_name), {b_.batch(), b_.seq(), count * d_.head_dim});
    }
    if (d_.joint_norms) x = norm(x, norm_name);
    const Rope& rope = d_.ropes[layer.rope];
    const bool far = !rope.long_frequencies.empty() && b_.longest() > rope.original;
    return rotate(x, {.heads = count,
                      .frequencies = far ? rope.long_frequencies : rope.frequencies,
                      .factor = rope.factor});
  }

  Tensor feed_forward(Tensor x) {
    const auto scope = b_.scope("mlp");
    const auto gate = dense(x, "gate_proj", d_.inner, d_.mlp_bias);
    const auto up = dense(x, "up_proj", d_.inner, d_.mlp_bias);
    return dense(gated(gate, up, d_.activation), "down_proj", d_.width, d_.mlp_bias);
  }

  Tensor dense(Tensor x, const char* name, std::int64_t out, bool bias) {
    return linear(x, name, out, {.bias = bias, .init = normal(d_.range)});
  }
  Tensor input(Tensor x, const char* name) { return d_.input_norms ? norm(x, name) : x; }
  Tensor norm(Tensor x, const char* name) { return rms_norm(x, name, d_.epsilon, d_.norm_offset); }

  Builder& b_;
  const Decoder& d_;
};

}  // namespace

FamilyModel decoder_model(Decoder decoder, std::vector<std::string> notes) {
  const auto d = std::make_shared<const Decoder>(std::move(decoder));
  auto network = [d](Builder& b, Tensor tokens) { return DecoderWriter(b, *d).write(tokens); };
  return {.network = language_model(std::move(network)),
          .vocab_size = d->vocab_size,
          .context = d->context,
          .notes = std::move(notes),
          .decoder = d};
}

std::shared_ptr<const Decoder> decoder_of(nlohmann::json config, const std::string& where) {
  const std::string type = json_string(config, "model_type", where);
  for (const Family& family : families())
    if (type == family.name)
      if (auto decoder = family.make(config, {}, where).decoder) return decoder;
  refuse_key(where, "model_type", "llama or one of its kin", "\"" + type + "\"");
}

}  // namespace hone
