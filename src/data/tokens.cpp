#include "data/tokens.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

namespace hone {
namespace {

template <class Token>
void unpack(const std::byte* from, std::int64_t count, std::int32_t* out) {
  for (std::int64_t i = 0; i < count; ++i) {
    Token token;
    std::memcpy(&token, from + i * std::int64_t{sizeof token}, sizeof token);
    out[i] = static_cast<std::int32_t>(token);
  }
}

template <class Token>
void pack(std::span<const std::int32_t> ids, std::byte* to) {
  for (const std::int32_t id : ids) {
    const auto token = static_cast<Token>(id);
    std::memcpy(to, &token, sizeof token);
    to += sizeof token;
  }
}

}  // namespace

void unpack_tokens(const std::byte* from, std::int64_t count, int token_bytes, std::int32_t* out) {
  switch (token_bytes) {
    case 1:
      return unpack<std::uint8_t>(from, count, out);
    case 2:
      return unpack<std::uint16_t>(from, count, out);
    default:
      return unpack<std::int32_t>(from, count, out);
  }
}

void pack_tokens(std::span<const std::int32_t> ids, int token_bytes, std::vector<std::byte>& out) {
  const std::size_t at = out.size();
  out.resize(at + ids.size() * static_cast<std::size_t>(token_bytes));
  std::byte* to = out.data() + at;
  switch (token_bytes) {
    case 1:
      return pack<std::uint8_t>(ids, to);
    case 2:
      return pack<std::uint16_t>(ids, to);
    default:
      return pack<std::int32_t>(ids, to);
  }
}

std::int64_t Tokens::memory_bytes() const {
  std::size_t bytes = 0;
  for (const Segment& s : segments_) bytes += s.held.size();  // what lies behind in a block was never touched
  return static_cast<std::int64_t>(bytes);
}

void Tokens::append(std::span<const std::int32_t> ids) {
  constexpr std::size_t block_bytes = std::size_t{8} << 20;
  while (!ids.empty()) {
    if (segments_.empty() || segments_.back().held.size() == block_bytes) {
      segments_.push_back({.elsewhere = {}, .first = size_, .count = 0});
      segments_.back().held.reserve(block_bytes);
    }
    Segment& block = segments_.back();
    assert(!block.elsewhere);
    const auto room = (block_bytes - block.held.size()) / static_cast<std::size_t>(token_bytes_);
    const auto now = ids.first(std::min(ids.size(), room));
    pack_tokens(now, token_bytes_, block.held);
    block.count += std::ssize(now);
    size_ += std::ssize(now);
    ids = ids.subspan(now.size());
  }
}

void Tokens::append(Read read, std::int64_t count) {
  if (count == 0) return;
  segments_.push_back({.elsewhere = std::move(read), .first = size_, .count = count});
  size_ += count;
}

void Tokens::read(std::int64_t first, std::int64_t count, std::int32_t* out) const {
  assert(first >= 0 && count >= 0 && first + count <= size_);
  auto segment = std::upper_bound(segments_.begin(), segments_.end(), first,
                                  [](std::int64_t at, const Segment& s) { return at < s.first; });
  if (segment != segments_.begin()) --segment;
  for (; count > 0; ++segment) {
    const std::int64_t skip = first - segment->first, n = std::min(count, segment->count - skip);
    if (segment->elsewhere)
      segment->elsewhere(skip, n, out);
    else
      unpack_tokens(segment->held.data() + skip * token_bytes_, n, token_bytes_, out);
    out += n;
    first += n;
    count -= n;
  }
}

}  // namespace hone
