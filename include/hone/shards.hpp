// Token shards: a text tokenised once, packed into a folder that Text opens at once and reads windows from.
//
//   const auto tokenizer = hone::Tokenizer::open("tokenizer");
//   const auto made = hone::write_token_shards("texts", tokenizer, "shards", {.window = 256});
//   std::printf("%ld tokens in %ld bytes\n", long(made.tokens()), long(made.file_bytes));
//   const hone::Text packed("shards");
//
// Frames of some thousand tokens are Zstandard frames of their own, found by an index and checked by their
// sums when they are read (doc/formats.md): a set of any size takes as little memory as a small one. Real
// text takes about 0.6 of two bytes a token, bytes of a byte tokenizer 0.2.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "hone/text.hpp"
#include "hone/tokenizer.hpp"

namespace hone {

struct ShardOptions {
  // 0: documents stand one behind the other, and windows of any length cross from one to the next. Else each
  // is cut into windows of so many predictions; its last one is filled up with what is no token and counts
  // for nothing. A run over such a set has this --seq and no other.
  std::int64_t window = 0;
  std::int64_t shard_tokens = std::int64_t{1} << 26;  // a file; 256 or more, or a frame's
  // A window drawn anywhere unpacks a frame: 19 us for these (Zen 4), 11 for 4096, which take 4 % more bytes.
  std::int64_t frame_tokens = 8192;
  bool any_bytes = true;  // to a byte tokenizer, a file that is binary or not UTF-8 is a text too
};

struct ShardFile {
  std::string name{};
  std::uint64_t sum = 0;  // of header, index and frames; 0 in version 1, which has none for all
};

struct ShardPart {
  std::int64_t tokens = 0;      // that stand in the text, or end a document
  std::int64_t documents = 0;   // of which it has tokens; one that is divided counts in both parts
  std::int64_t text_bytes = 0;  // that the tokens encode
  std::int64_t windows = 0;     // where documents were cut
  std::vector<ShardFile> shards{};
};

struct ShardSummary {
  ShardPart train{}, held_out{};
  std::int64_t documents = 0;
  std::int64_t window = 0;           // as ShardOptions has it
  std::int64_t vocab_size = 0;       // of the tokenizer beside the shards
  std::int64_t file_bytes = 0;       // of the shards
  std::string digest{};              // as Text::digest() has it
  std::vector<std::string> notes{};  // files left out

  std::int64_t tokens() const { return train.tokens + held_out.tokens; }
  std::int64_t shards() const { return std::ssize(train.shards) + std::ssize(held_out.shards); }
  // Bytes against those of plain tokens: 16 bits each for vocabularies up to 65536, else 32.
  HONE_API double ratio() const;
};

// Tokenises texts once. Constant memory. The folder appears whole or not at all. Error(input) for what is at
// fault in a text or where there is none, Error(usage) for options, Error(failed) for a folder that can't be
// written.
HONE_API ShardSummary write_token_shards(const TextSource& texts, const Tokenizer& tokenizer,
                                         const std::string& out_folder, const ShardOptions& options = {});

// What a folder of shards holds, by its own account. `verify` reads every frame: Error(input), with the shard
// and the frame, for the first that fails its checksum, and where what it says of itself isn't so.
HONE_API ShardSummary inspect_token_shards(const std::string& folder, bool verify = false);

}  // namespace hone
