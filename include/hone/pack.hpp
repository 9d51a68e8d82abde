// Model folders packed without loss: the weights' files in fewer bytes, every bit of them there.
//
//   const hone::PackReport r = hone::pack("out/book", "out/packed");
//   std::printf("%ld bytes, were %ld\n", long(r.bytes), long(r.bytes_before));
//   const hone::Model model = hone::open("out/packed");        // like any folder
//   hone::unpack("out/packed", "out/again");                   // plain safetensors, for other tools
//
// Exponents of weights repeat, and are coded by Huffman; the rest is kept as it is. bf16 becomes some two
// thirds, f32 five sixths (doc/formats.md). What a file holds stays packed on disk, and is unpacked by all
// threads as it is read; every 256 KiB have a checksum. Any type of tensor is taken, and adapters too.
#pragma once
#include <cstdint>
#include <string>

#include "hone/error.hpp"

namespace hone {

struct PackReport {
  std::int64_t bytes = 0, bytes_before = 0;  // of the weights' files
  std::int64_t tensors = 0, elements = 0;
  double bits_a_weight = 0;  // of `bytes`
};

// Makes the folder `to`, with all files of `from` but for folders in it. Error(usage) where `to` has files,
// Error(input) for a folder without weights, or a damaged one; then there is no folder `to`.
HONE_API PackReport pack(const std::string& from, const std::string& to);
HONE_API PackReport unpack(const std::string& from, const std::string& to);

}  // namespace hone
