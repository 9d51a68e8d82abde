// The text of an answer while its tokens come: in whole characters, and up to a stop string.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hone/tokenizer.hpp"

namespace hone {

// How many bytes of the text's start are whole characters: what is left may become one with the bytes to
// come.
std::size_t whole_characters(std::string_view text);

class AnswerText {
 public:
  AnswerText(std::optional<Tokenizer> tokenizer, std::vector<std::string> stops)
      : tokenizer_(std::move(tokenizer)), stops_(std::move(stops)) {}

  // What this token (none: one that says nothing) makes sure of; with the `last` one all that is left. What
  // may be the beginning of a stop string waits.
  std::string add(std::optional<std::int32_t> token, bool last);
  bool stopped() const { return stopped_; }  // a stop string came

 private:
  std::string decoded(std::optional<std::int32_t> token, bool last);
  std::size_t sure() const;  // bytes of held_ that begin no stop string

  std::optional<Tokenizer> tokenizer_;
  std::vector<std::string> stops_;
  std::string pending_;  // bytes of an unfinished character
  std::string held_;
  bool stopped_ = false;
};

}  // namespace hone
