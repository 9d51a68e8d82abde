// What waits for the last micro-batch of a step is done inside of the only one.
#include <algorithm>
#include <cstring>
#include <map>

#include "op/common.hpp"
#include "op/ops.hpp"
#include "pass/passes.hpp"

namespace hone {
namespace {

// Gradients' sums, and rows kept of them, live no longer than the program: they become activations, whose
// storage the next ones take.
void free_gradients(Program& p) {
  for (TensorDef& t : p.tensors)
    if (t.purpose == Purpose::gradient) {
      t.role = Role::activation;
      t.lifetime = Lifetime::step;
      t.purpose = Purpose::none;
    }
}

// The factor that gradients are clipped by, where nobody clips.
TensorId one(Program& p) {
  const float value = 1;
  std::vector<std::byte> bytes(sizeof value);
  std::memcpy(bytes.data(), &value, sizeof value);
  return p.add({.name = "unclipped",
                .type = op::f32({1}),
                .role = Role::constant,
                .values = std::make_shared<const std::vector<std::byte>>(std::move(bytes))});
}

class Mover {
 public:
  explicit Mover(Program& p) : p_(p) {}

  void run() {
    replace_norm();
    free_gradients(p_);
    find_places();
    std::vector<Node> nodes;
    std::map<std::size_t, std::vector<Node>> behind;
    for (const Node& node : p_.nodes) {
      const auto place = place_.find(node.name);
      if (!moves(node) || place == place_.end()) continue;
      behind[place->second].push_back(node);
      behind[place->second].back().phase = Phase::micro;
    }
    for (std::size_t n = 0; n < p_.nodes.size(); ++n) {
      if (!moves(p_.nodes[n])) nodes.push_back(std::move(p_.nodes[n]));
      for (Node& node : behind[n]) nodes.push_back(std::move(node));
    }
    p_.nodes = std::move(nodes);
  }

 private:
  // The nodes of a weight that are named after it: its gradient joined, squared, its update, what is derived.
  static bool moves(const Node& node) {
    return node.phase == Phase::update ||
           (node.phase == Phase::norm && node.op != &op::gradient_norm && node.op != &op::norm_of_squares);
  }

  // Instead of the norm of all gradients: of each its sums of squares, where it is whole, and the norm of
  // these at the end.
  void replace_norm() {
    const auto norm = std::find_if(p_.nodes.begin(), p_.nodes.end(),
                                   [](const Node& n) { return n.op == &op::gradient_norm; });
    const Node old = *norm;
    p_.nodes.erase(norm);
    const auto at = [&] {
      return std::find_if(p_.nodes.begin(), p_.nodes.end(),
                          [](const Node& n) { return n.phase == Phase::update; });
    };
    std::vector<TensorId> squares;
    std::vector<Node> made;
    for (std::size_t i = op::GradientNormInputs::gradients; i < old.inputs.size(); ++i) {
      const std::string weight = p_[old.inputs[i]].of;
      const TensorId sums = emit(p_, op::squares, {old.inputs[i]}, {}, weight, Phase::norm)[0];
      p_[sums].name = "squares." + weight;
      p_[sums].role = Role::state;
      p_[sums].purpose = Purpose::scalar;
      squares.push_back(sums);
      made.push_back(std::move(p_.nodes.back()));
      p_.nodes.pop_back();
    }
    emit(p_, op::norm_of_squares, squares, {}, old.name, Phase::norm);
    p_.nodes.back().outputs[0] = old.outputs[0];
    const TensorId factor = one(p_);
    for (Node& node : p_.nodes)
      for (TensorId& id : node.inputs)
        if (id == old.outputs[1]) id = factor;
    p_.nodes.insert(at(), std::make_move_iterator(made.begin()), std::make_move_iterator(made.end()));
  }

  // Behind the last node that reads the weight, or what is derived from it, or adds to its gradient; and
  // behind all losses, so that they can be looked at before any weight changes.
  void find_places() {
    std::size_t losses = 0;
    for (std::size_t n = 0; n < p_.nodes.size(); ++n)
      if (p_.nodes[n].phase == Phase::micro && p_.nodes[n].op->loss) losses = n;
    std::map<std::int32_t, std::string> of;  // storage roots by weight
    for (std::size_t i = 0; i < p_.tensors.size(); ++i) {
      const TensorDef& t = p_.tensors[i];
      if (t.alias != Alias::none) continue;
      const bool weight = t.role == Role::parameter && t.parameter->trained;
      if (weight) place_[t.name] = losses;
      of[static_cast<std::int32_t>(i)] = weight ? t.name : t.of;
    }
    for (std::size_t n = 0; n < p_.nodes.size(); ++n) {
      if (p_.nodes[n].phase != Phase::micro) continue;
      for (const auto* list : {&p_.nodes[n].inputs, &p_.nodes[n].outputs})
        for (const TensorId id : *list) {
          if (!id) continue;
          const auto place = place_.find(of[p_.root(id).value]);
          if (place != place_.end()) place->second = std::max(place->second, n);
        }
    }
  }

  Program& p_;
  std::map<std::string, std::size_t> place_;
};

}  // namespace

void update_in_backward(Program& program) { Mover(program).run(); }

std::size_t first_write(const Program& p) {
  for (std::size_t n = 0; n < p.nodes.size(); ++n)
    for (const TensorId id : p.nodes[n].outputs)
      if (const TensorDef& t = p[p.root(id)]; is_weight(t) || t.lifetime == Lifetime::saved) return n;
  return p.nodes.size();
}

}  // namespace hone
