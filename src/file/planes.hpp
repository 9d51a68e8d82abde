// Numbers packed without loss: the first bytes of all elements, then the second ones, and so on, each such
// plane a Zstandard frame. Exponents of weights and moments repeat, mantissas hardly do: mixed, the one hides
// the other.
//
//   PlanePacker packer;
//   const std::vector<std::byte> packed = packer.pack(std::as_bytes(values), sizeof(float));
//   PlaneUnpacker().unpack(packed, sizeof(float), std::as_writable_bytes(back), "state.hone, wte");
//
// The packed bytes are frames and nothing else, which other tools read too; lengths and checksums are the
// caller's.
#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "file/zstd.hpp"

namespace hone {

class PlanePacker {
 public:
  explicit PlanePacker(int level = 3) : compressor_(level) {}
  // bytes: whole elements of element_bytes. Beside the result it takes a plane's worth of memory.
  std::vector<std::byte> pack(std::span<const std::byte> bytes, std::size_t element_bytes);

 private:
  ZstdCompressor compressor_;
  std::vector<std::byte> plane_;
};

class PlaneUnpacker {
 public:
  // Fills `out` to the byte, as many as were packed; Error(input), which `where` opens, for a packing of
  // others.
  void unpack(std::span<const std::byte> packed, std::size_t element_bytes, std::span<std::byte> out,
              const std::string& where);

 private:
  ZstdDecompressor decompressor_;
  std::vector<std::byte> planes_;
};

}  // namespace hone
