// What llama.cpp's architectures are among hone's families, and by which names either has its weights.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace hone {

struct GgufFamily {
  const char* architecture;  // GGUF's general.architecture, and the prefix of its keys
  const char* model_type;    // config.json's
  const char* class_name;    // of Transformers
  // Queries and keys have each head's rows in pairs of neighbours; Hugging Face has them as two halves.
  bool interleaved = false;
  float norm_offset = 0;      // what the file's weights of norms have more than Hugging Face's
  bool branch_norms = false;  // of gemma3: norms behind each branch too, so that two names mean others
  // What llama.cpp computes whatever the file says, and which biases it may have (src/models in llama.cpp).
  const char* activation = "silu";  // of the feed-forward's gate, by Transformers' name
  bool head_biases = false, output_bias = false, mlp_bias = false;
};

std::span<const GgufFamily> gguf_families();
const GgufFamily* gguf_family_of_architecture(std::string_view architecture);  // null: not known
const GgufFamily* gguf_family_of_model_type(std::string_view model_type);

// "model.layers.3.self_attn.q_proj.weight" -> "blk.3.attn_q.weight"; none for a name that has no other.
std::optional<std::string> gguf_name(const GgufFamily& family, std::string_view name);
// And back.
std::optional<std::string> name_of_gguf(const GgufFamily& family, std::string_view gguf);

// Is it a weight, or a bias, whose rows are permuted in files of an interleaved family: queries or keys?
enum class Permuted : std::uint8_t { no, queries, keys };
Permuted permuted(const GgufFamily& family, std::string_view gguf);
bool is_norm(std::string_view gguf);

// How many norm weights, ... row `row` of Hugging Face's, of heads so wide, is which row of the file's.
constexpr std::int64_t interleaved_row(std::int64_t row, std::int64_t head_dim) {
  const std::int64_t head = row / head_dim, i = row % head_dim, half = head_dim / 2;
  return head * head_dim + (i % half) * 2 + i / half;
}

}  // namespace hone
