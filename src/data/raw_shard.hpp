// A file of token shards of version 1: a header of 64 bytes, then the tokens as they are (doc/formats.md).
// hone reads them still, and writes packed ones.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

namespace hone {

struct RawShardHeader {
  std::int64_t tokens = 0;
  int token_bytes = 0;  // 2 or 4
};

constexpr std::size_t raw_shard_header_bytes = 64;

// Checks one shard wholly: header, length, checksum, every id below vocab_size. `where` opens every message;
// `done` hears of each piece of the file that is not needed any more.
RawShardHeader check_raw_shard(std::span<const std::byte> file, std::int64_t vocab_size,
                               const std::string& where,
                               const std::function<void(std::size_t first, std::size_t count)>& done = {});

}  // namespace hone
