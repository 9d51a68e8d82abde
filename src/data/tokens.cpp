#include "data/tokens.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace hone {

void pack_tokens(std::span<const std::int32_t> ids, int token_bytes, std::vector<std::byte>& out) {
  const std::size_t at = out.size();
  out.resize(at + ids.size() * static_cast<std::size_t>(token_bytes));
  std::byte* to = out.data() + at;
  if (token_bytes == 4) {
    if (!ids.empty()) std::memcpy(to, ids.data(), ids.size_bytes());
    return;
  }
  for (const std::int32_t id : ids) {
    const auto narrow = static_cast<std::uint16_t>(id);
    std::memcpy(to, &narrow, 2);
    to += 2;
  }
}

void Tokens::append(std::span<const std::int32_t> ids) {
  assert(segments_.empty() || segments_[0].data == nullptr);
  pack_tokens(ids, token_bytes_, held_);
  size_ += static_cast<std::int64_t>(ids.size());
  segments_.assign(1, {nullptr, 0, size_});
}

void Tokens::map(const std::byte* ids, std::int64_t count) {
  assert(held_.empty());
  segments_.push_back({ids, size_, count});
  size_ += count;
}

void Tokens::read(std::int64_t first, std::int64_t count, std::int32_t* out) const {
  assert(first >= 0 && count >= 0 && first + count <= size_);
  auto segment = std::upper_bound(segments_.begin(), segments_.end(), first,
                                  [](std::int64_t at, const Segment& s) { return at < s.first; });
  if (segment != segments_.begin()) --segment;
  while (count > 0) {
    const std::int64_t skip = first - segment->first, n = std::min(count, segment->count - skip);
    const std::byte* from = (segment->data != nullptr ? segment->data : held_.data()) + skip * token_bytes_;
    if (token_bytes_ == 4) {
      std::memcpy(out, from, static_cast<std::size_t>(n) * 4);
    } else {
      for (std::int64_t i = 0; i < n; ++i) {
        std::uint16_t narrow;
        std::memcpy(&narrow, from + 2 * i, 2);
        out[i] = narrow;
      }
    }
    out += n;
    first += n;
    count -= n;
    ++segment;
  }
}

}  // namespace hone
