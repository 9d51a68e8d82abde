// What goes with a model beside weights and config: its tokenizer, template of chats, habits of generation.
// convert, merge, compressions and training runs all take it along by these and hone::copy_tokenizer().
#pragma once
#include <cstdint>
#include <string>

namespace hone {

// All but the tokenizer: for a model that got another one. Files that are there already stay.
void copy_chat_files(const std::string& from, const std::string& to);

// What copying takes at most of memory: of a GGUF file its metadata, mapped, and an index of them.
std::int64_t companions_bytes(const std::string& from);

// Error(input), before anything is written, for a tokenizer that copy_tokenizer() could not write.
void require_readable_tokenizer(const std::string& from);

// Has the folder a tokenizer.json to which ids are other tokens than to the model's own, or one that is not
// read? It would stay beside the model.
bool has_other_ids(const std::string& folder, const std::string& model);

}  // namespace hone
