// All elements of a weight that a stream holds (kernel/masked_product.hpp), for references.
#pragma once
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/types.hpp"
#include "kernel/coded.hpp"
#include "kernel/isa/masked_product_isa.hpp"
#include "kernel/isa/two_of_four_isa.hpp"
#include "kernel/masked_product.hpp"

namespace hone::op {

struct StreamElements {
  std::int64_t N, K;  // K: whole groups
  std::vector<double> w;

  // Of [N,K], by what isa/masked_product_isa.hpp and isa/two_of_four_isa.hpp say.
  StreamElements(const kernel::StreamFormat& format, const std::uint8_t* stream, std::int64_t N_,
                 std::int64_t K_)
      : N(N_), K(K_), w(static_cast<std::size_t>(N_ * K_)), format_(kernel::code_format(format.type)) {
    const std::int64_t groups = K / format_.group;
    const auto panels = kernel::panel_count(N);
    const kernel::TwosProduct twos{.bits = format_.bits, .groups = groups, .group_units = format_.group / 32};
    for (std::int64_t panel = 0; panel < panels; ++panel)
      if (format.two_of_four)
        read_twos(panel, stream + panel * twos.bytes());
      else
        read_masked(panel, stream + reinterpret_cast<const std::uint64_t*>(stream)[panel]);
  }

 private:
  void put(std::int64_t panel, int row, std::int64_t k, int code, const std::uint8_t* scales) {
    std::uint16_t bits;
    std::memcpy(&bits, scales + 2 * row, sizeof bits);
    const int zero = 1 << (format_.bits - 1);
    const std::int64_t n = panel * kernel::panel_rows + row;
    if (n < N)
      w[static_cast<std::size_t>(n * K + k)] += static_cast<double>(to_f32(f16{bits})) * (code - zero);
  }
  void read_masked(std::int64_t panel, const std::uint8_t* frame) {
    const std::int64_t units = format_.group / 32;
    const std::uint8_t* codes = frame + kernel::masked_frame_bytes(K / format_.group, units);
    for (std::int64_t k = 0; k < K;) {
      const std::uint8_t* scales = frame;
      frame += 32;
      for (const std::int64_t end = k + format_.group; k < end; k += 4, frame += 8) {
        std::uint64_t mask;
        std::memcpy(&mask, frame, sizeof mask);
        int taken = 0;
        for (int bit = 0; bit < 64; ++bit) {
          if (!(mask >> bit & 1)) continue;
          const int code = format_.bits == 8 ? codes[taken] : codes[taken / 2] >> taken % 2 * 4 & 15;
          put(panel, bit / 4, k + bit % 4, code, scales);
          ++taken;
        }
        codes += format_.bits == 8 ? taken : (taken + 1) / 2;
      }
    }
  }
  void read_twos(std::int64_t panel, const std::uint8_t* at) {
    for (std::int64_t k = 0; k < K;) {
      const std::uint8_t* scales = at;
      at += 32;
      for (const std::int64_t end = k + format_.group; k < end; k += 32, at += 48 + 32 * format_.bits)
        for (int i = 0; i < 256; ++i) {  // of a unit's codes
          const int step = i / 64, row = i % 64 / 4, four = 2 * step + i % 4 / 2, bit = 3 * four;
          const std::uint8_t* row_at = at + 3 * row;
          const int pair = (row_at[0] | row_at[1] << 8 | row_at[2] << 16) >> bit & 7;
          const int code = format_.bits == 8 ? at[48 + i] ^ 128 : at[48 + i % 128] >> step / 2 * 4 & 15;
          put(panel, row, k + 4 * four + kernel::pair_places[pair][i % 2], code, scales);
        }
    }
  }

  kernel::CodeFormat format_;
};

}  // namespace hone::op
