#include "ir/rewrite.hpp"
#include "op/ops.hpp"
#include "pass/passes.hpp"

namespace hone {

void mark_hits(Program& p) {
  Rewrite edit(p);
  std::vector<Output> hits;
  for (const Output& output : p.outputs) {
    const auto n = edit.maker(p.root(output.id));
    if (!n || edit[*n].op != &op::cross_entropy || p.output(hits_name(output.name))) continue;
    const auto& in = edit[*n].inputs;
    const TensorId hit =
        edit.insert(*n, op::hit, {in[op::CrossEntropyInputs::logits], in[op::CrossEntropyInputs::labels]},
                    NoAttributes{}, hits_name(output.name))[0];
    hits.emplace_back(hit, hits_name(output.name));
  }
  p.outputs.insert(p.outputs.end(), hits.begin(), hits.end());
  edit.finish();
}

std::string hits_name(const std::string& term) { return term + ".hits"; }

}  // namespace hone
