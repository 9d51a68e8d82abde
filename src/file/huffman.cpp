#include "file/huffman.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <queue>

namespace hone {
namespace {

constexpr int longest = 11;  // bits of a code: its table of 4 KB stays in the first-level cache
constexpr std::size_t table_size = std::size_t{1} << longest;
constexpr std::size_t streams = 4, lengths_bytes = 128, padding = 8;
constexpr std::size_t header_bytes = lengths_bytes + 4 * (streams - 1);
constexpr std::size_t together = 5;  // codes that surely are in the 56 bits after a refill

using Lengths = std::array<std::uint8_t, 256>;
struct Code {
  std::uint16_t bits = 0;  // its first bit lowest
  std::uint8_t length = 0;
};

// The depth of each byte in Huffman's tree; 0 for those that do not occur.
std::array<int, 256> depths_of(const std::array<std::uint64_t, 256>& counts) {
  using Weighed = std::pair<std::uint64_t, std::size_t>;  // a node, by weight and then number
  std::priority_queue<Weighed, std::vector<Weighed>, std::greater<>> open;
  std::vector<std::size_t> parent(256, 0);
  for (std::size_t b = 0; b < 256; ++b)
    if (counts[b] > 0) open.emplace(counts[b], b);
  while (open.size() > 1) {
    const Weighed a = open.top();
    open.pop();
    const Weighed b = open.top();
    open.pop();
    parent[a.second] = parent[b.second] = parent.size();
    open.emplace(a.first + b.first, parent.size());
    parent.push_back(0);
  }
  std::array<int, 256> depths{};
  for (std::size_t b = 0; b < 256; ++b)
    if (counts[b] > 0)
      for (std::size_t node = b; parent[node]; node = parent[node]) ++depths[b];
  return depths;
}

// Lengths of at most `longest` bits. Those that are longer become so long, and as long as the code has too
// many words then, one of the longest shorter ones gets longer and makes room beside it.
Lengths lengths_of(const std::array<std::uint64_t, 256>& counts) {
  const std::array<int, 256> depths = depths_of(counts);
  std::array<std::uint32_t, longest + 1> of_length{};
  std::vector<std::size_t> used;
  for (std::size_t b = 0; b < 256; ++b)
    if (depths[b] > 0) ++of_length[static_cast<std::size_t>(std::min(depths[b], longest))], used.push_back(b);
  std::uint32_t words = 0;
  for (std::size_t l = 1; l <= longest; ++l) words += of_length[l] << (longest - l);
  for (; words > table_size; --words) {
    std::size_t shorter = longest - 1;
    while (of_length[shorter] == 0) --shorter;
    --of_length[longest], --of_length[shorter], of_length[shorter + 1] += 2;
  }
  std::ranges::stable_sort(used, [&](std::size_t a, std::size_t b) { return counts[a] > counts[b]; });
  Lengths lengths{};
  std::size_t next = 0;
  for (std::size_t l = 1; l <= longest; ++l)
    for (std::uint32_t i = 0; i < of_length[l]; ++i) lengths[used[next++]] = static_cast<std::uint8_t>(l);
  return lengths;
}

// Words in the order of length, then byte. Empty where the lengths are no complete code.
std::vector<Code> codes_of(const Lengths& lengths) {
  std::vector<Code> codes(256);
  std::size_t word = 0;  // of `longest` bits
  for (int l = 1; l <= longest; ++l)
    for (std::size_t b = 0; b < 256; ++b) {
      if (lengths[b] != l) continue;
      for (int bit = 0; bit < l; ++bit)
        codes[b].bits |= static_cast<std::uint16_t>((word >> (longest - 1 - bit) & 1) << bit);
      codes[b].length = static_cast<std::uint8_t>(l);
      word += std::size_t{1} << (longest - l);
    }
  if (word != table_size) codes.clear();
  return codes;
}

std::size_t quarter(std::size_t size) { return (size + streams - 1) / streams; }
// Where stream s of so many bytes begins and ends.
std::size_t bound(std::size_t size, std::size_t s) { return std::min(size, s * quarter(size)); }

void put_stream(std::span<const std::byte> bytes, const std::vector<Code>& codes,
                std::vector<std::byte>& out) {
  std::uint64_t bits = 0;
  unsigned filled = 0;
  for (const std::byte b : bytes) {
    const Code code = codes[static_cast<std::size_t>(b)];
    bits |= std::uint64_t{code.bits} << filled;
    filled += code.length;
    for (; filled >= 8; filled -= 8, bits >>= 8) out.push_back(static_cast<std::byte>(bits));
  }
  if (filled > 0) out.push_back(static_cast<std::byte>(bits));
}

struct Entry {
  std::uint8_t byte, length;
};
using Table = std::array<Entry, table_size>;

// The byte that any `longest` bits begin with.
bool fill(Table& table, const Lengths& lengths) {
  const std::vector<Code> codes = codes_of(lengths);
  if (codes.empty()) return false;
  for (std::size_t b = 0; b < 256; ++b)
    if (codes[b].length > 0)
      for (std::size_t at = codes[b].bits; at < table_size; at += std::size_t{1} << codes[b].length)
        table[at] = {static_cast<std::uint8_t>(b), codes[b].length};
  return true;
}

// Reads codes from a stream, whose bytes are followed by 8 more.
struct Reader {
  const std::byte* at;
  const std::byte* last;  // where 8 bytes can be read
  std::uint64_t bits = 0;
  unsigned filled = 0;

  void refill() {  // to 56 bits or more; what was read beyond them is read again
    std::uint64_t next;
    std::memcpy(&next, at, sizeof next);
    bits |= next << filled;
    at = std::min(at + ((63 - filled) >> 3), last);
    filled |= 56;
  }
  std::byte take(const Table& table) {
    const Entry e = table[bits & (table_size - 1)];
    bits >>= e.length;
    filled -= e.length;
    return static_cast<std::byte>(e.byte);
  }
};

void read_rest(Reader& reader, const Table& table, std::byte* out, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    reader.refill();
    out[i] = reader.take(table);
  }
}

// Reader s fills out[s]; `count` bytes each.
void read_all(std::array<Reader, streams>& all, const Table& table,
              const std::array<std::byte*, streams>& out, std::size_t count) {
  std::array<Reader, streams> readers = all;  // in registers
  std::size_t i = 0;
  for (; i + together <= count; i += together) {
#pragma GCC unroll 4
    for (Reader& r : readers) r.refill();
#pragma GCC unroll 5
    for (std::size_t k = 0; k < together; ++k)
#pragma GCC unroll 4
      for (std::size_t s = 0; s < streams; ++s) out[s][i + k] = readers[s].take(table);
  }
  all = readers;
  for (std::size_t s = 0; s < streams; ++s) read_rest(all[s], table, out[s] + i, count - i);
}

std::uint32_t number_at(std::span<const std::byte> bytes, std::size_t at) {
  std::uint32_t number;
  std::memcpy(&number, bytes.data() + at, sizeof number);
  return number;
}

}  // namespace

void huffman_pack(std::span<const std::byte> bytes, std::vector<std::byte>& out) {
  std::array<std::uint64_t, 256> counts{};
  for (const std::byte b : bytes) ++counts[static_cast<std::size_t>(b)];
  const Lengths lengths = lengths_of(counts);
  const std::vector<Code> codes = codes_of(lengths);
  const std::size_t begin = out.size();
  for (std::size_t b = 0; b < 256; b += 2)
    out.push_back(static_cast<std::byte>(lengths[b] | lengths[b + 1] << 4));
  out.resize(begin + header_bytes);
  for (std::size_t s = 0; s < streams; ++s) {
    const std::size_t from = bound(bytes.size(), s), stream = out.size();
    put_stream(bytes.subspan(from, bound(bytes.size(), s + 1) - from), codes, out);
    const auto size = static_cast<std::uint32_t>(out.size() - stream);
    if (s + 1 < streams) std::memcpy(out.data() + begin + lengths_bytes + 4 * s, &size, sizeof size);
  }
  out.resize(out.size() + padding);
}

bool huffman_unpack(std::span<const std::byte> packed, std::span<std::byte> out) {
  if (packed.size() < header_bytes + padding) return false;
  Lengths lengths{};
  for (std::size_t b = 0; b < 256; ++b)
    lengths[b] = static_cast<std::uint8_t>(static_cast<unsigned>(packed[b / 2]) >> (b % 2 * 4) & 15);
  Table table;
  if (!fill(table, lengths)) return false;
  const std::byte* last = packed.data() + packed.size() - padding;
  std::array<Reader, streams> readers{};
  std::array<std::byte*, streams> to{};
  std::size_t at = header_bytes;
  for (std::size_t s = 0; s < streams; ++s) {
    if (at > packed.size() - padding) return false;
    readers[s] = {.at = packed.data() + at, .last = last};
    to[s] = out.data() + bound(out.size(), s);
    if (s + 1 < streams) at += number_at(packed, lengths_bytes + 4 * s);
  }
  const std::size_t shared = out.size() - bound(out.size(), streams - 1);  // by the last, the shortest
  read_all(readers, table, to, shared);
  for (std::size_t s = 0; s + 1 < streams; ++s) {
    const std::size_t bytes = bound(out.size(), s + 1) - bound(out.size(), s);
    read_rest(readers[s], table, to[s] + shared, bytes - shared);
  }
  return true;
}

}  // namespace hone
