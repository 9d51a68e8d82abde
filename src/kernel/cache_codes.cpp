#include "kernel/cache_codes.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "base/types.hpp"

namespace hone::kernel {
namespace {

constexpr std::int64_t most_width = 256;  // of a head
constexpr std::uint32_t infinity_bits = 0x7f800000;

void widen(In x, std::int64_t first, std::int64_t count, float* to) {
  for (std::int64_t i = 0; i < count; ++i) switch (x.type) {
      case Element::f32:
        to[i] = static_cast<const float*>(x.data)[first + i];
        break;
      case Element::bf16:
        to[i] = to_f32(static_cast<const bf16*>(x.data)[first + i]);
        break;
      default:
        to[i] = to_f32(static_cast<const f16*>(x.data)[first + i]);
    }
}

// One for all instruction sets: a prompt's codes take less than a hundredth of what its products take.
void code_head(const float* x, std::int64_t D, std::byte* to) {
  std::uint32_t largest = 0;  // sizes are ordered as their bits are, with what is not finite on top
  for (std::int64_t d = 0; d < D; ++d)
    largest = std::max(largest, std::bit_cast<std::uint32_t>(x[d]) & 0x7fffffffu);
  const bool finite = largest < infinity_bits;
  const float most = std::bit_cast<float>(largest);
  const float factor = finite ? most / 127.0f : std::numeric_limits<float>::quiet_NaN();
  // Where a factor is denormal its inverse is infinite: so small a head is zero.
  const float inverse = finite && most >= 0x1p-100f ? 127.0f / most : 0.0f;
  std::memcpy(to, &factor, sizeof factor);
  auto* codes = reinterpret_cast<std::int8_t*>(to + code_factor_bytes);
  if (inverse == 0) {
    std::fill_n(codes, D, std::int8_t{});
    return;
  }
  constexpr float whole = 0x1.8p23f;  // added, it leaves no bits behind the point
  for (std::int64_t d = 0; d < D; ++d)
    codes[d] = static_cast<std::int8_t>(static_cast<std::int32_t>((x[d] * inverse + whole) - whole));
}

}  // namespace

void code_heads(In x, std::int64_t heads, std::int64_t D, std::byte* to) {
  float head[most_width];
  for (std::int64_t h = 0; h < heads; ++h, to += coded_head_bytes(D)) {
    widen(x, h * D, D, head);
    code_head(head, D, to);
  }
}

}  // namespace hone::kernel
