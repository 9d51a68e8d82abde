// A long row of token ids, held in memory or mapped from shards, 2 or 4 bytes each.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace hone {

// Bytes that an id of such a vocabulary takes.
inline int token_bytes_for(std::int64_t vocab_size) { return vocab_size <= 65536 ? 2 : 4; }

class Tokens {
 public:
  explicit Tokens(int token_bytes) : token_bytes_(token_bytes) {}

  std::int64_t size() const { return size_; }
  void append(std::span<const std::int32_t> ids);      // held here
  void map(const std::byte* ids, std::int64_t count);  // held by somebody who outlives this
  void read(std::int64_t first, std::int64_t count, std::int32_t* out) const;  // within [0, size())

 private:
  struct Segment {
    const std::byte* data;  // null: held_
    std::int64_t first, count;
  };

  int token_bytes_;
  std::int64_t size_ = 0;
  std::vector<std::byte> held_;
  std::vector<Segment> segments_;
};

// Ids to little-endian tokens of 2 or 4 bytes, appended.
void pack_tokens(std::span<const std::int32_t> ids, int token_bytes, std::vector<std::byte>& out);

}  // namespace hone
