#include "kernel/coded.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "base/types.hpp"
#include "kernel/divide.hpp"

namespace hone::kernel {
namespace {

struct Known {
  Element type;
  CodeFormat format;
};
constexpr Known known[] = {{Element::q8_0, {8, 32, false, 128}},    {Element::q4_0, {4, 32, false, 8}},
                           {Element::q4_1, {4, 32, true, 0}},       {Element::q2_g32, {2, 32, true, 0}},
                           {Element::q2_g64, {2, 64, true, 0}},     {Element::q2_g128, {2, 128, true, 0}},
                           {Element::q3_g32, {3, 32, true, 0}},     {Element::q3_g64, {3, 64, true, 0}},
                           {Element::q3_g128, {3, 128, true, 0}},   {Element::q4_g64, {4, 64, true, 0}},
                           {Element::q4_g128, {4, 128, true, 0}},   {Element::q8_g64, {8, 64, false, 128}},
                           {Element::q8_g128, {8, 128, false, 128}}};

void put_f16(std::byte* to, float x) {
  const std::uint16_t bits = to_f16(x).bits;
  std::memcpy(to, &bits, sizeof bits);
}
float get_f16(const std::byte* from) {
  std::uint16_t bits;
  std::memcpy(&bits, from, sizeof bits);
  return to_f32(f16{bits});
}

// The bytes of a block: where its codes lie side by side, and of three bits the upper ones.
struct Places {
  std::size_t codes_at, code_bytes, third_bits_at;
  int bits;  // of those side by side

  explicit Places(const CodeFormat& f)
      : codes_at(f.has_minimum ? 4 : 2),
        code_bytes(static_cast<std::size_t>(f.group) * static_cast<std::size_t>(f.bits == 3 ? 2 : f.bits) /
                   8),
        third_bits_at(codes_at + code_bytes),
        bits(f.bits == 3 ? 2 : f.bits) {}
  // Code i's byte, and its lowest bit there: as kernel/isa/block_formats.hpp reads them.
  std::size_t byte_of(std::size_t i) const { return codes_at + i % code_bytes; }
  int bit_of(std::size_t i) const { return static_cast<int>(i / code_bytes) * bits; }
};

// ggml's and hone's codes of eight bits are signed.
std::uint8_t turned(const CodeFormat& f, std::uint8_t code) {
  return f.bits == 8 ? static_cast<std::uint8_t>(code - f.zero) : code;
}

void pack_block(const CodeFormat& f, const Places& at, const std::uint8_t* codes, std::byte* to) {
  std::fill(to + at.codes_at, to + at.codes_at + at.code_bytes, std::byte{});
  for (std::size_t i = 0; i < static_cast<std::size_t>(f.group); ++i) {
    assert(codes[i] < f.codes());
    const auto low = static_cast<std::uint8_t>(turned(f, codes[i]) & ((1 << at.bits) - 1));
    to[at.byte_of(i)] |= static_cast<std::byte>(low << at.bit_of(i));
  }
  if (f.bits != 3) return;
  std::fill(to + at.third_bits_at, to + at.third_bits_at + f.group / 8, std::byte{});
  for (std::size_t i = 0; i < static_cast<std::size_t>(f.group); ++i)
    to[at.third_bits_at + i / 8] |= static_cast<std::byte>((codes[i] >> 2) << i % 8);
}

// Once for each weight that is laid out anew: so by runs of bytes, not by places.
void unpack_block(const CodeFormat& f, const Places& at, const std::byte* from, std::uint8_t* codes) {
  const std::byte* bytes = from + at.codes_at;
  const int mask = (1 << at.bits) - 1;
  std::uint8_t* code = codes;
  for (int bit = 0; bit < 8; bit += at.bits)
    for (std::size_t i = 0; i < at.code_bytes; ++i, ++code)
      *code = turned(f, static_cast<std::uint8_t>(static_cast<int>(bytes[i]) >> bit & mask));
  if (f.bits != 3) return;
  for (std::size_t i = 0; i < static_cast<std::size_t>(f.group); ++i)
    codes[i] = static_cast<std::uint8_t>(
        codes[i] | (static_cast<int>(from[at.third_bits_at + i / 8]) >> i % 8 & 1) << 2);
}

constexpr std::size_t longest_group = 128;

std::size_t groups_in(const CodeFormat& f, std::size_t codes) {
  return static_cast<std::size_t>(divide_up(static_cast<std::int64_t>(codes), f.group));
}

}  // namespace

std::optional<CodeFormat> find_code_format(Element type) {
  const auto* found = std::ranges::find(known, type, &Known::type);
  return found == std::end(known) ? std::optional<CodeFormat>{} : found->format;
}

CodeFormat code_format(Element type) {
  const auto found = find_code_format(type);
  assert(found);
  return *found;
}

std::optional<Element> coded_type(int bits, std::int64_t group, bool has_minimum) {
  for (const Known& k : known)
    if (k.format.bits == bits && k.format.group == group && k.format.has_minimum == has_minimum)
      return k.type;
  return {};
}

void pack_codes(Element type, std::span<const std::uint8_t> codes, std::span<const float> scales,
                std::span<const float> minima, std::span<std::byte> to) {
  const CodeFormat f = code_format(type);
  const auto group = static_cast<std::size_t>(f.group), bytes = static_cast<std::size_t>(packing(type).bytes);
  const std::size_t groups = groups_in(f, codes.size());
  assert(scales.size() == groups && to.size() == groups * bytes);
  assert(!f.has_minimum || minima.size() == groups);
  const Places places(f);
  for (std::size_t g = 0; g < groups; ++g) {
    std::byte* block = to.data() + g * bytes;
    put_f16(block, scales[g]);
    if (f.has_minimum) put_f16(block + 2, minima[g]);
    if (const auto own = codes.subspan(g * group); own.size() >= group) {
      pack_block(f, places, own.data(), block);
    } else {
      std::uint8_t last[longest_group];
      std::fill(std::ranges::copy(own, last).out, std::end(last), static_cast<std::uint8_t>(f.zero));
      pack_block(f, places, last, block);
    }
  }
}

void unpack_codes(Element type, std::span<const std::byte> from, std::span<std::uint8_t> codes,
                  std::span<float> scales, std::span<float> minima) {
  const CodeFormat f = code_format(type);
  const auto group = static_cast<std::size_t>(f.group), bytes = static_cast<std::size_t>(packing(type).bytes);
  const std::size_t groups = from.size() / bytes;
  assert(from.size() % bytes == 0 && groups == groups_in(f, codes.size()) && scales.size() == groups);
  assert(!f.has_minimum || minima.size() == groups);
  const Places places(f);
  for (std::size_t g = 0; g < groups; ++g) {
    const std::byte* block = from.data() + g * bytes;
    scales[g] = get_f16(block);
    if (f.has_minimum) minima[g] = get_f16(block + 2);
    if (const auto own = codes.subspan(g * group); own.size() >= group) {
      unpack_block(f, places, block, own.data());
    } else {
      std::uint8_t last[longest_group];
      unpack_block(f, places, block, last);
      std::copy_n(last, own.size(), own.data());
    }
  }
}

float as_packed(float scale) { return to_f32(to_f16(scale)); }

}  // namespace hone::kernel
