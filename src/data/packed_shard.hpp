// One file of token shards (doc/formats.md): frames of so many tokens, each a Zstandard frame of its own, and
// an index of where they lie. Neither tokens nor index are held: a token costs two reads of the file and one
// frame.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "file/atomic.hpp"
#include "file/mapped.hpp"
#include "file/zstd.hpp"

namespace hone {

struct PackedShardHeader {
  std::int64_t tokens = 0, documents = 0;  // documents: that end in this shard
  std::int64_t frame_tokens = 0;           // of each frame but the last
  std::int64_t window_tokens = 0;   // 0, or the tokens of each of the windows that the shard is made of
  int token_bytes = 0;              // 1, 2 or 4
  std::uint64_t tokenizer_sum = 0;  // XXH3 of its tokenizer.json
  std::uint64_t sum = 0;            // of header, index and, through it, of every frame
};

// Where a frame lies, as the index has it.
struct FrameEntry {
  std::uint64_t offset, sum;       // of its first byte; XXH3 of its bytes
  std::uint64_t documents_before;  // that end in the frames before it
};

// Room for one frame, to be used again.
struct FrameRoom {
  ZstdDecompressor decompressor;
  std::vector<std::byte> packed, content;
};

class PackedShard {
 public:
  // Checks the header and, reading it once in pieces, the index; Error(input) for one that was altered or
  // cut. `ids`: those below it may occur.
  PackedShard(const std::string& path, std::int64_t ids);

  const PackedShardHeader& header() const { return header_; }
  const std::string& path() const { return file_.path(); }
  std::int64_t file_bytes() const { return static_cast<std::int64_t>(file_.size()); }
  std::int64_t frames() const { return frames_; }
  // A frame's tokens, token_bytes each, in room.content; they stay there until the next call. Error(input)
  // where the frame fails its checksum.
  std::span<const std::byte> read_frame(std::int64_t frame, FrameRoom& room) const;

 private:
  std::int64_t tokens_of(std::int64_t frame) const;
  std::array<FrameEntry, 2> entries(std::int64_t frame) const;
  FrameEntry end() const;  // what would follow the last one
  void check_header();
  void check_index() const;

  OffsetFile file_;
  std::int64_t ids_, frames_ = 0;
  std::uint64_t index_offset_ = 0, index_sum_ = 0;
  PackedShardHeader header_;
};

// Writes one. Tokens are taken as they come; the file appears at finish().
class PackedShardWriter {
 public:
  PackedShardWriter(const std::string& path, PackedShardHeader wanted);  // its tokens and documents count up

  void append(std::span<const std::int32_t> ids);
  void end_document();  // behind what was appended last
  std::int64_t tokens() const { return header_.tokens; }
  std::int64_t file_bytes() const { return static_cast<std::int64_t>(file_.size()); }  // so far
  std::uint64_t finish();                                                              // the header's sum

 private:
  void end_frame();

  AtomicFile file_;
  PackedShardHeader header_;
  ZstdCompressor compressor_;
  std::vector<std::byte> content_, packed_;
  std::vector<std::uint32_t>
      ends_;  // of the frame's documents: tokens since the one before, or its beginning
  std::int64_t in_frame_ = 0, since_end_ = 0;
  std::vector<FrameEntry> index_;
};

}  // namespace hone
