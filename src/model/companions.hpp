// What goes with a model beside weights and config: its tokenizer, template of chats, habits of generation.
// convert, merge, compressions and training runs all take it along by these and hone::copy_tokenizer().
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace hone {

// All but the tokenizer: for a model that got another one. Files that are there already stay.
void copy_chat_files(const std::string& from, const std::string& to);

// What copying takes at most of memory: of a GGUF file its metadata, mapped, and an index of them.
std::int64_t companions_bytes(const std::string& from);

// Error(input), before anything is written, for a tokenizer that copy_tokenizer() could not write.
void require_readable_tokenizer(const std::string& from);

// What is worth saying of a tokenizer that is copied, a line each.
std::vector<std::string> tokenizer_notes(const std::string& from);

}  // namespace hone
