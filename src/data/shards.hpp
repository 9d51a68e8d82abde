// A folder of token shards (doc/formats.md): meta.json, tokenizer.json, train-00000.tok, held_out-00000.tok,
// ...
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "data/tokens.hpp"
#include "file/mapped.hpp"
#include "hone/tokenizer.hpp"

namespace hone {

struct ShardHeader {
  std::int64_t tokens = 0;
  int token_bytes = 0;
};

constexpr std::size_t shard_header_bytes = 64;

// Checks one shard wholly: header, length, checksum, every id below vocab_size. `where` opens every message;
// `done` hears of each piece of the file that is not needed any more.
ShardHeader check_shard(std::span<const std::byte> file, std::int64_t vocab_size, const std::string& where,
                        const std::function<void(std::size_t first, std::size_t count)>& done = {});

bool is_shard_folder(const std::string& path);

// An opened folder; its tokens hold the files. Each byte is read once here, for its checksum,
// and its page given back; an altered shard is Error(input).
struct ShardFolder {
  Tokenizer tokenizer;
  Tokens train, held_out;
  std::int64_t train_bytes = 0, held_out_bytes = 0;
};
ShardFolder open_shards(const std::string& folder);

}  // namespace hone
