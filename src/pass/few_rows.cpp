#include "kernel/few_rows.hpp"

#include "op/ops.hpp"
#include "pass/passes.hpp"

namespace hone {

void few_rows(Program& p) { few_rows_up_to(p, kernel::most_few_rows); }

void few_rows_up_to(Program& p, std::int64_t most) {
  for (Node& node : p.nodes) {
    if (node.op != &op::linear || p[node.inputs[op::LinearInputs::x]].type.shape.rows() > most) continue;
    auto a = node.attributes.as<op::LinearAttributes>();
    a.few_rows = true;
    node.attributes = a;
  }
}

}  // namespace hone
