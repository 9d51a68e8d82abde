#include "model/torch_transformer_config.hpp"

#include <nlohmann/json.hpp>

#include "file/json.hpp"
#include "hone/error.hpp"
#include "model/config_keys.hpp"

namespace hone {
namespace {

using Positions = TorchTransformerConfig::Positions;

// The arguments of torch.nn.Transformer, then what that module leaves to the model around it, by the names
// that Transformers' encoder-decoders have for it.
constexpr std::string_view known[] = {
    "d_model", "nhead", "num_encoder_layers", "num_decoder_layers", "dim_feedforward", "dropout",
    "activation", "norm_first", "layer_norm_eps", "bias", "batch_first",
    // around it
    "vocab_size", "source_vocab_size", "target_vocab_size", "positions", "max_position_embeddings",
    "scale_embedding", "tie_word_embeddings", "label_smoothing", "is_encoder_decoder"};

Positions read_positions(const nlohmann::json& config, const std::string& where) {
  if (!config.contains("positions")) return Positions::none;
  const std::string kind = json_string(config, "positions", where);
  if (kind == "none") return Positions::none;
  if (kind == "sinusoidal") return Positions::sinusoidal;
  if (kind == "learned") return Positions::learned;
  refuse_key(where, "positions", "none, sinusoidal or learned", "\"" + kind + "\"");
}

void check(const TorchTransformerConfig& c, const nlohmann::json& config, const std::string& where) {
  const auto text = [](std::int64_t n) { return std::to_string(n); };
  if (c.d_model % c.nhead != 0)
    refuse_key(where, "nhead", "a divisor of d_model = " + text(c.d_model), text(c.nhead));
  if (c.d_model / c.nhead > 256)
    refuse_key(where, "nhead", "heads at most 256 wide", text(c.d_model / c.nhead) + " wide");
  for (const char* key : {"num_encoder_layers", "num_decoder_layers"})
    if (positive_key(config, key, where) > 1000)
      refuse_key(where, key, "at most 1000", config.at(key).dump());
  if (c.d_model > 1 << 20 || c.dim_feedforward > 1 << 22)
    refuse_key(where, "d_model", "at most 2^20, and dim_feedforward at most 2^22", text(c.d_model));
  if (c.positions == Positions::sinusoidal && c.d_model % 2 != 0)
    refuse_key(where, "d_model", "an even width for sinusoidal positions", text(c.d_model));
  if (c.positions == Positions::learned && c.context == 0)
    refuse_key(where, "max_position_embeddings", "how many positions are learned", "nothing");
  if (!flag_key(config, "bias", true, where))
    refuse_key(where, "bias", "true: the family's layers have biases", "false");
}

}  // namespace

TorchTransformerConfig read_torch_transformer_config(const nlohmann::json& config, const std::string& where,
                                                     std::vector<std::string>& notes) {
  note_unknown_keys("torch_transformer", config, known, where, notes);
  TorchTransformerConfig c{};
  c.d_model = positive_key(config, "d_model", where);
  c.nhead = positive_key(config, "nhead", where);
  c.encoder_layers = positive_key(config, "num_encoder_layers", where);
  c.decoder_layers = positive_key(config, "num_decoder_layers", where);
  c.dim_feedforward = optional_size_key(config, "dim_feedforward", 2048, where);
  const bool both = config.contains("source_vocab_size") && config.contains("target_vocab_size");
  const std::int64_t vocab_size = both ? 0 : positive_key(config, "vocab_size", where);
  c.source_vocab_size = optional_size_key(config, "source_vocab_size", vocab_size, where);
  c.target_vocab_size = optional_size_key(config, "target_vocab_size", vocab_size, where);
  c.context = optional_size_key(config, "max_position_embeddings", 0, where);
  c.dropout = fraction_key(config, "dropout", 0.1, 1, where);
  c.epsilon = fraction_key(config, "layer_norm_eps", 1e-5, 1, where);
  c.label_smoothing = fraction_key(config, "label_smoothing", 0, 1, where);
  c.activation = config.contains("activation") ? json_string(config, "activation", where) : "relu";
  c.positions = read_positions(config, where);
  c.norm_first = flag_key(config, "norm_first", false, where);
  c.scale_embedding = flag_key(config, "scale_embedding", false, where);
  c.tied = flag_key(config, "tie_word_embeddings", false, where);
  check(c, config, where);
  return c;
}

}  // namespace hone
