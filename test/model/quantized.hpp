// Models whose matrices and tables are in a type of blocks, each rounded to nearest.
#pragma once
#include <string>
#include <vector>

#include "ir/values.hpp"
#include "kernel/quantized_rows.hpp"
#include "model/model_impl.hpp"
#include "temporary_folder.hpp"

namespace hone {

inline Model quantized(const Model& model, DType dtype) {
  std::map<std::string, StoredWeight> weights;
  for (const ParameterSpec& spec : model.impl().specs) {
    if (spec.shape.rank() < 2) continue;
    std::vector<float> values(static_cast<std::size_t>(spec.shape.elements()));
    model.impl().store.read(spec, std::as_writable_bytes(std::span(values)));
    const TensorType type{spec.shape, dtype};
    weights[spec.name] =
        made_weight(type, kernel::quantized_rows(element_of(dtype), values, spec.shape.last()));
  }
  return with_weights(model, model.impl().store.with_stored(std::move(weights)));
}

// Two layers.
inline Model llama_of(int hidden, int intermediate, int heads, int vocabulary) {
  const TemporaryFolder folder;
  const std::string width = std::to_string(hidden), inside = std::to_string(intermediate);
  return from_config(
      folder.write("config.json",
                   R"({"model_type": "llama", "vocab_size": )" + std::to_string(vocabulary) +
                       R"(, "hidden_size": )" + width + R"(, "intermediate_size": )" + inside +
                       R"(, "num_hidden_layers": 2, "num_attention_heads": )" + std::to_string(heads) +
                       R"(, "num_key_value_heads": 2, "max_position_embeddings": 64, "rms_norm_eps": 1e-5,
    "initializer_range": 0.05, "rope_theta": 10000.0, "tie_word_embeddings": false})"),
      {.seed = 3});
}
// Rows of 128 and 256: whole groups of every type of hone's own.
inline Model small_llama() { return llama_of(128, 256, 4, 96); }
// Rows of 100 and 180: of none.
inline Model odd_llama(int vocabulary = 96) { return llama_of(100, 180, 2, vocabulary); }

// One whose files have [in,out].
inline Model gpt2_of(int width) {
  const TemporaryFolder folder;
  return from_config(folder.write("config.json", R"({"model_type": "gpt2", "n_layer": 2, "n_head": 4,
    "n_embd": )" + std::to_string(width) + R"(, "vocab_size": 96, "n_positions": 64})"),
                     {.seed = 3});
}
inline Model small_gpt2() { return gpt2_of(128); }
inline Model odd_gpt2() { return gpt2_of(36); }

inline std::vector<Model> small_models() { return {small_llama(), odd_llama(), small_gpt2(), odd_gpt2()}; }

}  // namespace hone
