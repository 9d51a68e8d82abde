// Tokens that a text names as they stand (`<|endoftext|>`), cut out before the rest is split into words.
#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/vocabulary.hpp"

namespace hone {

struct AddedToken {
  std::string content;  // not empty
  std::int32_t id;
  bool special;
  bool normalized = false;              // looked for only where none that is not was found
  bool lstrip = false, rstrip = false;  // takes the white space before it, or behind it, along
  bool single_word = false;             // not where a letter or digit stands before or behind it
  std::string text{};                   // AddedTokens: what is looked for, and what its id becomes in a text
};

class AddedTokens {
 public:
  AddedTokens() = default;
  // `normalize` rewrites the text that the normalized ones are looked for in, and so their names.
  explicit AddedTokens(std::vector<AddedToken> tokens,
                       const std::function<void(std::string&)>& normalize = {});

  const std::vector<AddedToken>& all() const { return tokens_; }  // by id
  // Whether one that begins before text[at] reaches behind it, with the white space that it takes along: the
  // text must not be cut there.
  bool reach_across(std::string_view text, std::size_t at) const;

  struct Match {
    const AddedToken* token;
    std::size_t begin, end;  // with the white space that it takes along
    std::size_t next;        // where to look for the one behind it
  };
  // The first from text[at] on, the leftmost, and of those that begin there the longest; what stands before
  // `taken` is another's.
  std::optional<Match> find(std::string_view text, std::size_t at, std::size_t taken, bool normalized) const;
  bool any(bool normalized) const { return finders_[normalized ? 1 : 0].ids.size() > 0; }

 private:
  struct Finder {
    Vocabulary ids;  // by name; of two alike the first special one counts, or else the first
    std::array<std::vector<std::size_t>, 256> lengths;  // of names by their first byte, longest first
  };
  // The longest of them that begins there, and its end.
  std::pair<const AddedToken*, std::size_t> longest_at(const Finder& finder, std::string_view text,
                                                       std::size_t begin) const;

  std::vector<AddedToken> tokens_;
  std::array<Finder, 2> finders_;  // those that are not normalized, and those that are
};

// Hands on a text in order: what stands between the added tokens of one kind to `plain` (never empty), with
// its place, each of them to `token`.
template <class Plain, class Token>
void for_each_piece(const AddedTokens& added, std::string_view text, bool normalized, const Plain& plain,
                    const Token& token) {
  std::size_t at = 0, taken = 0;
  while (const auto match = added.find(text, at, taken, normalized)) {
    if (match->begin > taken) plain(text.substr(taken, match->begin - taken), taken);
    token(*match->token);
    at = match->next;
    taken = match->end;
  }
  if (taken < text.size()) plain(text.substr(taken), taken);
}

// The same for both kinds in one text that no normalizer changes: Hugging Face's tokenizers look for those
// that are not normalized first, then for the others in what is left.
template <class Plain, class Token>
void for_each_plain_piece(const AddedTokens& added, std::string_view text, const Plain& plain,
                          const Token& token) {
  for_each_piece(
      added, text, false,
      [&](std::string_view outer, std::size_t begin) {
        for_each_piece(
            added, outer, true,
            [&](std::string_view inner, std::size_t offset) { plain(inner, begin + offset); }, token);
      },
      token);
}

}  // namespace hone
