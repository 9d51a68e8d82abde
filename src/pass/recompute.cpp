// Activations made again before backward instead of kept: Chen et al., "Training deep nets with sublinear
// memory cost", 2016, a tensor at a time.
#include "pass/recompute.hpp"

#include <map>
#include <stdexcept>

#include "pass/recompute_flow.hpp"

namespace hone {
namespace {

class Rewriter {
 public:
  Rewriter(const Program& program, const Flow& flow, const Schedule& schedule)
      : made_(program), flow_(flow), schedule_(schedule) {
    std::vector<bool> seen(program.tensors.size(), false);
    for (const std::int32_t storage : schedule.storage_of) {
      const auto s = static_cast<std::size_t>(storage);
      tensors_.push_back(seen[s] ? copy_of({storage}) : TensorId{storage});
      seen[s] = true;
    }
  }

  Program run() {
    std::vector<Node> nodes;
    for (const Schedule::Step& step : schedule_.steps) nodes.push_back(rewritten(step));
    made_.nodes = std::move(nodes);
    return std::move(made_);
  }

 private:
  TensorId copy_of(TensorId id) {
    TensorDef copy = made_[id];
    copy.name += ".again";
    return made_.add(std::move(copy));
  }

  Node rewritten(const Schedule::Step& step) {
    const Work& work = flow_.works[static_cast<std::size_t>(step.work)];
    Node node = flow_.program.nodes[static_cast<std::size_t>(work.node)];
    if (step.work != work.node) make_cheaper(node);
    node.backward = node.backward || step.again;
    instances_.clear();
    auto operand = schedule_.operands.begin() + step.operands;
    for (const std::int32_t s : work.in) instances_[s] = *operand++;
    for (TensorId& id : node.inputs)
      if (id) id = here(id);
    if (!step.again) return node;
    for (const std::int32_t s : work.out) instances_[s] = *operand++;
    for (TensorId& id : node.outputs) id = here(id);
    return node;
  }

  static void make_cheaper(Node& node) {
    const Remake way = *node.op->remake(node);
    node.op = way.op;
    node.inputs = {node.outputs[way.from]};
    node.outputs = {node.outputs[way.output]};
    node.attributes = way.attributes;
  }

  // The tensor, or view of it, that this step reads or makes.
  TensorId here(TensorId id) {
    const TensorId root = made_.root(id);
    const auto found = instances_.find(root.value);
    if (found == instances_.end()) return id;
    const TensorId storage = tensors_[static_cast<std::size_t>(found->second)];
    if (storage == root) return id;
    if (id == root) return storage;
    TensorId& view = views_[{id.value, storage.value}];
    if (!view) {
      TensorDef part = made_[id];
      part.base = storage;
      view = made_.add(std::move(part));
    }
    return view;
  }

  Program made_;
  const Flow& flow_;
  const Schedule& schedule_;
  std::vector<TensorId> tensors_;                   // of each instance
  std::map<std::int32_t, std::int32_t> instances_;  // of this step's storages
  std::map<std::pair<std::int32_t, std::int32_t>, TensorId> views_;
};

}  // namespace

void recompute(Program& program, const std::vector<Recomputed>& tensors) {
  const Program source = program;
  const Flow flow(source, {});
  Choice choice(source.tensors.size(), kept);
  for (const Recomputed& each : tensors)
    if (flow.droppable(each.tensor.value)) choice[static_cast<std::size_t>(each.tensor.value)] = each.group;
  Scheduler scheduler(flow);
  const Schedule& schedule = scheduler.schedule(choice);
  if (!schedule.possible)
    throw std::logic_error("something is to be made again from what has been overwritten");
  program = Rewriter(source, flow, schedule).run();
}

}  // namespace hone
