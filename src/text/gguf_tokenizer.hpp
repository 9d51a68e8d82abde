// The tokenizer inside a GGUF file, as the tokenizer.json of Hugging Face's that has the same ids.
#pragma once
#include <string>
#include <vector>

#include "file/gguf.hpp"

namespace hone {

// tokenizer.ggml.model "gpt2" (byte-level BPE, words cut as tokenizer.ggml.pre says by name) or "llama"
// (SentencePiece's BPE with bytes behind it, whose merges follow from the scores). Error(input) for others,
// for a file without a vocabulary or without merges, and for arrays of different lengths.
std::string tokenizer_json_of(const GgufFile& file);

// What is worth saying of it: that the file does not say how words are cut.
std::vector<std::string> tokenizer_notes_of(const GgufFile& file);

}  // namespace hone
