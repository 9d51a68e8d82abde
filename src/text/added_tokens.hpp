// Tokens that a text names as they stand (`<|endoftext|>`), cut out before the rest is split into words.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hone {

struct AddedToken {
  std::string content;  // not empty
  std::int32_t id;
  bool special;
  bool normalized = false;              // looked for only where none that is not was found
  bool lstrip = false, rstrip = false;  // takes the white space before it, or behind it, along
};

class AddedTokens {
 public:
  AddedTokens() = default;
  explicit AddedTokens(std::vector<AddedToken> tokens);

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
  bool any(bool normalized) const { return !finders_[normalized ? 1 : 0].by_length.empty(); }

 private:
  struct Finder {
    std::vector<std::size_t> by_length;   // indices, longest first
    std::array<bool, 256> first_bytes{};  // that some token begins with
  };
  std::vector<AddedToken> tokens_;
  std::array<Finder, 2> finders_;  // those that are not normalized, and those that are
};

// Hands on a text in order: what stands between added tokens to `plain` (never empty), each of them to
// `token`. Two passes, as Hugging Face's tokenizers make them: tokens that are not normalized first, then the
// others in what is left.
template <class Plain, class Token>
void for_each_piece(const AddedTokens& added, std::string_view text, const Plain& plain, const Token& token,
                    bool normalized = false) {
  const auto between = [&](std::string_view piece) {
    if (piece.empty()) return;
    if (!normalized && added.any(true))
      for_each_piece(added, piece, plain, token, true);
    else
      plain(piece);
  };
  std::size_t at = 0, taken = 0;
  while (const auto match = added.find(text, at, taken, normalized)) {
    between(text.substr(taken, match->begin - taken));
    token(*match->token);
    at = match->next;
    taken = match->end;
  }
  between(text.substr(taken));
}

}  // namespace hone
