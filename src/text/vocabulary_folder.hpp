// Folders from before tokenizer.json: vocab.json with merges.txt, or vocab.txt.
#pragma once
#include <optional>
#include <string>

namespace hone {

// Does a model have a tokenizer of its own: in its folder, or in its GGUF file? By the files' names alone.
bool has_tokenizer(const std::string& model);

// The tokenizer.json that says the same, as Transformers makes it of such a folder: of GPT-2's, RoBERTa's and
// Qwen 2's byte-level BPE (tokenizer_config.json names the class; GPT-2 where it does not), and of BERT's
// WordPiece. None where the folder has neither. Error(input) for files that are cut short or disagree, and
// for another class.
std::optional<std::string> tokenizer_json_of_folder(const std::string& folder);

}  // namespace hone
