// The words that byte-level BPE merges within: GPT-2's pattern, run by PCRE2 (compiled to machine code where
// the machine allows). Words cover the text without gaps; merges never cross a border between two.
#pragma once
#include <cstddef>
#include <memory>
#include <string_view>

namespace hone {

class WordSplitter {
 public:
  static const WordSplitter& gpt2();

 private:
  friend class WordCursor;
  struct Pattern;
  explicit WordSplitter(const char* pattern);
  std::shared_ptr<const Pattern> pattern_;
};

// Walks the words of one text. A byte that is not UTF-8 is a word of its own.
class WordCursor {
 public:
  WordCursor(const WordSplitter& splitter, std::string_view text);
  ~WordCursor();
  WordCursor(const WordCursor&) = delete;
  WordCursor& operator=(const WordCursor&) = delete;

  bool next(std::string_view& word);  // false at the end

 private:
  struct Match;
  std::shared_ptr<const WordSplitter::Pattern> pattern_;
  std::unique_ptr<Match> match_;
  std::string_view text_;
  std::size_t run_begin_ = 0, run_end_ = 0, at_ = 0;  // [run_begin_, run_end_) is valid UTF-8
};

}  // namespace hone
