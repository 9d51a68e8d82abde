// Chats out of files: messages with whatever keys they have, in their order.
#pragma once
#include <cstddef>
#include <string>

#include "hone/chat.hpp"
#include "text/template_value.hpp"

namespace hone {

// As ChatTemplate::render_json; `bytes`: of the messages as JSON, for the bound on time.
RenderedChat render(const ChatTemplate& chat, const jinja::Value& messages, std::size_t bytes,
                    const ChatOptions& options);

// What a model's folder has beside weights and tokenizer.json that a chat needs: its template, special tokens
// and habits of generation. Files that are there already stay, and so does what is none.
void copy_chat_files(const std::string& from, const std::string& to);

}  // namespace hone
