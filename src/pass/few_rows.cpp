#include "kernel/few_rows.hpp"

#include "op/ops.hpp"
#include "pass/passes.hpp"

namespace hone {

void few_rows(Program& p) {
  for (Node& node : p.nodes) {
    if (node.op != &op::linear ||
        p[node.inputs[op::LinearInputs::x]].type.shape.rows() > kernel::most_few_rows)
      continue;
    auto a = node.attributes.as<op::LinearAttributes>();
    a.few_rows = true;
    node.attributes = a;
  }
}

}  // namespace hone
