#include "text/word_counts.hpp"

#include <algorithm>
#include <utility>

#include "text/split.hpp"
#include "text/tokenizer_impl.hpp"

namespace hone {

WordCounts::WordCounts(AddedTokens added, std::size_t piece_bytes)
    : added_(std::move(added)), piece_bytes_(piece_bytes) {
  for (const AddedToken& token : added_.all())
    longest_added_ = std::max(longest_added_, token.content.size());
}

// Looks for a cut in the last piece only: of a word that is longer, the pieces before were looked through.
void WordCounts::add(std::string_view piece) {
  waiting_ += piece;
  if (waiting_.size() < 2 * piece_bytes_) return;
  const std::size_t cut = cut_between_words(added_, waiting_, waiting_.size() - piece_bytes_);
  if (cut + std::max<std::size_t>(1, longest_added_) > waiting_.size()) return;
  count(std::string_view(waiting_).substr(0, cut));
  waiting_.erase(0, cut);
}

void WordCounts::finish() {
  count(waiting_);
  waiting_ = {};
}

void WordCounts::count(std::string_view text) {
  const auto words_of = [&](std::string_view part, std::size_t) {
    WordCursor cursor(part);
    for (std::string_view word; cursor.next(word);)
      if (const auto it = counts_.find(word); it != counts_.end())
        ++it->second;
      else
        counts_.emplace(word, 1);
  };
  for_each_plain_piece(added_, text, words_of, [&](const AddedToken&) { ++added_tokens_; });
}

}  // namespace hone
