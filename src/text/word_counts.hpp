// How often each word of a text occurs, in memory that grows with its distinct words only.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "text/added_tokens.hpp"

namespace hone {

class WordCounts {
 public:
  static constexpr std::size_t usual_piece_bytes = std::size_t{1} << 20;

  explicit WordCounts(AddedTokens added, std::size_t piece_bytes = usual_piece_bytes);

  // The next piece of the text, of whole characters and some piece_bytes at most.
  void add(std::string_view piece);
  // Counts what is left: the text ends here.
  void finish();

  const AddedTokens& added() const { return added_; }
  std::int64_t added_tokens() const { return added_tokens_; }  // how many the text holds
  // Hands on word after word, in any order, and forgets it: visit(word, how often).
  template <class Visit>
  void take_each(const Visit& visit) {
    while (!counts_.empty()) {
      const auto node = counts_.extract(counts_.begin());
      visit(std::string_view(node.key()), node.mapped());
    }
  }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view word) const { return std::hash<std::string_view>()(word); }
  };
  void count(std::string_view text);

  AddedTokens added_;
  std::size_t piece_bytes_, longest_added_ = 0;
  std::string waiting_;  // may go on in a word of the next piece
  std::int64_t added_tokens_ = 0;
  std::unordered_map<std::string, std::int64_t, Hash, std::equal_to<>> counts_;
};

}  // namespace hone
