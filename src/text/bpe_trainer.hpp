// Learns a byte-level BPE from a text that comes in pieces.
#pragma once
#include <cstdint>
#include <string_view>

#include "text/tokenizer_impl.hpp"
#include "text/word_counts.hpp"

namespace hone {

class BpeTrainer {
 public:
  explicit BpeTrainer(const BpeOptions& options);  // Error(usage) for what cannot be

  void add(std::string_view piece);                // the next of the text, of whole characters
  Tokenizer finish();                              // the text ends here
  std::int64_t tokens() const { return tokens_; }  // that the text takes

 private:
  BpeOptions options_;
  WordCounts counts_;
  std::int64_t tokens_ = 0;
};

}  // namespace hone
