#include "text/added_tokens.hpp"

#include <algorithm>
#include <utility>

#include "base/utf8.hpp"
#include "text/unicode.hpp"

namespace hone {
namespace {

// Bytes of the white space character at text[at]; 0 for none.
std::size_t space_bytes(std::string_view text, std::size_t at) {
  const CodePoint c = code_point_at(text, at);
  const bool space = c.bytes > 0 && UnicodeTable::get().character_class(c.value) == CharacterClass::space;
  return space ? c.bytes : 0;
}

std::size_t before_spaces(std::string_view text, std::size_t at) {
  while (at > 0) {
    std::size_t begin = at - 1;
    while (begin > 0 && continues_character(text[begin])) --begin;
    if (space_bytes(text, begin) != at - begin) break;
    at = begin;
  }
  return at;
}

std::size_t behind_spaces(std::string_view text, std::size_t at) {
  while (at < text.size()) {
    const std::size_t bytes = space_bytes(text, at);
    if (bytes == 0) break;
    at += bytes;
  }
  return at;
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::sort(tokens_.begin(), tokens_.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    Finder& finder = finders_[tokens_[i].normalized ? 1 : 0];
    finder.by_length.push_back(i);
    finder.first_bytes[static_cast<unsigned char>(tokens_[i].content[0])] = true;
  }
  for (Finder& finder : finders_)
    std::stable_sort(finder.by_length.begin(), finder.by_length.end(), [&](std::size_t a, std::size_t b) {
      return tokens_[a].content.size() > tokens_[b].content.size();
    });
}

bool AddedTokens::reach_across(std::string_view text, std::size_t at) const {
  return std::any_of(tokens_.begin(), tokens_.end(), [&](const AddedToken& token) {
    const std::size_t bytes = token.content.size();
    for (std::size_t begin = at - std::min(at, bytes); begin < at; ++begin)
      if (text.substr(begin).starts_with(token.content))
        if (begin + bytes > at || (token.rstrip && space_bytes(text, at) > 0)) return true;
    return false;
  });
}

std::optional<AddedTokens::Match> AddedTokens::find(std::string_view text, std::size_t at, std::size_t taken,
                                                    bool normalized) const {
  const Finder& finder = finders_[normalized ? 1 : 0];
  if (finder.by_length.empty()) return std::nullopt;
  for (std::size_t begin = at; begin < text.size(); ++begin) {
    if (!finder.first_bytes[static_cast<unsigned char>(text[begin])]) continue;
    for (const std::size_t i : finder.by_length) {
      const AddedToken& token = tokens_[i];
      if (!text.substr(begin).starts_with(token.content)) continue;
      const std::size_t end = begin + token.content.size();
      const std::size_t left = token.lstrip ? before_spaces(text, begin) : begin;
      const std::size_t right = token.rstrip ? behind_spaces(text, end) : end;
      return Match{&token, std::max(left, taken), std::max(right, taken), end};
    }
  }
  return std::nullopt;
}

}  // namespace hone
