// Formats of quantized weights: ggml's (ggml-common.h, ggml-quants.c) and hone's own. A block is so many
// elements of a row in so many bytes; 32 of its elements at a time are a unit. An element is
//   scale * code + minimum,
// where a scale, and a minimum where the format has some, is shared by a unit or by half of one; codes are
// unsigned where there are minima, else signed. Written so, each product of a scale and a code is exact or
// rounded once, with the bits of ggml's own expansion.
#pragma once
#include "kernel/element.hpp"
#include "kernel/isa/codes.hpp"

namespace hone::kernel::HONE_ISA {

// Of each half of each unit of a block, in order.
struct Scales {
  float scale[16], minimum[16];
};

template <Element>
struct Format;

struct OneScale {  // a block is a unit, and has one scale
  static constexpr bool halves = false, has_minimum = false;
  static HONE_INLINE void scales(const std::uint8_t* block, Scales& s) { s.scale[0] = from_f16(block); }
};
struct ScaleAndMinimum : OneScale {
  static constexpr bool has_minimum = true;
  static HONE_INLINE void scales(const std::uint8_t* block, Scales& s) {
    s.scale[0] = from_f16(block);
    s.minimum[0] = from_f16(block + 2);
  }
};

template <>
struct Format<Element::q8_0> : OneScale {
  template <int>
  static HONE_INLINE C codes(const std::uint8_t* block) {
    return load_codes(block + 2);
  }
};
template <>
struct Format<Element::q4_0> : OneScale {
  template <int>
  static HONE_INLINE C codes(const std::uint8_t* block) {
    return nibbles(block + 2) - splat_code(8);
  }
};
template <>
struct Format<Element::q4_1> : ScaleAndMinimum {
  template <int>
  static HONE_INLINE C codes(const std::uint8_t* block) {
    return nibbles(block + 4);
  }
};
template <>
struct Format<Element::q5_0> : OneScale {
  template <int>
  static HONE_INLINE C codes(const std::uint8_t* block) {
    return (nibbles(block + 6) | one_bit<16>(block + 2)) - splat_code(16);
  }
};
template <>
struct Format<Element::q5_1> : ScaleAndMinimum {
  template <int>
  static HONE_INLINE C codes(const std::uint8_t* block) {
    return nibbles(block + 8) | one_bit<16>(block + 4);
  }
};

// Eight scales and eight minima of six bits in twelve bytes, of Q4_K and Q5_K.
struct SixBits {
  static constexpr bool halves = false, has_minimum = true;
  static HONE_INLINE void scales(const std::uint8_t* block, Scales& s) {
    const float d = from_f16(block), least = from_f16(block + 2);
    const std::uint8_t* q = block + 4;
    for (int i = 0; i < 4; ++i) {
      s.scale[i] = d * static_cast<float>(q[i] & 63);
      s.minimum[i] = -(least * static_cast<float>(q[i + 4] & 63));
      s.scale[i + 4] = d * static_cast<float>((q[i + 8] & 15) | (q[i] >> 6) << 4);
      s.minimum[i + 4] = -(least * static_cast<float>((q[i + 8] >> 4) | (q[i + 4] >> 6) << 4));
    }
  }
};

template <>
struct Format<Element::q4_k> : SixBits {
  template <int u>
  static HONE_INLINE C codes(const std::uint8_t* block) {
    return bits_at<u % 2 * 4>(load_codes(block + 16 + u / 2 * 32), 15);
  }
};
template <>
struct Format<Element::q5_k> : SixBits {
  template <int u>
  static HONE_INLINE C codes(const std::uint8_t* block) {
    const C fifth = up<4>(bits_at<u>(load_codes(block + 16), 1));
    return bits_at<u % 2 * 4>(load_codes(block + 48 + u / 2 * 32), 15) | fifth;
  }
};

template <>
struct Format<Element::q2_k> {
  static constexpr bool halves = true, has_minimum = true;
  static HONE_INLINE void scales(const std::uint8_t* block, Scales& s) {
    const float d = from_f16(block + 80), least = from_f16(block + 82);
    for (int i = 0; i < 16; ++i) {
      s.scale[i] = d * static_cast<float>(block[i] & 15);
      s.minimum[i] = -(least * static_cast<float>(block[i] >> 4));
    }
  }
  template <int u>
  static HONE_INLINE C codes(const std::uint8_t* block) {
    return bits_at<u % 4 * 2>(load_codes(block + 16 + u / 4 * 32), 3);
  }
};

template <>
struct Format<Element::q3_k> {
  static constexpr bool halves = true, has_minimum = false;
  static HONE_INLINE void scales(const std::uint8_t* block, Scales& s) {
    const float d = from_f16(block + 108);
    const std::uint8_t* q = block + 96;
    for (int i = 0; i < 16; ++i) {
      const int low = i < 8 ? q[i] & 15 : q[i - 8] >> 4, high = q[8 + i % 4] >> (i / 4 * 2) & 3;
      s.scale[i] = d * static_cast<float>((low | high << 4) - 32);
    }
  }
  template <int u>
  static HONE_INLINE C codes(const std::uint8_t* block) {
    const C third = up<2>(bits_at<u>(load_codes(block), 1));
    return (bits_at<u % 4 * 2>(load_codes(block + 32 + u / 4 * 32), 3) | third) - splat_code(4);
  }
};

template <>
struct Format<Element::q6_k> {
  static constexpr bool halves = true, has_minimum = false;
  static HONE_INLINE void scales(const std::uint8_t* block, Scales& s) {
    const float d = from_f16(block + 208);
    for (int i = 0; i < 16; ++i)
      s.scale[i] = d * static_cast<float>(static_cast<std::int8_t>(block[192 + i]));
  }
  template <int u>
  static HONE_INLINE C codes(const std::uint8_t* block) {
    const C low = bits_at<u % 4 / 2 * 4>(load_codes(block + u / 4 * 64 + u % 2 * 32), 15);
    const C high = up<4>(bits_at<u % 4 * 2>(load_codes(block + 128 + u / 4 * 32), 3));
    return (low | high) - splat_code(32);
  }
};

// hone's own: a scale in f16, but for codes of eight bits a minimum in f16, then the codes. Code i of a block
// lies in byte i % n at bit i / n * bits, of n bytes, which hold the codes of less than eight bits side by
// side (as ggml's Q4_1 has them); of three bits, the upper one stands behind the lower two, at bit i of its
// bytes.
template <int units, bool minimum>
struct OneGroup {
  static constexpr bool halves = false, has_minimum = minimum;
  static constexpr int codes_at = minimum ? 4 : 2;
  static HONE_INLINE void scales(const std::uint8_t* block, Scales& s) {
    const float scale = from_f16(block), least = minimum ? from_f16(block + 2) : 0.0f;
    for (int u = 0; u < units; ++u) s.scale[u] = scale, s.minimum[u] = least;
  }
};
template <int bits, int units>
struct Grouped : OneGroup<units, bits != 8> {
  template <int u>
  static HONE_INLINE C codes(const std::uint8_t* block) {
    const std::uint8_t* p = block + OneGroup<units, bits != 8>::codes_at;
    if constexpr (bits == 8)
      return load_codes(p + u * unit);
    else if constexpr (bits == 4)
      return bits_at<2 * u / units * 4>(load_codes(p + u % (units / 2) * unit), 15);
    else if constexpr (bits == 3)
      return two_bits<units, u>(p) | one_bit<4>(p + 8 * units + 4 * u);
    else
      return two_bits<units, u>(p);
  }
};
template <>
struct Format<Element::q2_g32> : Grouped<2, 1> {};
template <>
struct Format<Element::q2_g64> : Grouped<2, 2> {};
template <>
struct Format<Element::q2_g128> : Grouped<2, 4> {};
template <>
struct Format<Element::q3_g32> : Grouped<3, 1> {};
template <>
struct Format<Element::q3_g64> : Grouped<3, 2> {};
template <>
struct Format<Element::q3_g128> : Grouped<3, 4> {};
template <>
struct Format<Element::q4_g64> : Grouped<4, 2> {};
template <>
struct Format<Element::q4_g128> : Grouped<4, 4> {};
template <>
struct Format<Element::q8_g64> : Grouped<8, 2> {};
template <>
struct Format<Element::q8_g128> : Grouped<8, 4> {};

// Calls body with the format of a type of blocks.
template <int number = static_cast<int>(Element::q8_0), class Body>
HONE_INLINE auto format_of(Element e, const Body& body) {
  constexpr auto this_one = static_cast<Element>(number);
  if constexpr (number + 1 < element_types + block_types) {
    if (e != this_one) return format_of<number + 1>(e, body);
  }
  return body.template operator()<this_one>();
}

// Calls body with each unit of a block, as a constant.
template <Element e, int u = 0, class Body>
HONE_INLINE void each_unit(const Body& body) {
  body.template operator()<u>();
  if constexpr (u + 1 < packing(e).elements / unit) each_unit<e, u + 1>(body);
}

}  // namespace hone::kernel::HONE_ISA
