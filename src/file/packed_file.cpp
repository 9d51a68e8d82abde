#include "file/packed_file.hpp"

#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "base/thread_pool.hpp"
#include "hone/error.hpp"
#include "machine/memory.hpp"

namespace hone {
namespace {

constexpr std::string_view magic = "HONEPK2\n";
constexpr std::size_t block_bytes = std::size_t{1} << 18, header_bytes = 24;
// Threads take some memory each, and eight unpack faster than files are read.
constexpr std::size_t most_threads = 8, blocks_a_thread = 4;

struct Header {
  std::uint32_t bytes, packed_bytes;
  std::uint64_t sum;
  std::uint8_t elements, zero[7];
};
static_assert(sizeof(Header) == header_bytes);

}  // namespace

void BlockPacker::begin(std::vector<std::byte>& out) {
  if (begun_) return;
  begun_ = true;
  const auto bytes = std::as_bytes(std::span(magic));
  out.insert(out.end(), bytes.begin(), bytes.end());
}

void BlockPacker::add(std::span<const std::byte> bytes, Elements elements, std::vector<std::byte>& out) {
  begin(out);
  block_.reserve(block_bytes);
  if (elements != elements_ && !block_.empty()) pack_block(out);
  elements_ = elements;
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
  const std::size_t at = out.size();
  out.resize(at + header_bytes);
  pack_planes(block_, elements_, out);
  const Header header{.bytes = static_cast<std::uint32_t>(block_.size()),
                      .packed_bytes = static_cast<std::uint32_t>(out.size() - at - header_bytes),
                      .sum = XXH3_64bits(block_.data(), block_.size()),
                      .elements = static_cast<std::uint8_t>(elements_),
                      .zero = {}};
  std::memcpy(out.data() + at, &header, sizeof header);
  block_.clear();
}

bool PackedFile::is_one(std::span<const std::byte> head) {
  return head.size() >= magic.size() && std::memcmp(head.data(), magic.data(), magic.size()) == 0;
}

PackedFile::PackedFile(const OffsetFile& file) : file_(file) {
  for (std::uint64_t at = magic.size(); at < file.size();) {
    Header header{};
    bool good = file.size() - at >= header_bytes;
    if (good) {
      file.read(at, std::as_writable_bytes(std::span(&header, 1)));
      good = header.bytes > 0 && header.bytes <= block_bytes && is_elements(header.elements) &&
             header.packed_bytes <= file.size() - at - header_bytes;
    }
    if (!good)
      throw Error(ErrorKind::input, {.what = "the packed file is damaged or cut short",
                                     .where = file.path() + ", byte " + std::to_string(at)});
    at += header_bytes;
    blocks_.push_back(
        {size_, at, header.sum, header.bytes, header.packed_bytes, static_cast<Elements>(header.elements)});
    at += header.packed_bytes;
    size_ += header.bytes;
  }
}

struct PackedFile::Room {
  std::vector<std::byte> packed, planes, block;
};

void PackedFile::unpack(const Block& b, std::span<std::byte> out, Room& room) const {
  room.packed.resize(b.packed_bytes);
  file_.read(b.at, room.packed);
  if (unpack_planes(room.packed, b.elements, out, room.planes) &&
      XXH3_64bits(out.data(), out.size()) == b.sum)
    return;
  throw Error(ErrorKind::input,
              {.what = "the packed file is damaged: a block's bytes are not those of its sum",
               .where = file_.path() + ", byte " + std::to_string(b.at)});
}

void PackedFile::read_block(const Block& b, std::uint64_t offset, std::span<std::byte> out,
                            Room& room) const {
  const std::uint64_t from = std::max(offset, b.first), to = std::min(offset + out.size(), b.first + b.bytes);
  const auto part = out.subspan(from - offset, to - from);
  if (part.size() == b.bytes) return unpack(b, part, room);
  room.block.resize(b.bytes);
  unpack(b, room.block, room);
  std::ranges::copy(std::span(room.block).subspan(from - b.first, part.size()), part.begin());
}

void PackedFile::read(std::uint64_t offset, std::span<std::byte> out) const {
  if (out.empty()) return;
  const auto behind = [](std::uint64_t at, const Block& b) { return at < b.first; };
  const auto first = std::upper_bound(blocks_.begin(), blocks_.end(), offset, behind) - 1;
  const auto last = std::upper_bound(first, blocks_.end(), offset + out.size() - 1, behind);
  const auto count = static_cast<std::size_t>(last - first);
  const auto threads = std::clamp<std::size_t>(count / blocks_a_thread, 1,
                                               std::min(most_threads, static_cast<std::size_t>(cpu_count())));
  std::vector<Room> rooms(threads);
  const auto one = [&](std::int64_t block, int worker) {
    read_block(first[block], offset, out, rooms[static_cast<std::size_t>(worker)]);
  };
  ThreadPool(static_cast<int>(threads)).run(static_cast<std::int64_t>(count), one);
}

}  // namespace hone
