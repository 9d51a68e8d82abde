#include "layout/bind.hpp"

#include <string_view>

#include "layout/memory_plan.hpp"

namespace hone {

Call describe(const Program& p, const Node& node, const ExecOptions& options, ThreadPool& pool) {
  Call call{.attributes = node.attributes,
            .in = {},
            .out = {},
            .scratch = nullptr,
            .pool = &pool,
            .isa = options.isa};
  const auto operand = [&](TensorId id) {
    return id ? Operand{.data = nullptr, .type = p[id].type, .strides = p[id].strides} : Operand{};
  };
  for (const TensorId id : node.inputs) call.in.push_back(operand(id));
  for (const TensorId id : node.outputs) call.out.push_back(operand(id));
  return call;
}

const Variant& choose(const Node& node, const Call& call) {
  for (const Variant& v : node.op->variants)
    if (std::string_view(v.device) == "cpu" && (v.takes ? v.takes(call) : gaps_only_in(call, {}, {})))
      return v;
  throw Error(ErrorKind::input,
              {.what = std::string("no kernel of ") + node.op->name + " takes tensors that lie like these",
               .where = node.name,
               .hint = "not every op takes parts of a split or permuted tensor; linear does, and what it "
                       "makes is whole"});
}

std::vector<std::int64_t> scratch_bytes(const Program& p, const ExecOptions& options) {
  // Only the number of threads matters to a plan; a pool that has none started stands for them.
  const auto pool = ThreadPool::unstarted(options.threads);
  std::vector<std::int64_t> bytes;
  for (const Node& node : p.nodes) {
    const Call call = describe(p, node, options, *pool);
    const Variant& variant = choose(node, call);
    bytes.push_back(variant.scratch_bytes ? variant.scratch_bytes(call) : 0);
  }
  return bytes;
}

std::int64_t workspace_bytes(const Program& p, const ExecOptions& options) {
  return plan_workspace(p, scratch_bytes(p, options)).bytes;
}

}  // namespace hone
