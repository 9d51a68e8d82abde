// Tokenizers by the name that --tokenizer takes.
#pragma once
#include <string>

#include "cli/command.hpp"
#include "hone/tokenizer.hpp"

namespace hone::cli {

// "byte", a tokenizer.json, or a folder or GGUF file with one.
Tokenizer named_tokenizer(const std::string& name);
// --tokenizer of commands that read a model, and the tokenizer: that one, or the model's own.
void add_tokenizer_option(Command& command, std::string& tokenizer);
Tokenizer tokenizer_for(const std::string& model, const std::string& tokenizer);

}  // namespace hone::cli
