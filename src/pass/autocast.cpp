#include <map>

#include "ir/rewrite.hpp"
#include "op/ops.hpp"
#include "pass/derived.hpp"
#include "pass/passes.hpp"

namespace hone {
namespace {

class Autocaster {
 public:
  Autocaster(const Program& source, DType narrow) : copy_(source), source_(source), narrow_(narrow) {}

  Program run() {
    for (const Node& node : source_.nodes) write(node);
    return copy_.finish();
  }

 private:
  Program& made() { return copy_.made(); }

  TensorId as(TensorId id, DType dtype, const Node& reader) {
    if (made()[id].type.dtype == dtype) return id;
    TensorId& cast = casts_[{id.value, dtype}];
    if (!cast) cast = add_cast(id, dtype, reader);
    return cast;
  }

  TensorId add_cast(TensorId id, DType dtype, const Node& reader) {
    const std::string source = made()[id].name;
    const bool weight = is_weight(made()[id]);
    const TensorId cast = emit(made(), op::cast, {id}, op::TypeAttributes{dtype}, source,
                               weight ? Phase::prepare : Phase::micro)[0];
    made().nodes.back().scope = reader.scope;
    if (weight)
      set_derived(made()[cast], made()[id].of.empty() ? source : made()[id].of,
                  source + "." + std::string(name(dtype)));
    return cast;
  }

  // The type in which this node wants its i-th input, by the rule of its op.
  DType wanted(const Node& node, std::size_t i, DType is, DType first) const {
    if (!is_floating(is)) return is;
    const TensorDef& t = source_[node.inputs[i]];
    if (t.role == Role::parameter && t.parameter->dtype != DType::f32) return is;  // as the file has it
    switch (node.op->autocast) {
      case Autocast::any:
        return is;
      case Autocast::keep:
        return DType::f32;
      case Autocast::lower:
        return static_cast<int>(i) < node.op->activation_inputs ? narrow_ : is;
      case Autocast::follow:
        return i == 0 ? is : static_cast<int>(i) < node.op->activation_inputs ? first : is;
    }
    return is;
  }

  void write(const Node& node) {
    std::vector<TensorId> inputs;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      TensorId id = copy_.mapped(node.inputs[i]);
      if (id) {
        const DType is = made()[id].type.dtype, first = i == 0 ? is : made()[inputs[0]].type.dtype;
        id = as(id, wanted(node, i, is, first), node);
      }
      inputs.push_back(id);
    }
    for (const std::size_t state : node.op->states_like_first)
      made()[inputs[state]].type.dtype = made()[inputs[0]].type.dtype;
    Attributes attributes = node.attributes;
    if (node.op->set_type && node.op->autocast == Autocast::lower) node.op->set_type(attributes, narrow_);
    copy_.write(node, inputs, attributes);
  }

  Copy copy_;
  const Program& source_;
  DType narrow_;
  std::map<std::pair<std::int32_t, DType>, TensorId> casts_;
};

}  // namespace

void autocast(Program& program, DType narrow) { program = Autocaster(program, narrow).run(); }

}  // namespace hone
