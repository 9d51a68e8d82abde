// A folder of token shards (doc/formats.md): meta.json, tokenizer.json, train-00000.tok, held_out-00000.tok,
// ...
#pragma once
#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "data/frame_cache.hpp"
#include "data/packed_shard.hpp"
#include "data/tokens.hpp"
#include "hone/shards.hpp"
#include "hone/tokenizer.hpp"

namespace hone {

inline constexpr const char* shards_format = "hone token shards";
inline constexpr std::int64_t shards_version = 2;

// A folder that says so itself, whether or not it is whole.
bool is_shard_folder(const std::string& path);

// Whether a file of that name in the folder is one that hone data build wrote, and may replace.
bool belongs_to_shards(const std::string& folder, const std::string& name);

// What stands behind the last token of a document that was cut into windows: no id of the tokenizer's.
inline std::int64_t padding_of(std::int64_t vocab_size) { return vocab_size; }

// An opened folder. Error(input) for headers and an index that were altered; frames are checked when they are
// read. Of version 1, which has no frames, each byte is read once here.
struct ShardFolder {
  Tokenizer tokenizer;
  ShardSummary summary;
  Tokens train, held_out;  // with padding, where documents were cut
  std::vector<std::shared_ptr<const PackedShard>> packed{};
  std::int64_t memory_bytes = 0;  // that reading them holds at most
};
ShardFolder open_shards(const std::string& folder);

// Of the tokens of both parts, one behind the other; see Text::digest().
std::string digest_of(const Tokens& train, const Tokens& held_out, std::int64_t window);

// XXH3 of the tokenizer.json in a folder.
std::uint64_t tokenizer_sum_of(const std::string& folder);

// What meta.json says of a folder, and back.
nlohmann::json meta_of(const ShardSummary& summary);
ShardSummary summary_of(const nlohmann::json& meta, const std::string& where);

}  // namespace hone
