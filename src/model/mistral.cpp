// Mistral (Jiang et al., 2023): llama whose layers all have a window, unless the config says null.
#include <nlohmann/json.hpp>

#include "model/config_keys.hpp"
#include "model/decoder.hpp"

namespace hone {

FamilyModel make_mistral(nlohmann::json& config, const ModelOptions& options, const std::string& where) {
  static constexpr std::string_view keys[] = {"sliding_window"};
  std::vector<std::string> notes;
  Decoder d = read_decoder(config, options,
                           {.name = "mistral", .keys = keys, .context = 131072, .kv_heads = 8}, where, notes);
  const bool unlimited = config.contains("sliding_window") && config["sliding_window"].is_null();
  const std::int64_t window = unlimited ? 0 : optional_size_key(config, "sliding_window", 4096, where);
  for (Decoder::Layer& layer : d.layers) layer.window = window;
  return decoder_model(std::move(d), std::move(notes));
}

}  // namespace hone
