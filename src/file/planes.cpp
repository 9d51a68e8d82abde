#include "file/planes.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

#include "file/huffman.hpp"

namespace hone {
namespace {

enum class Kept : std::uint8_t { as_it_is, one_byte, huffman };
constexpr std::size_t head_bytes = 5, most_planes = 8;

using Planes = std::array<const std::uint8_t*, most_planes>;

// The elements of a type, by the way of their bits. `split` and `join` are each other's inverse.
struct Half {
  static constexpr std::size_t planes = 2;
  using Word = std::uint16_t;
  static std::array<std::uint8_t, planes> split(Word x) {
    return {static_cast<std::uint8_t>(x >> 7), static_cast<std::uint8_t>((x >> 8 & 0x80) | (x & 0x7f))};
  }
  static Word join(const Planes& p, std::size_t i) {
    return static_cast<Word>((p[1][i] & 0x80) << 8 | p[0][i] << 7 | (p[1][i] & 0x7f));
  }
};

struct Single {
  static constexpr std::size_t planes = 4;
  using Word = std::uint32_t;
  static std::array<std::uint8_t, planes> split(Word x) {
    return {static_cast<std::uint8_t>(x >> 23),
            static_cast<std::uint8_t>((x >> 24 & 0x80) | (x >> 16 & 0x7f)), static_cast<std::uint8_t>(x >> 8),
            static_cast<std::uint8_t>(x)};
  }
  static Word join(const Planes& p, std::size_t i) {
    return (Word{p[1][i]} & 0x80) << 24 | Word{p[0][i]} << 23 | (Word{p[1][i]} & 0x7f) << 16 |
           Word{p[2][i]} << 8 | Word{p[3][i]};
  }
};

template <class Number>
struct Whole {
  static constexpr std::size_t planes = sizeof(Number);
  using Word = Number;
  static std::array<std::uint8_t, planes> split(Word x) {
    std::array<std::uint8_t, planes> bytes;
    for (std::size_t p = 0; p < planes; ++p)
      bytes[p] = static_cast<std::uint8_t>(x >> (8 * (planes - 1 - p)));
    return bytes;
  }
  static Word join(const Planes& p, std::size_t i) {
    Word x = 0;
    for (std::size_t plane = 0; plane < planes; ++plane)
      x = static_cast<Word>(Word(x << 7 << 1) | p[plane][i]);
    return x;
  }
};

template <class Type>
std::vector<std::byte> split_all(std::span<const std::byte> bytes) {
  using Word = typename Type::Word;
  const std::size_t count = bytes.size() / sizeof(Word);
  std::vector<std::byte> planes(bytes.size());
  for (std::size_t i = 0; i < count; ++i) {
    Word word;
    std::memcpy(&word, bytes.data() + i * sizeof word, sizeof word);
    const auto parts = Type::split(word);
    for (std::size_t p = 0; p < parts.size(); ++p) planes[p * count + i] = static_cast<std::byte>(parts[p]);
  }
  return planes;
}

template <class Type>
void join_all(const Planes& planes, std::span<std::byte> out) {
  using Word = typename Type::Word;
  const Planes own = planes;  // which no write to `out` can change
  std::byte* const to = out.data();
  const std::size_t count = out.size() / sizeof(Word);
  for (std::size_t i = 0; i < count; ++i) {
    const Word word = Type::join(own, i);
    std::memcpy(to + i * sizeof word, &word, sizeof word);
  }
}

struct Record {
  std::size_t bytes;
  std::vector<std::byte> (*split)(std::span<const std::byte>);
  void (*join)(const Planes&, std::span<std::byte>);
};
template <class Type>
constexpr Record record{sizeof(typename Type::Word), split_all<Type>, join_all<Type>};

constexpr Record records[] = {record<Whole<std::uint8_t>>,
                              record<Half>,
                              record<Single>,
                              record<Whole<std::uint16_t>>,
                              record<Whole<std::uint32_t>>,
                              record<Whole<std::uint64_t>>};

const Record& record_of(Elements elements) { return records[static_cast<std::size_t>(elements)]; }

void put_plane(std::span<const std::byte> plane, std::vector<std::byte>& out) {
  const std::size_t head = out.size();
  out.resize(head + head_bytes);
  Kept kept = Kept::as_it_is;
  if (std::ranges::all_of(plane, [&](std::byte b) { return b == plane[0]; })) {
    kept = Kept::one_byte;
    out.push_back(plane[0]);
  } else {
    kept = Kept::huffman;
    huffman_pack(plane, out);
    if (out.size() - head - head_bytes >= plane.size()) {
      kept = Kept::as_it_is;
      out.resize(head + head_bytes);
      out.insert(out.end(), plane.begin(), plane.end());
    }
  }
  const auto size = static_cast<std::uint32_t>(out.size() - head - head_bytes);
  out[head] = static_cast<std::byte>(kept);
  std::memcpy(out.data() + head + 1, &size, sizeof size);
}

// The plane that `packed` begins with, of so many bytes, made in `room` where it is not there as it is; null
// for none. Goes on behind it.
const std::byte* take_plane(std::span<const std::byte>& packed, std::span<std::byte> room) {
  if (packed.size() < head_bytes) return nullptr;
  std::uint32_t size;
  std::memcpy(&size, packed.data() + 1, sizeof size);
  const auto kept = static_cast<Kept>(packed[0]);
  if (size > packed.size() - head_bytes) return nullptr;
  const auto bytes = packed.subspan(head_bytes, size);
  packed = packed.subspan(head_bytes + size);
  if (kept == Kept::as_it_is) return size == room.size() ? bytes.data() : nullptr;
  if (kept == Kept::one_byte && size == 1)
    std::ranges::fill(room, bytes[0]);
  else if (kept != Kept::huffman || !huffman_unpack(bytes, room))
    return nullptr;
  return room.data();
}

}  // namespace

std::size_t bytes_of(Elements elements) { return record_of(elements).bytes; }
bool is_elements(std::uint8_t number) { return number < std::size(records); }

Elements elements_of(std::string_view dtype) {
  constexpr std::pair<std::string_view, Elements> known[] = {
      {"F32", Elements::single}, {"BF16", Elements::half},  {"F16", Elements::half},
      {"I16", Elements::pairs},  {"U16", Elements::pairs},  {"I32", Elements::fours},
      {"U32", Elements::fours},  {"F64", Elements::eights}, {"I64", Elements::eights},
      {"U64", Elements::eights}, {"C64", Elements::single}};
  for (const auto& [name, elements] : known)
    if (name == dtype) return elements;
  return Elements::bytes;
}

void pack_planes(std::span<const std::byte> bytes, Elements elements, std::vector<std::byte>& out) {
  const Record& record = record_of(elements);
  assert(bytes.size() % record.bytes == 0);
  if (bytes.empty()) return;
  const std::vector<std::byte> planes = record.split(bytes);
  const std::size_t count = bytes.size() / record.bytes;
  for (std::size_t p = 0; p < record.bytes; ++p) put_plane(std::span(planes).subspan(p * count, count), out);
}

bool unpack_planes(std::span<const std::byte> packed, Elements elements, std::span<std::byte> out,
                   std::vector<std::byte>& room) {
  const Record& record = record_of(elements);
  if (out.empty()) return packed.empty();
  if (out.size() % record.bytes != 0) return false;
  const std::size_t count = out.size() / record.bytes;
  room.resize(out.size());
  Planes planes{};
  for (std::size_t p = 0; p < record.bytes; ++p) {
    const std::byte* plane = take_plane(packed, std::span(room).subspan(p * count, count));
    if (!plane) return false;
    planes[p] = reinterpret_cast<const std::uint8_t*>(plane);
  }
  record.join(planes, out);
  return packed.empty();
}

}  // namespace hone
