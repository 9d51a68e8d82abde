// A long row of token ids, held in memory or read from shards.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "file/mapped.hpp"

namespace hone {

// Bytes that an id of such a vocabulary takes: in a shard, and in memory.
inline int token_bytes_for(std::int64_t vocab_size) { return vocab_size <= 65536 ? 2 : 4; }
inline int held_token_bytes_for(std::int64_t vocab_size) {
  return vocab_size <= 256 ? 1 : token_bytes_for(vocab_size);
}

class Tokens {
 public:
  explicit Tokens(int token_bytes) : token_bytes_(token_bytes) {}

  std::int64_t size() const { return size_; }
  std::int64_t memory_bytes() const;
  // Held here, in blocks of 8 MiB: one that grew as a whole would be there twice while it is copied.
  void append(std::span<const std::int32_t> ids);
  // `count` tokens from byte `offset` of a file, read when asked for. Mapped pages kept memory in proportion
  // to the folder even when given back after each window (15 % of 600 MB), and took 10 us a window; pread
  // takes 1.
  void append(std::shared_ptr<const OffsetFile> file, std::size_t offset, std::int64_t count);
  void read(std::int64_t first, std::int64_t count, std::int32_t* out) const;  // within [0, size())

 private:
  struct Segment {
    std::shared_ptr<const OffsetFile> file;  // null: in `held`
    std::size_t offset;
    std::int64_t first, count;
    std::vector<std::byte> held{};
  };

  int token_bytes_;
  std::int64_t size_ = 0;
  std::vector<Segment> segments_;
};

// Ids to little-endian tokens of 1, 2 or 4 bytes, appended.
void pack_tokens(std::span<const std::int32_t> ids, int token_bytes, std::vector<std::byte>& out);

}  // namespace hone
