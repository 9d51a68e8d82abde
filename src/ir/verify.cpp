#include <stdexcept>
#include <vector>

#include "ir/op_record.hpp"
#include "ir/program.hpp"

namespace hone {
namespace {

[[noreturn]] void bug(const Node& node, const std::string& what) {
  throw std::logic_error("malformed program: " + what + " at " + node.op->name + " @" + node.name);
}

class Verifier {
 public:
  explicit Verifier(const Program& p)
      : p_(p), made_(p.tensors.size(), false), replaced_(p.tensors.size(), false) {
    for (std::size_t i = 0; i < p.tensors.size(); ++i) made_[i] = p.tensors[i].role != Role::activation;
    // A sum that lives no longer than the program begins with the node that makes its first version.
    for (const TensorDef& t : p.tensors)
      if (t.alias == Alias::version) made_[static_cast<std::size_t>(t.base.value)] = true;
    for (const Node& node :
         p.nodes)  // new versions, and states that a node makes outright: a weight's bf16 copy
      for (const TensorId id : node.outputs)
        if (id) made_[static_cast<std::size_t>(id.value)] = false;
  }

  void check(const Node& node) {
    for (const TensorId id : node.inputs)
      if (id) check_read(node, id);
    check_types(node);
    for (const TensorId id : node.outputs) check_write(node, id);
  }

 private:
  // A view may be read once it, or a tensor that covers it (its base or a sibling view), has been written.
  void check_read(const Node& node, TensorId id) {
    check_id(node, id);
    const auto i = static_cast<std::size_t>(id.value);
    const auto root = static_cast<std::size_t>(p_.root(id).value);
    if (!made_[i] && !made_[root]) bug(node, "'" + p_[id].name + "' is read before it is made");
    if (replaced_[i]) bug(node, "'" + p_[id].name + "' is read after its next version was written");
  }

  void check_write(const Node& node, TensorId id) {
    check_id(node, id);
    const TensorDef& t = p_[id];
    const auto i = static_cast<std::size_t>(id.value);
    if (made_[i]) bug(node, "'" + t.name + "' is written twice");
    made_[i] = true;
    if (t.alias == Alias::view) made_[static_cast<std::size_t>(t.base.value)] = true;
    if (t.alias == Alias::version) {
      if (replaced_[static_cast<std::size_t>(t.previous.value)])
        bug(node, "two next versions of '" + t.name + "'");
      replaced_[static_cast<std::size_t>(t.previous.value)] = true;
    }
  }

  void check_id(const Node& node, TensorId id) {
    if (id.value < 0 || static_cast<std::size_t>(id.value) >= p_.tensors.size())
      bug(node, "an id out of range");
  }

  void check_types(const Node& node) {
    const auto specs = node.op->infer(infer_input(p_, *node.op, node.name, node.inputs, node.attributes));
    if (specs.size() != node.outputs.size()) bug(node, "wrong number of outputs");
    for (std::size_t i = 0; i < specs.size(); ++i)
      if (specs[i].type != p_[node.outputs[i]].type)
        bug(node, "inferred " + to_string(specs[i].type) + ", has " + to_string(p_[node.outputs[i]].type));
  }

  const Program& p_;
  std::vector<bool> made_, replaced_;
};

}  // namespace

void verify(const Program& program) {
  Verifier verifier(program);
  for (const Node& node : program.nodes) verifier.check(node);
}

void remove_dead(Program& p) {
  std::vector<bool> needed(p.tensors.size(), false);  // by storage root, since views cover one another
  auto need = [&](TensorId id) {
    if (id) needed[static_cast<std::size_t>(p.root(id).value)] = true;
  };
  for (const Output& output : p.outputs) need(output.id);
  std::vector<Node> kept;
  for (auto node = p.nodes.rbegin(); node != p.nodes.rend(); ++node) {
    bool live = false;
    for (const TensorId id : node->outputs)
      live = live || p[p.root(id)].role != Role::activation ||
             needed[static_cast<std::size_t>(p.root(id).value)];
    if (!live) continue;
    for (const TensorId id : node->inputs) need(id);
    kept.push_back(std::move(*node));
  }
  p.nodes.assign(std::make_move_iterator(kept.rbegin()), std::make_move_iterator(kept.rend()));

  std::vector<bool> used(p.tensors.size(), false);
  auto use = [&](TensorId id) {
    for (; id && !used[static_cast<std::size_t>(id.value)]; id = p[id].previous) {
      used[static_cast<std::size_t>(id.value)] = true;
      used[static_cast<std::size_t>(p.root(id).value)] = true;
    }
  };
  for (const Output& output : p.outputs) use(output.id);
  for (const Node& node : p.nodes) {
    for (const TensorId id : node.inputs) use(id);
    for (const TensorId id : node.outputs) use(id);
  }
  std::vector<TensorId> renamed(p.tensors.size());
  std::vector<TensorDef> tensors;
  for (std::size_t i = 0; i < p.tensors.size(); ++i) {
    if (!used[i]) continue;
    renamed[i] = {static_cast<std::int32_t>(tensors.size())};
    tensors.push_back(std::move(p.tensors[i]));
  }
  auto rename = [&](TensorId& id) {
    if (id) id = renamed[static_cast<std::size_t>(id.value)];
  };
  for (TensorDef& t : tensors) rename(t.base), rename(t.previous);
  for (Output& output : p.outputs) rename(output.id);
  for (Node& node : p.nodes) {
    for (TensorId& id : node.inputs) rename(id);
    for (TensorId& id : node.outputs) rename(id);
  }
  p.tensors = std::move(tensors);
}

}  // namespace hone
