// Qwen2 and Qwen2.5 (Yang et al., 2024): llama with biases of queries, keys and values.
#include "model/config_keys.hpp"
#include "model/decoder.hpp"

namespace hone {

void set_qwen_windows(Decoder& d, const nlohmann::json& config, const std::string& where) {
  const bool slides = flag_key(config, "use_sliding_window", false, where);
  const std::int64_t window = slides ? optional_size_key(config, "sliding_window", 4096, where) : 0;
  const std::int64_t first = optional_count_key(config, "max_window_layers", 28, where);
  set_windows(d, config, window, where, [&](std::int64_t layer) { return window > 0 && layer >= first; });
}

FamilyModel make_qwen2(nlohmann::json& config, const ModelOptions& options, const std::string& where) {
  std::vector<std::string> notes;
  const auto keys = std::span(qwen_keys).subspan(1);  // without attention_bias, which it always has
  Decoder d = read_decoder(config, options, {.name = "qwen2", .keys = keys, .context = 32768}, where, notes);
  d.qkv_bias = true;
  set_qwen_windows(d, config, where);
  return decoder_model(std::move(d), std::move(notes));
}

}  // namespace hone
