#include "op/gradient_context.hpp"
#include "pass/passes.hpp"

namespace hone {

void differentiate(Program& program) {
  GradientContext context(program);
  for (std::size_t n = context.size(); n-- > 0;) context.differentiate(n);
}

}  // namespace hone
