// A file's bytes packed without loss, by blocks, so that any part of it is read without the rest: 8 bytes
// "HONEPKD\n", then blocks, each with its length (u32, 1 MiB but for the last), the length that it is packed
// into (u32), and the frames of its planes (file/planes.hpp), four bytes apart, as f32 has them.
//
//   BlockPacker packer;
//   packer.add(bytes, out);     // what is ready to be written goes behind `out`
//   packer.finish(out);
//   PackedFile(file).read(offset, part);
//
// Digests are the caller's: damage is met here where it cannot be unpacked, not everywhere.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "file/mapped.hpp"
#include "file/planes.hpp"

namespace hone {

class BlockPacker {
 public:
  void add(std::span<const std::byte> bytes, std::vector<std::byte>& out);
  void finish(std::vector<std::byte>& out);

 private:
  void begin(std::vector<std::byte>& out);
  void pack_block(std::vector<std::byte>& out);

  PlanePacker packer_{1};  // of level 3 a hundredth smaller, and half as fast
  std::vector<std::byte> block_;
  bool begun_ = false;
};

class PackedFile {
 public:
  static bool is_one(std::span<const std::byte> head);
  explicit PackedFile(
      const OffsetFile& file);  // which outlives it; Error(input) where its blocks do not fill it

  std::uint64_t size() const { return size_; }  // of what is packed
  // Unpacks a block at a time and keeps the last; for one thread.
  void read(std::uint64_t offset, std::span<std::byte> out);

 private:
  struct Block {
    std::uint64_t at;  // of its frames
    std::uint32_t bytes, packed_bytes;
  };
  void unpack(std::size_t block);

  const OffsetFile& file_;
  std::vector<Block> blocks_;
  std::uint64_t size_ = 0;
  PlaneUnpacker unpacker_;
  std::vector<std::byte> packed_, unpacked_;
  std::size_t current_ = static_cast<std::size_t>(-1);
};

}  // namespace hone
