// Files of examples, line by line: what a model reads, and which of it is learned.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hone/chat.hpp"

namespace hone {

struct ExampleText {
  std::string text{};
  std::vector<std::pair<std::size_t, std::size_t>> learned{};  // bytes [first, second) of it
  bool framed = false;                                         // a template wrote what begins and ends it
  bool one_turn = false;  // of a chat of which each turn of the assistant is an example
  std::int64_t line = 0;
};

enum class Learned { answers, all };  // of chats: what the assistant writes, or the whole text

// Error(input) with file and line.
void read_examples(const std::string& path, const std::optional<ChatTemplate>& chat, Learned which,
                   const std::function<void(const ExampleText&)>& visit);

}  // namespace hone
