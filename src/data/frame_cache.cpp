#include "data/frame_cache.hpp"

#include <algorithm>

#include "data/tokens.hpp"

namespace hone {

const std::vector<std::byte>& FrameCache::frame(const PackedShard& shard, std::int64_t number) {
  // Some hundred slots: looking through them takes a fiftieth of unpacking one.
  const auto there = std::find_if(slots_.begin(), slots_.end(), [&](const Slot& slot) {
    return slot.shard == &shard && slot.frame == number;
  });
  if (there != slots_.end()) {
    there->used = ++clock_;
    return there->tokens;
  }
  const auto tokens = shard.read_frame(number, room_);
  const std::int64_t bytes = std::ssize(tokens);
  if (slots_.empty() || held_bytes_ + bytes <= most_bytes) {
    slots_.push_back({.shard = nullptr, .frame = 0, .used = 0, .tokens = {}});
    slots_.back().tokens.reserve(tokens.size());
  } else {
    std::iter_swap(slots_.end() - 1, std::min_element(slots_.begin(), slots_.end(),
                                                      [](auto& a, auto& b) { return a.used < b.used; }));
  }
  Slot& slot = slots_.back();
  held_bytes_ += bytes - std::ssize(slot.tokens);
  slot.tokens.assign(tokens.begin(), tokens.end());
  slot.shard = &shard;
  slot.frame = number;
  slot.used = ++clock_;
  return slot.tokens;
}

void FrameCache::read(const PackedShard& shard, std::int64_t first, std::int64_t count, std::int32_t* out) {
  const std::lock_guard lock(mutex_);
  const std::int64_t frame_tokens = shard.header().frame_tokens, width = shard.header().token_bytes;
  while (count > 0) {
    const std::int64_t skip = first % frame_tokens, n = std::min(count, frame_tokens - skip);
    const std::vector<std::byte>& tokens = frame(shard, first / frame_tokens);
    unpack_tokens(tokens.data() + skip * width, n, static_cast<int>(width), out);
    out += n;
    first += n;
    count -= n;
  }
}

}  // namespace hone
