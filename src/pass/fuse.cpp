#include <optional>

#include "op/ops.hpp"
#include "pass/passes.hpp"

namespace hone {
namespace {

using op::Activation;

// The program being changed, with who makes and who reads each tensor. Recomputed after each change is too
// slow for deep models, so removed nodes are only marked and swept at the end.
class Fuser {
 public:
  explicit Fuser(Program& p) : p_(p), producer_(p.tensors.size(), -1), readers_(p.tensors.size()) {
    for (std::size_t n = 0; n < p.nodes.size(); ++n) {
      for (const TensorId id : p.nodes[n].outputs) producer_[index(id)] = static_cast<std::int32_t>(n);
      for (const TensorId id : p.nodes[n].inputs) readers_[index(id)].push_back(n);
    }
    for (const TensorId id : p.outputs) readers_[index(id)].push_back(p.nodes.size());
    viewed_.assign(p.tensors.size(), false);
    for (const TensorDef& t : p.tensors)
      if (t.alias == Alias::view) viewed_[index(t.base)] = true;
  }

  void run() {
    removed_.assign(p_.nodes.size(), false);
    for (std::size_t n = 0; n < p_.nodes.size(); ++n) {
      if (removed_[n]) continue;
      fold_cast(n);
      join_activation(n);
      join_residual(n);
      join_slope(n);
      join_addend(n);
    }
    std::vector<Node> kept;
    for (std::size_t n = 0; n < p_.nodes.size(); ++n)
      if (!removed_[n]) kept.push_back(std::move(p_.nodes[n]));
    p_.nodes = std::move(kept);
  }

 private:
  static std::size_t index(TensorId id) { return static_cast<std::size_t>(id.value); }

  // The node that alone reads this tensor, if it is of that op.
  std::optional<std::size_t> only_reader(TensorId id, const OpRecord& op) const {
    const auto& readers = readers_[index(id)];
    if (readers.size() != 1 || viewed_[index(id)] || p_[id].alias != Alias::none) return {};
    if (readers[0] >= p_.nodes.size() || p_.nodes[readers[0]].op != &op) return {};
    return readers[0];
  }
  // Is this tensor there before node n runs?
  bool before(TensorId id, std::size_t n) const {
    const TensorDef& t = p_[id];
    if (t.alias == Alias::view) return before(t.base, n);
    return t.role != Role::activation ||
           (producer_[index(id)] >= 0 && producer_[index(id)] < static_cast<std::int32_t>(n));
  }
  // Node n takes over output `to` of node `from`, which goes.
  void take(std::size_t n, std::size_t from, std::size_t output) {
    const TensorId to = p_.nodes[from].outputs[0];
    p_.nodes[n].outputs[output] = to;
    producer_[index(to)] = static_cast<std::int32_t>(n);
    removed_[from] = true;
  }
  void add_input(std::size_t n, TensorId id, std::size_t instead_of) {
    p_.nodes[n].inputs.push_back(id);
    for (std::size_t& reader : readers_[index(id)])
      if (reader == instead_of) reader = n;
  }
  TensorId other(std::size_t add, TensorId one) const {
    const auto& in = p_.nodes[add].inputs;
    return in[0] == one ? in[1] : in[0];
  }

  void fold_cast(std::size_t n) {
    Node& node = p_.nodes[n];
    if (!node.op->foldable_cast) return;
    const auto cast = only_reader(node.outputs[0], op::cast);
    if (!cast) return;
    node.op->set_type(node.attributes, p_[p_.nodes[*cast].outputs[0]].type.dtype);
    take(n, *cast, 0);
  }

  void join_activation(std::size_t n) {
    Node& node = p_.nodes[n];
    if (node.op != &op::linear) return;
    auto a = node.attributes.as<op::LinearAttributes>();
    if (a.residual || a.activation != Activation::none || !p_.contiguous(node.outputs[0])) return;
    for (const std::size_t reader : readers_[index(node.outputs[0])]) {
      if (reader >= p_.nodes.size() || p_.nodes[reader].op != &op::activation || removed_[reader]) continue;
      a.activation = p_.nodes[reader].attributes.as<op::ActivationAttributes>().kind;
      node.attributes = a;
      node.outputs.push_back({});
      take(n, reader, 1);
      return;
    }
  }

  void join_residual(std::size_t n) {
    Node& node = p_.nodes[n];
    if (node.op != &op::linear) return;
    auto a = node.attributes.as<op::LinearAttributes>();
    if (a.residual || a.activation != Activation::none) return;
    const auto add = only_reader(node.outputs[0], op::add);
    if (!add || p_[p_.nodes[*add].outputs[0]].type.dtype != DType::f32) return;
    if (!p_.contiguous(p_.nodes[*add].outputs[0])) return;
    const TensorId residual = other(*add, node.outputs[0]);
    if (residual == node.outputs[0] || p_[residual].type.dtype != DType::f32 || !before(residual, n) ||
        !p_.contiguous(residual))
      return;
    a.residual = true;
    node.attributes = a;
    add_input(n, residual, *add);
    take(n, *add, 0);
  }

  void join_slope(std::size_t n) {
    Node& node = p_.nodes[n];
    if (node.op != &op::linear_input_gradient) return;
    const auto slope = only_reader(node.outputs[0], op::activation_gradient);
    if (!slope || p_.nodes[*slope].inputs[0] != node.outputs[0]) return;
    if (!p_.contiguous(p_.nodes[*slope].inputs[1]) || !p_.contiguous(p_.nodes[*slope].outputs[0])) return;
    auto a = node.attributes.as<op::LinearInputGradientAttributes>();
    a.activation = p_.nodes[*slope].attributes.as<op::ActivationAttributes>().kind;
    node.attributes = a;
    add_input(n, p_.nodes[*slope].inputs[1], *slope);
    take(n, *slope, 0);
  }

  void join_addend(std::size_t n) {
    Node& node = p_.nodes[n];
    if (node.op != &op::layer_norm_gradient || node.attributes.as<op::LayerNormGradientAttributes>().addend)
      return;
    const auto add = only_reader(node.outputs[0], op::add);
    if (!add || p_[p_.nodes[*add].outputs[0]].type.dtype != DType::f32) return;
    if (!p_.contiguous(p_.nodes[*add].outputs[0])) return;
    const TensorId addend = other(*add, node.outputs[0]);
    if (p_[addend].type.dtype != DType::f32 || !before(addend, n) || !p_.contiguous(addend)) return;
    node.attributes = op::LayerNormGradientAttributes{.addend = true};
    add_input(n, addend, *add);
    take(n, *add, 0);
  }

  Program& p_;
  std::vector<std::int32_t> producer_;
  std::vector<std::vector<std::size_t>> readers_;
  std::vector<bool> viewed_, removed_;
};

}  // namespace

void fuse(Program& program) { Fuser(program).run(); }

}  // namespace hone
