// BPE: the merges of one word, and the table that writes bytes as printable characters.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/flat_map.hpp"

namespace hone {

// GPT-2 writes a byte in a vocabulary as a printable character: itself where it is one ('!' to '~', U+A1 to
// U+AC, U+AE to U+FF), else U+0100 and up in order of bytes. A space is U+0120.
std::uint32_t byte_character(unsigned char byte);
std::string to_byte_characters(std::string_view bytes);
// The other way; false if some character stands for no byte.
bool from_byte_characters(std::string_view text, std::string& bytes);

struct BpeMerge {
  std::int32_t left, right, result;
};

class Bpe {
 public:
  Bpe() = default;
  // Merges in order of rank, of ids; of two for the same pair the later counts, as elsewhere. byte_ids: of
  // byte-level BPE, -1 for a byte that the vocabulary lacks.
  Bpe(const std::array<std::int32_t, 256>& byte_ids, std::vector<BpeMerge> merges);
  explicit Bpe(std::vector<BpeMerge> merges) : Bpe({}, std::move(merges)) {}

  const std::vector<BpeMerge>& merges() const { return merges_; }
  std::int32_t byte_id(unsigned char byte) const { return byte_ids_[byte]; }

  struct Scratch {  // of one encode call
    struct Candidate {
      std::int32_t rank, position;
    };
    std::vector<std::int32_t> ids, next, previous;
    std::vector<Candidate> heap;
    std::size_t most_candidates = 0;

    std::size_t bytes() const;  // that were in use at most
  };
  // Merges scratch.ids, the symbols of one word, in place. Time n log n in their number, for words can be as
  // long as the text.
  void merge(Scratch& scratch) const;

 private:
  std::int32_t rank_of(std::int32_t left, std::int32_t right) const { return ranks_.find(left, right); }
  void merge_few(Scratch& scratch) const;
  void merge_many(Scratch& scratch) const;

  std::array<std::int32_t, 256> byte_ids_{};
  std::vector<BpeMerge> merges_;
  FlatMap ranks_;
};

}  // namespace hone
