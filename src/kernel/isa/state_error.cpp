#include "kernel/isa/state_error_isa.hpp"

#include <type_traits>

#include "kernel/isa/loops.hpp"

namespace hone::kernel::HONE_ISA {
namespace {

float squares(In states, std::int64_t first, std::int64_t C) {
  return typed(states, [&](const auto* x) {
    return sum_of(C, [&](std::int64_t i, auto part) {
      const F v = get(x + first + i, part);
      return v * v;
    });
  });
}

float error(const StateRow& row, float x_factor, float target_factor) {
  return typed(row.x, [&](const auto* x) {
    return sum_of(row.C, [&](std::int64_t i, auto part) {
      const F d =
          get(x + row.first + i, part) * splat(x_factor) - get(row.target + i, part) * splat(target_factor);
      return d * d;
    });
  });
}

void gradient(const StateRow& row, float x_factor, float target_factor, float scale, Out d,
              std::int64_t first) {
  typed(row.x, [&](const auto* x) {
    using T = std::remove_const_t<std::remove_pointer_t<decltype(x)>>;
    T* to = static_cast<T*>(d.data) + first;
    const T* from = x + row.first;
    const auto a = [&](std::int64_t i, auto part) { return get(from + i, part) * splat(x_factor); };
    const auto b = [&](std::int64_t i, auto part) {
      return get(row.target + i, part) * splat(target_factor);
    };
    const float along = sum_of(row.C,
                               [&](std::int64_t i, auto part) {
                                 const F own = a(i, part);
                                 return (own - b(i, part)) * own;
                               }) /
                        static_cast<float>(row.C);
    const F factor = splat(scale * x_factor);
    each(row.C, [&](std::int64_t i, auto part) {
      const F own = a(i, part);
      put(to + i, factor * ((own - b(i, part)) - own * splat(along)), part);
    });
  });
}

}  // namespace

const StateErrorTable state_error_table{squares, error, gradient};

}  // namespace hone::kernel::HONE_ISA
