// Chats out of files: messages with whatever keys they have, in their order.
#pragma once
#include <cstddef>
#include <string>

#include "hone/chat.hpp"
#include "text/template_value.hpp"

namespace hone {

// As ChatTemplate::render_json, but that a template which takes text gets content in parts as the parts'
// texts, where Transformers' would fail, print the list or drop it. `bytes`: of the messages as JSON, for the
// bound on time.
RenderedChat render(const ChatTemplate& chat, const jinja::Value& messages, std::size_t bytes,
                    const ChatOptions& options);

}  // namespace hone
