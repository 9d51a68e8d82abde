#include "exec/bind.hpp"

#include <stdexcept>
#include <string_view>

namespace hone {

Call describe(const Program& p, const Node& node, const ExecOptions& options, ThreadPool& pool) {
  Call call{.attributes = node.attributes, .in = {}, .out = {}, .scratch = nullptr, .pool = &pool, .isa = options.isa};
  auto operand = [&](TensorId id) { return Operand{.data = nullptr, .type = p[id].type, .strides = p[id].strides}; };
  for (const TensorId id : node.inputs) call.in.push_back(operand(id));
  for (const TensorId id : node.outputs) call.out.push_back(operand(id));
  return call;
}

const Variant& choose(const Node& node, const Call& call) {
  for (const Variant& v : node.op->variants)
    if (std::string_view(v.device) == "cpu" && (!v.takes || v.takes(call))) return v;
  throw std::logic_error(std::string("no kernel takes ") + node.op->name + " @" + node.name);
}

}  // namespace hone
