#include "data/raw_shard.hpp"

#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "data/shard_error.hpp"
#include "hone/error.hpp"

namespace hone {
namespace {

constexpr char magic[8] = {'H', 'O', 'N', 'E', 'T', 'O', 'K', '\n'};
constexpr std::uint32_t version = 1;
constexpr std::size_t check_bytes = 8 << 20;  // read, summed and given back at a time

// The header as it lies in the file, little-endian. `header_sum` covers what stands before it.
struct RawHeader {
  char magic[8];
  std::uint32_t version, token_bytes;
  std::uint64_t tokens, content_sum;
  std::uint64_t reserved[3];
  std::uint64_t header_sum;
};
static_assert(sizeof(RawHeader) == raw_shard_header_bytes);

std::uint64_t sum_of_header(const RawHeader& header) {
  return XXH3_64bits(&header, offsetof(RawHeader, header_sum));
}

struct SumState {
  XXH3_state_t* state = XXH3_createState();
  SumState() { XXH3_64bits_reset(state); }
  ~SumState() { XXH3_freeState(state); }
  SumState(const SumState&) = delete;
  SumState& operator=(const SumState&) = delete;
};

template <class Token>
std::uint32_t largest(std::span<const std::byte> bytes) {
  std::uint32_t most = 0;
  for (std::size_t i = 0; i + sizeof(Token) <= bytes.size(); i += sizeof(Token)) {
    Token token;
    std::memcpy(&token, bytes.data() + i, sizeof(Token));
    most = std::max<std::uint32_t>(most, token);
  }
  return most;
}

RawHeader read_header(std::span<const std::byte> file, const std::string& where) {
  RawHeader header{};
  if (file.size() < sizeof header)
    refuse_shards(where, "the shard ends inside its header", "64 bytes or more", std::to_string(file.size()));
  std::memcpy(&header, file.data(), sizeof header);
  if (std::memcmp(header.magic, magic, sizeof magic) != 0) refuse_shards(where, "not a token shard");
  if (header.version != version)
    refuse_shards(where, "a token shard of another version", std::to_string(version),
                  std::to_string(header.version));
  if (header.header_sum != sum_of_header(header))
    refuse_shards(where, "the shard was altered: its header fails its checksum");
  if (header.token_bytes != 2 && header.token_bytes != 4)
    refuse_shards(where, "the width of a token is wrong", "2 or 4 bytes", std::to_string(header.token_bytes));
  const std::uint64_t content = file.size() - sizeof header;
  if (content % header.token_bytes != 0 || header.tokens != content / header.token_bytes)
    refuse_shards(where, "the shard was cut short or added to", std::to_string(header.tokens) + " tokens",
                  std::to_string(content) + " bytes");
  return header;
}

}  // namespace

RawShardHeader check_raw_shard(std::span<const std::byte> file, std::int64_t vocab_size,
                               const std::string& where,
                               const std::function<void(std::size_t, std::size_t)>& done) {
  const RawHeader header = read_header(file, where);
  SumState sum;
  std::uint32_t most = 0;
  for (auto left = file.subspan(sizeof header); !left.empty();) {
    const auto piece = left.first(std::min(left.size(), check_bytes));
    XXH3_64bits_update(sum.state, piece.data(), piece.size());
    most = std::max(most,
                    header.token_bytes == 2 ? largest<std::uint16_t>(piece) : largest<std::uint32_t>(piece));
    if (done) done(file.size() - left.size(), piece.size());
    left = left.subspan(piece.size());
  }
  if (XXH3_64bits_digest(sum.state) != header.content_sum)
    refuse_shards(where, "the shard was altered: its tokens fail their checksum");
  if (header.tokens > 0 && most >= static_cast<std::uint64_t>(vocab_size))
    refuse_shards(where, "the shard has a token outside the vocabulary",
                  "below " + std::to_string(vocab_size), std::to_string(most));
  return {static_cast<std::int64_t>(header.tokens), static_cast<int>(header.token_bytes)};
}

}  // namespace hone
