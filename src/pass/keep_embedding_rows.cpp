#include "ir/rewrite.hpp"
#include "op/gradient_context.hpp"
#include "op/ops.hpp"
#include "pass/kept.hpp"
#include "pass/passes.hpp"

namespace hone {
namespace {

// The sums of the other uses are numbered from the first again; the one that went is nobody's.
void number_again(Program& p, const std::string& parameter, TensorId gone) {
  const auto uses = p.states(Purpose::gradient, parameter);
  std::size_t use = 0;
  for (const TensorId id : uses) {
    const bool unused = id == gone;
    const std::string name = unused ? p[id].name + ".unused" : gradient_name(parameter, use++);
    for (TensorDef& t : p.tensors)
      if (&t == &p[id] || (t.alias == Alias::version && t.base == id)) {
        t.name = name;
        if (unused) t.purpose = Purpose::none;
      }
  }
}

}  // namespace

void keep_embedding_rows(Program& p, std::int64_t batch) {
  using In = op::EmbeddingGradientInputs;
  Rewrite edit(p);
  for (std::size_t n = 0; n < edit.size(); ++n) {
    const Node node = edit[n];
    if (node.op != &op::embedding_gradient) continue;
    const TensorId ids = node.inputs[In::ids], sum = p.root(node.inputs[In::sum]);
    const std::string parameter = p[sum].of;
    const std::int64_t samples = p[ids].type.shape[0];
    const std::int64_t step_rows = batch * p[ids].type.shape.elements() / samples;
    const bool tied = p.states(Purpose::gradient, parameter).size() > 1;
    if (!tied || step_rows >= p[sum].type.shape[0] || !p.states(Purpose::rows, parameter).empty()) continue;
    const auto keep = [&](TensorId x, const std::string& state) {
      Node kept = kept_for_step(p, x, {state + parameter, Purpose::rows, parameter}, batch, parameter);
      kept.scope = node.scope;
      kept.backward = true;
      return kept;
    };
    Node rows = keep(node.inputs[In::dy], "rows.");
    edit.insert(n, keep(ids, "row_ids."));
    edit.insert(n, std::move(rows));
    edit.remove(n);
    number_again(p, parameter, sum);
  }
  edit.finish();
}

}  // namespace hone
