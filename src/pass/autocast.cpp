#include <map>

#include "op/ops.hpp"
#include "pass/passes.hpp"

namespace hone {
namespace {

class Rewriter {
 public:
  explicit Rewriter(const Program& source) : source_(source), map_(source.tensors.size()) {}

  Program run() {
    for (const Node& node : source_.nodes) copy(node);
    for (const TensorId id : source_.outputs) out_.outputs.push_back(mapped(id));
    return std::move(out_);
  }

 private:
  TensorId mapped(TensorId id) {
    TensorId& there = map_[static_cast<std::size_t>(id.value)];
    if (there) return there;
    const TensorDef& t = source_[id];
    if (t.alias == Alias::view) {
      const TensorId base = mapped(t.base);
      there = add_view(out_, base, t.type.shape, t.strides, t.offset - out_[base].offset, t.name);
    } else {
      there = out_.add(t);
    }
    return there;
  }

  TensorId as(TensorId id, DType dtype) {
    if (out_[id].type.dtype == dtype) return id;
    TensorId& cast = casts_[{id.value, dtype}];
    if (!cast) cast = add_cast(id, dtype);
    return cast;
  }

  TensorId add_cast(TensorId id, DType dtype) {
    const std::string source = out_[id].name;
    const bool weight = out_[id].role == Role::parameter;
    const TensorId made = emit(out_, op::cast, {id}, op::TypeAttributes{dtype}, source,
                               weight ? Phase::prepare : Phase::micro)[0];
    if (weight) {
      out_[made].name = source + "." + std::string(name(dtype));
      out_[made].role = Role::state;
      out_[made].lifetime = Lifetime::run;
    }
    return made;
  }

  // The type in which this node wants its i-th input, by the rule of its op.
  DType wanted(const Node& node, std::size_t i, DType is, DType first) {
    const bool floating = is == DType::f32 || is == DType::bf16;
    if (!floating) return is;
    switch (node.op->autocast) {
      case Autocast::any:
        return is;
      case Autocast::keep:
        return DType::f32;
      case Autocast::lower:
        return static_cast<int>(i) < node.op->activation_inputs ? DType::bf16 : is;
      case Autocast::follow:
        return i == 0 ? is : static_cast<int>(i) < node.op->activation_inputs ? first : is;
    }
    return is;
  }

  void copy(const Node& node) {
    std::vector<TensorId> inputs;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const TensorId id = mapped(node.inputs[i]);
      const DType first = inputs.empty() ? out_[id].type.dtype : out_[inputs[0]].type.dtype;
      inputs.push_back(as(id, wanted(node, i, out_[id].type.dtype, first)));
    }
    if (const int state = node.op->state_like_first; state >= 0)
      out_[inputs[static_cast<std::size_t>(state)]].type.dtype = out_[inputs[0]].type.dtype;
    Attributes attributes = node.attributes;
    if (node.op->set_type && node.op->autocast == Autocast::lower) node.op->set_type(attributes, DType::bf16);
    const auto outputs = emit(out_, *node.op, inputs, attributes, node.name, node.phase);
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      map_[static_cast<std::size_t>(node.outputs[i].value)] = outputs[i];
      const TensorDef& was = source_[node.outputs[i]];
      TensorDef& is = out_[outputs[i]];
      is.name = was.name, is.role = was.role, is.lifetime = was.lifetime;
    }
  }

  const Program& source_;
  Program out_;
  std::vector<TensorId> map_;
  std::map<std::pair<std::int32_t, DType>, TensorId> casts_;
};

}  // namespace

void autocast(Program& program) { program = Rewriter(program).run(); }

}  // namespace hone
