// The token ids of many pairs, in memory.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/tokens.hpp"

namespace hone {

// One pair as ids, without what frames it.
struct PairIds {
  std::vector<std::int32_t> source, target;
};

class HeldPairs {
 public:
  explicit HeldPairs(std::int64_t vocab_size) : ids_(token_bytes_for(vocab_size)) {}

  void append(const PairIds& pair, std::int64_t line);

  std::int64_t size() const { return static_cast<std::int64_t>(places_.size()); }
  std::int64_t line(std::int64_t i) const { return place(i).line; }  // of the file, from 1
  std::int64_t source_tokens(std::int64_t i) const { return place(i).target - place(i).source; }
  std::int64_t target_tokens(std::int64_t i) const { return end(i) - place(i).target; }
  PairIds read(std::int64_t i) const;

  std::int64_t memory_bytes() const;
  std::string digest() const;  // of all ids and where each half ends

 private:
  struct Place {
    std::int64_t source, target;  // where each half begins among the ids
    std::int64_t line;
  };
  const Place& place(std::int64_t i) const { return places_[static_cast<std::size_t>(i)]; }
  std::int64_t end(std::int64_t i) const { return i + 1 < size() ? place(i + 1).source : ids_.size(); }

  Tokens ids_;
  std::vector<Place> places_;
};

}  // namespace hone
