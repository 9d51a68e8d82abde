// From pairs of 32-bit numbers to a third: what merging looks up for each pair of neighbours. Open addressing
// in one array; std::unordered_map, with a node for each pair, took 2.4 times as long.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace hone {

class FlatMap {
 public:
  static constexpr std::int32_t none = -1;

  void reserve(std::size_t count) { grow(std::bit_ceil(2 * count + 2)); }

  void set(std::int32_t a, std::int32_t b, std::int32_t value) {
    if (2 * (count_ + 1) > slots_.size()) grow(2 * slots_.size() + 16);
    Slot& slot = slots_[place(key_of(a, b))];
    count_ += slot.value == none ? 1 : 0;
    slot = {key_of(a, b), value};
  }

  std::int32_t find(std::int32_t a, std::int32_t b) const {
    return slots_.empty() ? none : slots_[place(key_of(a, b))].value;
  }

  // Each entry, in no order: visit(a, b, value).
  template <class Visit>
  void for_each(const Visit& visit) const {
    for (const Slot& s : slots_)
      if (s.value != none)
        visit(static_cast<std::int32_t>(s.key >> 32), static_cast<std::int32_t>(s.key), s.value);
  }

 private:
  struct Slot {
    std::uint64_t key = 0;
    std::int32_t value = none;  // none: free
  };

  static std::uint64_t key_of(std::int32_t a, std::int32_t b) {
    return std::uint64_t{static_cast<std::uint32_t>(a)} << 32 | static_cast<std::uint32_t>(b);
  }

  // Where the key stands, or would.
  std::size_t place(std::uint64_t key) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = (key * 0x9E3779B97F4A7C15u) >> shift_;
    while (slots_[at].value != none && slots_[at].key != key) at = (at + 1) & mask;
    return at;
  }

  void grow(std::size_t size) {
    size = std::bit_ceil(size);
    if (size <= slots_.size()) return;
    std::vector<Slot> old(size);
    old.swap(slots_);
    shift_ = 64 - std::countr_zero(size);
    for (const Slot& slot : old)
      if (slot.value != none) slots_[place(slot.key)] = slot;
  }

  std::vector<Slot> slots_;  // a power of two of them
  std::size_t count_ = 0;
  int shift_ = 63;
};

}  // namespace hone
