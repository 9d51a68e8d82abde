// A model from one format of files to another: a Hugging Face folder, or a GGUF file as llama.cpp reads it.
//
//   const hone::ConvertReport done = hone::convert("SmolLM2-135M", "smollm2.gguf", {.type = "q8_0"});
//   hone::convert("smollm2.gguf", "folder", {.type = "bf16"});
//   for (const std::string& note : done.notes) std::puts(note.c_str());
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "hone/error.hpp"

namespace hone {

struct ConvertOptions {
  // Of matrices and tables: f32, f16 or bf16, and in a GGUF file q8_0, q4_0, q4_1, q4_k or q6_k. Empty: f32
  // for a folder; for a GGUF file f16, but of a model that is quantized the types that its weights have.
  // Norms and biases are f32 in a GGUF file.
  std::string type{};
  // In a GGUF file: of the table, and of the head, by the same names. Empty: as the others, but where these
  // have four bits the head, or the table that is the head too, is q6_k (q8_0 where rows are no multiple of
  // 256), as in llama.cpp. Of a table that is the head either says it, the first before the second.
  std::string token_embedding_type{}, output_tensor_type{};
};

struct ConvertReport {
  std::int64_t tensors = 0, bytes = 0;  // of the weights that were written
  std::vector<std::string> notes{};     // what became another type than was asked for, and why
};

// `to` is a GGUF file where its name ends so, else a folder. The tokenizer goes with the model. Families:
// those that both sides have, llama, qwen2, qwen3 and gemma3_text. K-quants (q4_k, q6_k) need rows of 256:
// where a row is no multiple of that a tensor becomes q5_0 and q8_0, as llama.cpp has it, and a note says so.
// A folder with a LoRA adapter becomes a GGUF adapter, as llama.cpp's --lora takes it, in f32.
// Error(usage) for an unknown type, Error(input) for a model that the other side cannot say.
HONE_API ConvertReport convert(const std::string& from, const std::string& to,
                               const ConvertOptions& options = {});

// What goes with a model's weights: tokenizer, template of chats, settings of generation. `from` is a folder
// or a GGUF file, `to` a folder; files that are there already stay. What is worth saying of the tokenizer
// that was written, a line each: a GGUF file may not say how texts are cut into words.
HONE_API std::vector<std::string> copy_tokenizer(const std::string& from, const std::string& to);

}  // namespace hone
