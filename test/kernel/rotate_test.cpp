#include "kernel/rotate.hpp"

#include <cmath>
#include <numeric>

#include "kernel/buffer.hpp"

namespace hone::kernel {
namespace {

// Unit vectors along a pair's first element become (cos, sin), here from position 0 to 2^20.
TEST(Rotate, AnglesKeepTheirDigitsFarOut) {
  constexpr std::int64_t rows = 4097, half = 70;
  std::vector<std::int32_t> positions(rows);
  for (std::int64_t r = 0; r < rows; ++r)
    positions[static_cast<std::size_t>(r)] = static_cast<std::int32_t>(r * r / 16);
  std::vector<float> frequencies(half), x(static_cast<std::size_t>(rows * 2 * half));
  for (std::size_t d = 0; d < half; ++d)
    frequencies[d] = static_cast<float>(std::pow(10000, -static_cast<double>(d) / half));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = i % (2 * half) < half ? 1 : 0;
  const Buffer from(Element::f32, x);
  ThreadPool pool(2);
  for (const Isa isa : isas()) {
    Buffer to(Element::f32, rows * 2 * half);
    run(Rotate{.rows = rows,
               .D = 2 * half,
               .width = 2 * half,
               .positions = positions.data(),
               .frequencies = frequencies.data(),
               .x = from.in(),
               .x_stride = 2 * half,
               .y = to.out(),
               .y_stride = 2 * half},
        isa, pool);
    double worst = 0;
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t d = 0; d < half; ++d) {
        const double angle = static_cast<double>(positions[static_cast<std::size_t>(r)]) *
                             static_cast<double>(frequencies[static_cast<std::size_t>(d)]);
        const std::int64_t at = r * 2 * half + d;
        worst = std::max(worst, std::hypot(static_cast<double>(to[at]) - std::cos(angle),
                                           static_cast<double>(to[at + half]) - std::sin(angle)));
      }
    EXPECT_LT(worst, 1.1e-7) << name(isa);
  }
}

}  // namespace
}  // namespace hone::kernel
