#include "text/added_tokens.hpp"

#include <algorithm>
#include <utility>

#include "base/utf8.hpp"
#include "text/regex.hpp"
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

bool is_word(std::string_view text, std::size_t at) {
  const CodePoint c = code_point_at(text, at);
  return c.bytes > 0 && rust_word_set().contains(c.value);
}

bool word_ends_at(std::string_view text, std::size_t at) {
  if (at == 0) return false;
  std::size_t begin = at - 1;
  while (begin > 0 && continues_character(text[begin])) --begin;
  return is_word(text, begin);
}

bool word_begins_at(std::string_view text, std::size_t at) { return at < text.size() && is_word(text, at); }

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens, const std::function<void(std::string&)>& normalize)
    : tokens_(std::move(tokens)) {
  for (const bool special : {true, false})
    for (AddedToken& token : tokens_) {
      if (token.special != special) continue;
      token.text = token.content;
      if (token.normalized && normalize) normalize(token.text);
      if (token.text.empty()) continue;
      Finder& finder = finders_[token.normalized ? 1 : 0];
      if (!finder.ids.add(token.text, token.id)) continue;
      auto& lengths = finder.lengths[static_cast<unsigned char>(token.text[0])];
      if (std::find(lengths.begin(), lengths.end(), token.text.size()) == lengths.end())
        lengths.push_back(token.text.size());
    }
  for (Finder& finder : finders_)
    for (auto& lengths : finder.lengths) std::sort(lengths.rbegin(), lengths.rend());
  std::stable_sort(tokens_.begin(), tokens_.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
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
  if (finder.ids.size() == 0) return std::nullopt;
  for (std::size_t begin = at; begin < text.size();) {
    const auto [token, end] = longest_at(finder, text, begin);
    if (!token) {
      ++begin;
      continue;
    }
    if (token->single_word && (word_ends_at(text, begin) || word_begins_at(text, end))) {
      begin = end;
      continue;
    }
    const std::size_t left = token->lstrip ? before_spaces(text, begin) : begin;
    const std::size_t right = token->rstrip ? behind_spaces(text, end) : end;
    return Match{token, std::max(left, taken), std::max(right, taken), end};
  }
  return std::nullopt;
}

std::pair<const AddedToken*, std::size_t> AddedTokens::longest_at(const Finder& finder, std::string_view text,
                                                                  std::size_t begin) const {
  for (const std::size_t length : finder.lengths[static_cast<unsigned char>(text[begin])]) {
    if (length > text.size() - begin) continue;
    const std::int32_t id = finder.ids.find(text.substr(begin, length));
    if (id < 0) continue;
    const auto it =
        std::lower_bound(tokens_.begin(), tokens_.end(), id,
                         [](const AddedToken& token, std::int32_t value) { return token.id < value; });
    return {&*it, begin + length};
  }
  return {nullptr, begin};
}

}  // namespace hone
