#include "exec/bind.hpp"

#include <string_view>

namespace hone {

Call describe(const Program& p, const Node& node, const ExecOptions& options, ThreadPool& pool) {
  Call call{.attributes = node.attributes,
            .in = {},
            .out = {},
            .scratch = nullptr,
            .pool = &pool,
            .isa = options.isa};
  auto operand = [&](TensorId id) {
    return Operand{.data = nullptr, .type = p[id].type, .strides = p[id].strides};
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
              {.what = std::string("no kernel of ") + node.op->name + " takes a part of a split tensor",
               .where = node.name,
               .hint = "parts go into linear, attention, sums and activations"});
}

}  // namespace hone
