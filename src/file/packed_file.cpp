#include "file/packed_file.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "hone/error.hpp"

namespace hone {
namespace {

constexpr std::string_view magic = "HONEPKD\n";
constexpr std::size_t block_bytes = std::size_t{1} << 20, header_bytes = 8;

std::size_t element_bytes(std::size_t bytes) { return bytes % 4 == 0 ? 4 : 1; }

void put_number(std::size_t number, std::byte* to) {
  for (int i = 0; i < 4; ++i) to[i] = static_cast<std::byte>(number >> (8 * i));
}

std::uint32_t number_at(const std::byte* from) {
  std::uint32_t number = 0;
  for (int i = 4; i-- > 0;) number = (number << 8) | static_cast<std::uint32_t>(from[i]);
  return number;
}

}  // namespace

void BlockPacker::begin(std::vector<std::byte>& out) {
  if (begun_) return;
  begun_ = true;
  const auto bytes = std::as_bytes(std::span(magic));
  out.insert(out.end(), bytes.begin(), bytes.end());
}

void BlockPacker::add(std::span<const std::byte> bytes, std::vector<std::byte>& out) {
  begin(out);
  block_.reserve(block_bytes);
  while (!bytes.empty()) {
    const auto part = bytes.first(std::min(bytes.size(), block_bytes - block_.size()));
    block_.insert(block_.end(), part.begin(), part.end());
    bytes = bytes.subspan(part.size());
    if (block_.size() == block_bytes) pack_block(out);
  }
}

void BlockPacker::finish(std::vector<std::byte>& out) {
  begin(out);
  if (!block_.empty()) pack_block(out);
}

void BlockPacker::pack_block(std::vector<std::byte>& out) {
  const auto packed = packer_.pack(block_, element_bytes(block_.size()));
  std::byte header[header_bytes];
  put_number(block_.size(), header);
  put_number(packed.size(), header + 4);
  out.insert(out.end(), header, header + header_bytes);
  out.insert(out.end(), packed.begin(), packed.end());
  block_.clear();
}

bool PackedFile::is_one(std::span<const std::byte> head) {
  return head.size() >= magic.size() && std::memcmp(head.data(), magic.data(), magic.size()) == 0;
}

PackedFile::PackedFile(const OffsetFile& file) : file_(file) {
  std::byte header[header_bytes];
  for (std::uint64_t at = magic.size(); at < file.size();) {
    const bool last_was_short = !blocks_.empty() && blocks_.back().bytes != block_bytes;
    bool good = !last_was_short && file.size() - at >= header_bytes;
    if (good) {
      file.read(at, header);
      at += header_bytes;
      blocks_.push_back({at, number_at(header), number_at(header + 4)});
      good = blocks_.back().bytes <= block_bytes && blocks_.back().packed_bytes <= file.size() - at;
    }
    if (!good)
      throw Error(ErrorKind::input, {.what = "the packed file is damaged or cut short",
                                     .where = file.path() + ", byte " + std::to_string(at)});
    at += blocks_.back().packed_bytes;
    size_ += blocks_.back().bytes;
  }
}

void PackedFile::unpack(std::size_t block) {
  if (block == current_) return;
  const Block& b = blocks_[block];
  packed_.resize(b.packed_bytes);
  file_.read(b.at, packed_);
  unpacked_.resize(b.bytes);
  current_ = static_cast<std::size_t>(-1);  // should that throw
  unpacker_.unpack(packed_, element_bytes(b.bytes), unpacked_, file_.path());
  current_ = block;
}

void PackedFile::read(std::uint64_t offset, std::span<std::byte> out) {
  while (!out.empty()) {
    unpack(offset / block_bytes);
    const auto from = std::span(unpacked_).subspan(offset % block_bytes);
    const std::size_t count = std::min(out.size(), from.size());
    std::copy_n(from.begin(), count, out.begin());
    offset += count;
    out = out.subspan(count);
  }
}

}  // namespace hone
