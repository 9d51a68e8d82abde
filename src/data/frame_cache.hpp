// The frames of shards that were read last, unpacked: a set that fits is unpacked once, of a larger one this
// much is in memory and no more.
#pragma once
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "data/packed_shard.hpp"

namespace hone {

class FrameCache {
 public:
  // What frames and the room to unpack one may take together, roughly.
  static constexpr std::int64_t most_bytes = std::int64_t{4} << 20;

  // Tokens [first, first + count) of a shard; by several threads at once, if need be. The shard must outlive
  // the cache.
  void read(const PackedShard& shard, std::int64_t first, std::int64_t count, std::int32_t* out);

 private:
  struct Slot {
    const PackedShard* shard;
    std::int64_t frame;
    std::uint64_t used;  // the later, the larger
    std::vector<std::byte> tokens;
  };
  const std::vector<std::byte>& frame(const PackedShard& shard, std::int64_t number);

  std::mutex mutex_;
  FrameRoom room_;
  std::vector<Slot> slots_;
  std::int64_t held_bytes_ = 0;
  std::uint64_t clock_ = 0;
};

}  // namespace hone
