// The text of an answer while its tokens come: in whole characters, and up to a stop string.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hone/tokenizer.hpp"

namespace hone {

class AnswerText {
 public:
  AnswerText(const std::optional<Tokenizer>& tokenizer, std::vector<std::string> stops)
      : stops_(std::move(stops)) {
    if (tokenizer) decoder_.emplace(*tokenizer);
  }

  // What this token (none: one that says nothing) makes sure of; with the `last` one all that is left. What
  // may be the beginning of a stop string waits.
  std::string add(std::optional<std::int32_t> token, bool last);
  bool stopped() const { return stopped_; }  // a stop string came

 private:
  std::string decoded(std::optional<std::int32_t> token, bool last);
  std::size_t sure() const;  // bytes of held_ that begin no stop string

  std::optional<TextDecoder> decoder_;
  std::vector<std::string> stops_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace hone
