// Zstandard frames (RFC 8878), in memory. What the frames of a buffer hold is known beforehand to the byte,
// so no length out of a file decides how much memory is taken.
//
//   ZstdCompressor compressor(3);
//   std::vector<std::byte> packed;
//   compressor.append(bytes, packed);
//   std::vector<std::byte> back(bytes.size());
//   ZstdDecompressor().read(packed, back, "model.safetensors, wte");
#pragma once
#include <zstd.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace hone {

// Keeps its tables from frame to frame: some MB at level 9, made once.
class ZstdCompressor {
 public:
  explicit ZstdCompressor(int level);  // 1 (fast) to 19 (small)
  // One frame behind what `out` holds; its length stands in its header.
  void append(std::span<const std::byte> bytes, std::vector<std::byte>& out);

 private:
  std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context_;
};

class ZstdDecompressor {
 public:
  ZstdDecompressor();
  // Frames, one behind the other, that fill `out` to the byte; Error(input), which `where` opens, for others.
  void read(std::span<const std::byte> frames, std::span<std::byte> out, const std::string& where);

 private:
  std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context_;
};

}  // namespace hone
