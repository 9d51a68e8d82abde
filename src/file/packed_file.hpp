// A file's bytes packed without loss, by blocks, so that any part of it is read without the rest, and a large
// part by several threads: 8 bytes "HONEPK2\n", then blocks, each with its length (u32, at most 256 KiB), the
// length that it is packed into (u32), the XXH3-64 of its bytes (u64), what its elements are (u8, 7 bytes of
// zero), and their planes (file/planes.hpp).
//
//   BlockPacker packer;
//   packer.add(bytes, Elements::half, out);     // what is ready to be written goes behind `out`
//   packer.finish(out);
//   PackedFile(file).read(offset, part);
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
  // Bytes of other elements begin a block. A part of an element is kept until the rest comes.
  void add(std::span<const std::byte> bytes, Elements elements, std::vector<std::byte>& out);
  void finish(std::vector<std::byte>& out);

 private:
  void begin(std::vector<std::byte>& out);
  void pack_block(std::vector<std::byte>& out);

  std::vector<std::byte> block_;
  Elements elements_ = Elements::bytes;
  bool begun_ = false;
};

class PackedFile {
 public:
  static bool is_one(std::span<const std::byte> head);
  // `file` outlives it. Error(input) where its blocks do not fill it.
  explicit PackedFile(const OffsetFile& file);

  std::uint64_t size() const { return size_; }  // of what is packed
  // By several threads at once, if need be. Error(input) for a block whose bytes are not those of its sum.
  void read(std::uint64_t offset, std::span<std::byte> out) const;

 private:
  struct Block {
    std::uint64_t first;  // of the unpacked bytes
    std::uint64_t at;     // of its planes, in the file
    std::uint64_t sum;
    std::uint32_t bytes, packed_bytes;
    Elements elements;
  };
  struct Room;  // of a thread that unpacks
  void unpack(const Block& block, std::span<std::byte> out, Room& room) const;
  // What of a block lies in [offset, offset + out.size()).
  void read_block(const Block& block, std::uint64_t offset, std::span<std::byte> out, Room& room) const;

  const OffsetFile& file_;
  std::vector<Block> blocks_;
  std::uint64_t size_ = 0;
};

}  // namespace hone
