// A long row of token ids, held in memory or read from elsewhere when asked for.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace hone {

// Bytes that an id below so many takes, in memory and in shards.
inline int token_bytes_for(std::int64_t ids) { return ids <= 256 ? 1 : ids <= 65536 ? 2 : 4; }

// What a tokenizer takes: of each token its bytes, its rank in tables, and its part of tokenizer.json, which
// is kept: 15 MiB for 49,152, 4.4 for 15,000.
constexpr std::int64_t vocabulary_bytes(std::int64_t tokens) {
  return 340 * (tokens > 256 ? tokens - 256 : 0);
}

class Tokens {
 public:
  using Read = std::function<void(std::int64_t first, std::int64_t count, std::int32_t* out)>;

  explicit Tokens(int token_bytes) : token_bytes_(token_bytes) {}

  std::int64_t size() const { return size_; }
  std::int64_t memory_bytes() const;  // of those that are held here
  // Held here, in blocks of 8 MiB: one that grew as a whole would be there twice while it is copied.
  void append(std::span<const std::int32_t> ids);
  // `count` tokens that lie elsewhere, numbered from 0.
  void append(Read read, std::int64_t count);
  void read(std::int64_t first, std::int64_t count, std::int32_t* out) const;  // within [0, size())

 private:
  struct Segment {
    Read elsewhere;  // none: in `held`
    std::int64_t first, count;
    std::vector<std::byte> held{};
  };

  int token_bytes_;
  std::int64_t size_ = 0;
  std::vector<Segment> segments_;
};

// Ids to little-endian tokens of 1, 2 or 4 bytes, appended; and back.
void pack_tokens(std::span<const std::int32_t> ids, int token_bytes, std::vector<std::byte>& out);
void unpack_tokens(const std::byte* from, std::int64_t count, int token_bytes, std::int32_t* out);

}  // namespace hone
