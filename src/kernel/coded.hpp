// Codes, scales and minima into blocks, and out of them: for who chooses the codes himself (a quantizer that
// looks at more than the weight).
//
//   const CodeFormat f = code_format(Element::q4_g64);  // value = scale * code + minimum
//   std::vector<std::byte> blocks(row_bytes(Element::q4_g64, row_elements));
//   pack_codes(Element::q4_g64, codes, scales, minima, blocks);
//
// The types are those with one scale, and at most one minimum, for each block: hone's own (q2_g64, q8_g128,
// ..) and ggml's q4_0, q4_1 and q8_0. Not for bound loops, which have theirs in kernel/isa.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "kernel/element.hpp"

namespace hone::kernel {

// An element is scale * (code - zero) + minimum, code from 0 to 2^bits - 1, of a group with one scale and one
// minimum, which are kept in f16; a block is a group. Without a minimum, `zero` is the code that means 0.
struct CodeFormat {
  int bits = 0;
  std::int64_t group = 0;
  bool has_minimum = false;
  int zero = 0;

  int codes() const { return 1 << bits; }
  bool operator==(const CodeFormat&) const = default;
};

std::optional<CodeFormat> find_code_format(Element type);  // none for a type that is not one of these
CodeFormat code_format(Element type);                      // of one of these
// The type of so many bits in groups of so many, with a minimum or (4 and 8 bits) about zero, if there is
// one.
std::optional<Element> coded_type(int bits, std::int64_t group, bool has_minimum);

// A row: codes.size() elements, a scale and (where has_minimum, else minima may be empty) a minimum for each
// group of them, rounded to f16; `to` has row_bytes(type, codes.size()). What fills up the last block has the
// code `zero`.
void pack_codes(Element type, std::span<const std::uint8_t> codes, std::span<const float> scales,
                std::span<const float> minima, std::span<std::byte> to);
// The same back: what was packed, scales and minima as they were rounded; with what fills up the last block,
// if there is room for it.
void unpack_codes(Element type, std::span<const std::byte> from, std::span<std::uint8_t> codes,
                  std::span<float> scales, std::span<float> minima);

// What a scale or a minimum is once it is packed.
float as_packed(float scale);

}  // namespace hone::kernel
