#include "text/bpe.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/utf8.hpp"

namespace hone {
namespace {

constexpr std::uint32_t first_stand_in = 0x100;

bool stands_for_itself(unsigned byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

struct ByteTable {
  std::array<std::uint32_t, 256> character{};
  std::array<std::int32_t, 512> byte{};  // of a character below U+0200; -1 for none

  ByteTable() {
    byte.fill(-1);
    std::uint32_t stand_in = first_stand_in;
    for (unsigned b = 0; b < 256; ++b) {
      character[b] = stands_for_itself(b) ? b : stand_in++;
      byte[character[b]] = static_cast<std::int32_t>(b);
    }
  }
};

const ByteTable& byte_table() {
  static const ByteTable table;
  return table;
}

}  // namespace

std::uint32_t byte_character(unsigned char byte) { return byte_table().character[byte]; }

std::string to_byte_characters(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) append_utf8(text, byte_character(static_cast<unsigned char>(c)));
  return text;
}

bool from_byte_characters(std::string_view text, std::string& bytes) {
  bytes.clear();
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    if (c.bytes == 0 || c.value >= 512 || byte_table().byte[c.value] < 0) return false;
    bytes += static_cast<char>(byte_table().byte[c.value]);
    at += c.bytes;
  }
  return true;
}

Bpe::Bpe(const std::array<std::int32_t, 256>& byte_ids, std::vector<BpeMerge> merges)
    : byte_ids_(byte_ids), merges_(std::move(merges)) {
  ranks_.reserve(merges_.size());
  for (std::size_t rank = 0; rank < merges_.size(); ++rank)
    ranks_.set(merges_[rank].left, merges_[rank].right, static_cast<std::int32_t>(rank));
}

std::size_t Bpe::Scratch::bytes() const {
  return (ids.capacity() + next.capacity() + previous.capacity()) * sizeof(std::int32_t) +
         most_candidates * sizeof(Candidate);
}

void Bpe::merge(Scratch& s) const {
  constexpr std::size_t few = 32;
  if (s.ids.size() <= few)
    merge_few(s);
  else
    merge_many(s);
}

// The lowest rank is looked for anew each time; of equal ones the leftmost is first.
void Bpe::merge_few(Scratch& s) const {
  constexpr std::int32_t never = std::numeric_limits<std::int32_t>::max();
  std::vector<std::int32_t>& ids = s.ids;
  std::vector<std::int32_t>& ranks = s.next;  // of the pair that begins there
  const auto rank_at = [&](std::size_t i) {
    const std::int32_t rank = rank_of(ids[i], ids[i + 1]);
    return rank < 0 ? never : rank;
  };
  ranks.clear();
  for (std::size_t i = 0; i + 1 < ids.size(); ++i) ranks.push_back(rank_at(i));
  while (!ranks.empty()) {
    const auto lowest = std::min_element(ranks.begin(), ranks.end());
    if (*lowest == never) return;
    const auto i = static_cast<std::size_t>(lowest - ranks.begin());
    ids[i] = merges_[static_cast<std::size_t>(*lowest)].result;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    ranks.erase(lowest);
    if (i > 0) ranks[i - 1] = rank_at(i - 1);
    if (i < ranks.size()) ranks[i] = rank_at(i);
  }
}

void Bpe::merge_many(Scratch& s) const {
  // A doubly linked list over positions; a merge keeps the left position and unlinks the right one (id -1).
  const auto n = static_cast<std::int32_t>(s.ids.size());
  s.next.resize(s.ids.size());
  s.previous.resize(s.ids.size());
  s.heap.clear();
  s.heap.reserve(2 * s.ids.size());  // a merge takes one and adds two: none is moved, no page touched in vain
  const auto later = [](const Scratch::Candidate& a, const Scratch::Candidate& b) {
    return std::pair(a.rank, a.position) > std::pair(b.rank, b.position);
  };
  const auto at = [](std::vector<std::int32_t>& v, std::int32_t i) -> std::int32_t& {
    return v[static_cast<std::size_t>(i)];
  };
  const auto consider = [&](std::int32_t left) {
    if (left < 0 || at(s.next, left) == n) return;
    const std::int32_t rank = rank_of(at(s.ids, left), at(s.ids, at(s.next, left)));
    if (rank < 0) return;
    s.heap.push_back({rank, left});
    s.most_candidates = std::max(s.most_candidates, s.heap.size());
    std::push_heap(s.heap.begin(), s.heap.end(), later);
  };
  for (std::int32_t i = 0; i < n; ++i) {
    at(s.next, i) = i + 1;
    at(s.previous, i) = i - 1;
  }
  for (std::int32_t i = 0; i < n; ++i) consider(i);
  while (!s.heap.empty()) {
    std::pop_heap(s.heap.begin(), s.heap.end(), later);
    const auto [rank, left] = s.heap.back();
    s.heap.pop_back();
    const std::int32_t right = at(s.ids, left) < 0 ? n : at(s.next, left);
    if (right == n || rank_of(at(s.ids, left), at(s.ids, right)) != rank)
      continue;  // another merge was first
    at(s.ids, left) = merges_[static_cast<std::size_t>(rank)].result;
    at(s.ids, right) = -1;
    at(s.next, left) = at(s.next, right);
    if (at(s.next, left) < n) at(s.previous, at(s.next, left)) = left;
    consider(at(s.previous, left));
    consider(left);
  }
  std::size_t count = 0;
  for (std::int32_t i = 0; i < n; i = at(s.next, i)) s.ids[count++] = at(s.ids, i);
  s.ids.resize(count);
}

}  // namespace hone
