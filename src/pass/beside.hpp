// What stands beside a product y = W x: a product of low rank of the same x, whose result is added.
#pragma once
#include <optional>
#include <string>

#include "ir/rewrite.hpp"

namespace hone {

// U (V x), times `scale` where there is one. Names are what the product's own is followed by.
struct Beside {
  TensorId x, v, u;
  std::optional<float> scale{};
  const char *v_name = ".v", *scale_name = ".scale", *u_name = ".u", *sum_name = ".sum";
};
// Behind node n, a linear. What the product is known by, and whoever reads it, gets the sum.
void add_beside(Program& program, Rewrite& edit, std::size_t n, const Beside& beside);

}  // namespace hone
