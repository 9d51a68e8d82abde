// SentencePiece's compiled table of replacements ("precompiled_charsmap"): a double-array trie of what is
// replaced, and the texts that come for it.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/json_place.hpp"

namespace hone {

class CharacterMap {
 public:
  explicit CharacterMap(const JsonPlace& base64);  // Error(input) for what is no such table

  // A grapheme of less than six bytes is looked up as a whole, and of what it begins with the shortest entry
  // counts; else character by character. So it is in tokenizers 0.23.
  std::string apply(std::string_view text) const;

 private:
  const char* find(std::string_view text) const;  // the replacement, null for none

  std::vector<std::uint32_t> units_;
  std::string texts_;  // each ends with a NUL
};

}  // namespace hone
