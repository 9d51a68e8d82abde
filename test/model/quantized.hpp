// Models whose matrices and tables are in a type of blocks, each rounded to nearest.
#pragma once
#include <string>

#include "ir/values.hpp"
#include "kernel/quantize.hpp"
#include "model/model_impl.hpp"
#include "temporary_folder.hpp"

namespace hone {

inline Model quantized(const Model& model, DType dtype) {
  std::map<std::string, StoredWeight> weights;
  for (const ParameterSpec& spec : model.impl().specs) {
    if (spec.shape.rank() < 2 || spec.shape.last() % block_elements(dtype) != 0) continue;
    std::vector<float> values(static_cast<std::size_t>(spec.shape.elements()));
    model.impl().store.read(spec, std::as_writable_bytes(std::span(values)));
    const TensorType type{spec.shape, dtype};
    std::vector<std::byte> blocks(static_cast<std::size_t>(type.bytes()));
    kernel::quantize(element_of(dtype), values, blocks);
    weights[spec.name] = made_weight(type, std::move(blocks));
  }
  return with_weights(model, model.impl().store.with_stored(std::move(weights)));
}

// Two layers, rows of 128 and 256: whole groups of every type of hone's own.
inline Model small_llama() {
  const TemporaryFolder folder;
  return from_config(folder.write("config.json", R"({"model_type": "llama", "vocab_size": 96,
    "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "initializer_range": 0.05,
    "rope_theta": 10000.0, "tie_word_embeddings": false})"),
                     {.seed = 3});
}

// One whose files have [in,out].
inline Model small_gpt2() {
  const TemporaryFolder folder;
  return from_config(folder.write("config.json", R"({"model_type": "gpt2", "n_layer": 2, "n_head": 4,
    "n_embd": 128, "vocab_size": 96, "n_positions": 64})"),
                     {.seed = 3});
}

}  // namespace hone
