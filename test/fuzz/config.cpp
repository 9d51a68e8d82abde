// config.json of every family: what is read, without the networks that follow from it.
#include <cmath>

#include "file/json.hpp"
#include "fuzz/entries.hpp"
#include "model/decoder.hpp"
#include "model/families.hpp"
#include "model/gpt2_config.hpp"
#include "model/torch_transformer_config.hpp"

namespace hone {

// Stand-ins for what writes programs.
FamilyModel decoder_model(Decoder decoder, std::vector<std::string> notes) {
  fuzz::require(decoder.heads % decoder.kv_heads == 0 && decoder.head_dim % 2 == 0 &&
                !decoder.layers.empty());
  for (const Decoder::Layer& layer : decoder.layers) {
    const Rope& rope = decoder.ropes.at(layer.rope);
    fuzz::require(std::ssize(rope.frequencies) == decoder.head_dim / 2 && rope.factor > 0);
    for (const float f : rope.frequencies) fuzz::require(std::isfinite(f) && f >= 0);
  }
  return {{}, decoder.vocab_size, decoder.context, std::move(notes), {}, {}};
}
Objective next_token(CrossEntropyOptions) { return {}; }

namespace {
void config(fuzz::Bytes file) {
  nlohmann::json json;
  if (!fuzz::passes([&] { json = parse_json(fuzz::text_of(file), "fuzz"); }) || !json.is_object()) return;
  for (const auto make : {make_llama, make_qwen2, make_qwen3, make_gemma3_text, make_mistral, make_olmo2})
    fuzz::passes([&] {
      nlohmann::json own = json;
      make(own, {}, "fuzz");
    });
  std::vector<std::string> notes;
  fuzz::passes([&] { read_torch_transformer_config(json, "fuzz", notes); });
  fuzz::passes([&] { read_gpt2_config(json, "fuzz", notes); });
}
}  // namespace
}  // namespace hone

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  hone::config(std::as_bytes(std::span(data, size)));
  return 0;
}
