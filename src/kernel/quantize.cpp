#include "kernel/quantize.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "base/types.hpp"
#include "kernel/coded.hpp"

namespace hone::kernel {
namespace {

using Row = std::span<const float>;

void put_f16(std::byte* to, float x) {
  const std::uint16_t bits = to_f16(x).bits;
  std::memcpy(to, &bits, sizeof bits);
}

float farthest(Row x) {  // from zero, with its sign
  return *std::max_element(x.begin(), x.end(), [](float a, float b) { return std::abs(a) < std::abs(b); });
}

void q8_0(Row x, std::byte* to) {
  const float d = std::abs(farthest(x)) / 127.0f, inverse = d != 0 ? 1 / d : 0;
  put_f16(to, d);
  for (std::size_t i = 0; i < x.size(); ++i)
    to[2 + i] = static_cast<std::byte>(static_cast<std::int8_t>(std::round(x[i] * inverse)));
}

// Codes 0 to 2 * middle - 1, of which `middle` is zero: the farthest value becomes 0.
template <int middle>
std::array<std::uint8_t, 32> about_zero(Row x, std::byte* scale) {
  const float d = farthest(x) / -static_cast<float>(middle), inverse = d != 0 ? 1 / d : 0;
  put_f16(scale, d);
  std::array<std::uint8_t, 32> codes{};
  for (std::size_t i = 0; i < 32; ++i) {
    const float shifted = x[i] * inverse + (static_cast<float>(middle) + 0.5f);
    codes[i] = static_cast<std::uint8_t>(std::clamp(static_cast<int>(shifted), 0, 2 * middle - 1));
  }
  return codes;
}

void put_nibbles(const std::uint8_t* codes, std::byte* to) {
  for (int i = 0; i < 16; ++i) to[i] = static_cast<std::byte>((codes[i] & 15) | (codes[i + 16] & 15) << 4);
}

void q4_0(Row x, std::byte* to) { put_nibbles(about_zero<8>(x, to).data(), to + 2); }

void q5_0(Row x, std::byte* to) {
  const auto codes = about_zero<16>(x, to);
  std::uint32_t fifth = 0;
  for (std::size_t i = 0; i < 32; ++i) fifth |= static_cast<std::uint32_t>(codes[i] >> 4) << i;
  std::memcpy(to + 2, &fifth, sizeof fifth);
  put_nibbles(codes.data(), to + 6);
}

void q4_1(Row x, std::byte* to) {
  const auto [least, most] = std::minmax_element(x.begin(), x.end());
  const float d = (*most - *least) / 15.0f, inverse = d != 0 ? 1 / d : 0;
  put_f16(to, d);
  put_f16(to + 2, *least);
  std::array<std::uint8_t, 32> codes{};
  for (std::size_t i = 0; i < 32; ++i)
    codes[i] = static_cast<std::uint8_t>(std::min(static_cast<int>((x[i] - *least) * inverse + 0.5f), 15));
  put_nibbles(codes.data(), to + 4);
}

int nearest_code(float x, int least, int most) {
  return static_cast<int>(std::clamp(std::nearbyint(x), static_cast<float>(least), static_cast<float>(most)));
}

// scale * code + minimum for codes 0 to 15, minimum <= 0.
struct Affine {
  float scale = 0, minimum = 0;
};

// Scale and minimum of the least squares, for codes that are given: the normal equations.
Affine solved(Row x, Row weights, const std::array<int, 32>& codes) {
  double w = 0, wq = 0, wqq = 0, wx = 0, wqx = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double a = static_cast<double>(weights[i]), q = codes[i], v = static_cast<double>(x[i]);
    w += a, wq += a * q, wqq += a * q * q, wx += a * v, wqx += a * q * v;
  }
  const double determinant = w * wqq - wq * wq;
  if (determinant <= 0) return {};
  const double minimum = (wqq * wx - wq * wqx) / determinant;
  if (minimum > 0) return {wqq > 0 ? static_cast<float>(wqx / wqq) : 0, 0};
  return {static_cast<float>((w * wqx - wq * wx) / determinant), static_cast<float>(minimum)};
}

double cost(Row x, Row weights, const std::array<int, 32>& codes, const Affine& a) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double off = static_cast<double>(a.scale * static_cast<float>(codes[i]) + a.minimum - x[i]);
    sum += static_cast<double>(weights[i]) * off * off;
  }
  return sum;
}

// Large values weigh more, as in ggml: |x| and the root of the mean square.
Affine fit_affine(Row x) {
  constexpr int codes_most = 15, steps = 20;
  double squares = 0;
  for (const float v : x) squares += static_cast<double>(v) * static_cast<double>(v);
  const float mean = static_cast<float>(std::sqrt(squares / static_cast<double>(x.size())));
  std::array<float, 32> weights{};
  for (std::size_t i = 0; i < x.size(); ++i) weights[i] = mean + std::abs(x[i]);
  const auto [lowest, highest] = std::minmax_element(x.begin(), x.end());
  const float least = std::min(*lowest, 0.0f), range = *highest - least;
  if (range <= 0) return {0, least};
  Affine best{range / codes_most, least};
  double best_cost = -1;
  for (int step = 0; step <= steps; ++step) {
    const float inverse = (static_cast<float>(codes_most) - 1 + 0.1f * static_cast<float>(step)) / range;
    std::array<int, 32> codes{};
    for (std::size_t i = 0; i < x.size(); ++i)
      codes[i] = nearest_code((x[i] - least) * inverse, 0, codes_most);
    const Affine found = solved(x, weights, codes);
    if (found.scale <= 0) continue;
    if (const double c = cost(x, weights, codes, found); best_cost < 0 || c < best_cost)
      best = found, best_cost = c;
  }
  return best;
}

void q4_k(Row x, std::byte* to) {
  std::array<Affine, 8> fits;
  float most_scale = 0, most_minimum = 0;
  for (std::size_t j = 0; j < 8; ++j) {
    fits[j] = fit_affine(x.subspan(32 * j, 32));
    most_scale = std::max(most_scale, fits[j].scale);
    most_minimum = std::max(most_minimum, -fits[j].minimum);
  }
  put_f16(to, most_scale / 63), put_f16(to + 2, most_minimum / 63);
  std::array<std::uint8_t, 12> packed{};
  std::array<std::uint8_t, 256> codes{};
  for (std::size_t j = 0; j < 8; ++j) {
    const int scale = most_scale > 0 ? nearest_code(63 * fits[j].scale / most_scale, 0, 63) : 0;
    const int minimum = most_minimum > 0 ? nearest_code(63 * -fits[j].minimum / most_minimum, 0, 63) : 0;
    if (j < 4) {
      packed[j] = static_cast<std::uint8_t>(packed[j] | scale);
      packed[j + 4] = static_cast<std::uint8_t>(packed[j + 4] | minimum);
    } else {
      packed[j + 4] = static_cast<std::uint8_t>((scale & 15) | (minimum & 15) << 4);
      packed[j - 4] = static_cast<std::uint8_t>(packed[j - 4] | (scale >> 4) << 6);
      packed[j] = static_cast<std::uint8_t>(packed[j] | (minimum >> 4) << 6);
    }
    const float d = as_packed(most_scale / 63) * static_cast<float>(scale),
                least = as_packed(most_minimum / 63) * static_cast<float>(minimum);
    for (std::size_t i = 32 * j; i < 32 * (j + 1); ++i)
      codes[i] = static_cast<std::uint8_t>(d > 0 ? nearest_code((x[i] + least) / d, 0, 15) : 0);
  }
  std::memcpy(to + 4, packed.data(), packed.size());
  for (std::size_t j = 0; j < 4; ++j)
    for (std::size_t i = 0; i < 32; ++i)
      to[16 + 32 * j + i] = static_cast<std::byte>(codes[64 * j + i] | codes[64 * j + 32 + i] << 4);
}

// A scale for codes -32 to 31, weighed by the squares of the values.
float fit_about_zero(Row x) {
  const float far = farthest(x);
  if (std::abs(far) < 1e-15f) return 0;
  float best = 0;
  double best_gain = -1;
  for (int step = -9; step <= 9; ++step) {
    const float inverse = -(32 + 0.1f * static_cast<float>(step)) / far;
    double wqx = 0, wqq = 0;
    for (const float v : x) {
      const double w = static_cast<double>(v) * static_cast<double>(v),
                   q = nearest_code(v * inverse, -32, 31);
      wqx += w * q * static_cast<double>(v), wqq += w * q * q;
    }
    if (wqq <= 0) continue;
    if (const double gain = wqx * wqx / wqq; gain > best_gain)
      best = static_cast<float>(wqx / wqq), best_gain = gain;
  }
  return best;
}

void q6_k(Row x, std::byte* to) {
  std::array<float, 16> fits{};
  for (std::size_t j = 0; j < 16; ++j) fits[j] = fit_about_zero(x.subspan(16 * j, 16));
  const float far = farthest(fits), d = as_packed(far / -128);
  put_f16(to + 208, far / -128);
  std::array<std::uint8_t, 256> codes{};
  for (std::size_t j = 0; j < 16; ++j) {
    const int scale = far != 0 ? nearest_code(-128 * fits[j] / far, -128, 127) : 0;
    to[192 + j] = static_cast<std::byte>(static_cast<std::int8_t>(scale));
    const float own = d * static_cast<float>(scale);
    for (std::size_t i = 16 * j; i < 16 * (j + 1); ++i)
      codes[i] = static_cast<std::uint8_t>((own != 0 ? nearest_code(x[i] / own, -32, 31) : 0) + 32);
  }
  for (std::size_t half = 0; half < 2; ++half)
    for (std::size_t i = 0; i < 32; ++i) {
      const std::uint8_t* c = codes.data() + 128 * half + i;
      to[64 * half + i] = static_cast<std::byte>((c[0] & 15) | (c[64] & 15) << 4);
      to[64 * half + 32 + i] = static_cast<std::byte>((c[32] & 15) | (c[96] & 15) << 4);
      to[128 + 32 * half + i] =
          static_cast<std::byte>(c[0] >> 4 | c[32] >> 4 << 2 | c[64] >> 4 << 4 | c[96] >> 4 << 6);
    }
}

// hone's own: between the least and the most of the group, or about zero; codes for scale and minimum as they
// are kept.
template <Element type>
void one_group(Row x, std::byte* to) {
  const CodeFormat f = code_format(type);
  const auto [least, most] = std::minmax_element(x.begin(), x.end());
  const auto top = static_cast<float>(f.codes() - 1);
  const float minimum = f.has_minimum ? as_packed(*least) : 0,
              scale = as_packed(f.has_minimum ? (*most - minimum) / top
                                              : std::abs(farthest(x)) / static_cast<float>(f.zero - 1));
  std::array<std::uint8_t, 128> codes{};
  for (std::size_t i = 0; i < x.size(); ++i) {
    const float steps = scale != 0 ? (x[i] - minimum) / scale : 0;
    codes[i] = static_cast<std::uint8_t>(nearest_code(steps + static_cast<float>(f.zero), 0, f.codes() - 1));
  }
  pack_codes(type, std::span(codes).first(x.size()), {&scale, 1}, {&minimum, 1},
             {to, static_cast<std::size_t>(packing(type).bytes)});
}

using Quantize = void (*)(Row, std::byte*);
Quantize quantizer(Element type) {
  switch (type) {
    case Element::q8_0:
      return q8_0;
    case Element::q4_0:
      return q4_0;
    case Element::q4_1:
      return q4_1;
    case Element::q5_0:
      return q5_0;
    case Element::q4_k:
      return q4_k;
    case Element::q6_k:
      return q6_k;
    case Element::q2_g32:
      return one_group<Element::q2_g32>;
    case Element::q2_g64:
      return one_group<Element::q2_g64>;
    case Element::q2_g128:
      return one_group<Element::q2_g128>;
    case Element::q3_g32:
      return one_group<Element::q3_g32>;
    case Element::q3_g64:
      return one_group<Element::q3_g64>;
    case Element::q3_g128:
      return one_group<Element::q3_g128>;
    case Element::q4_g64:
      return one_group<Element::q4_g64>;
    case Element::q4_g128:
      return one_group<Element::q4_g128>;
    case Element::q8_g64:
      return one_group<Element::q8_g64>;
    case Element::q8_g128:
      return one_group<Element::q8_g128>;
    default:
      return nullptr;
  }
}

}  // namespace

bool can_quantize(Element type) { return quantizer(type) != nullptr; }

void quantize(Element type, std::span<const float> from, std::span<std::byte> to) {
  const Packing p = packing(type);
  const auto elements = static_cast<std::size_t>(p.elements), bytes = static_cast<std::size_t>(p.bytes);
  assert(std::ssize(to) == row_bytes(type, std::ssize(from)));
  const std::size_t whole = from.size() / elements;
  for (std::size_t i = 0; i < whole; ++i)
    quantizer(type)(from.subspan(i * elements, elements), to.data() + i * bytes);
  if (from.size() == whole * elements) return;
  std::array<float, 256> last{};
  std::ranges::copy(from.subspan(whole * elements), last.begin());
  quantizer(type)(std::span(last).first(elements), to.data() + whole * bytes);
}

}  // namespace hone::kernel
