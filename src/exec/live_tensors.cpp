#include "exec/live_tensors.hpp"

#if defined(HONE_POISONS_ARENA)
#include <sanitizer/asan_interface.h>

#include <algorithm>

namespace hone {

LiveTensors::LiveTensors(const JobPlan& plan, std::byte* arena)
    : arena_(arena), workspace_bytes_(plan.workspace_bytes()), arena_bytes_(plan.arena_bytes()) {
  for (std::size_t i = 0; i < plan.programs().size(); ++i)
    programs_.push_back(stretches(plan.programs()[i], plan.workspace(i)));
  ASAN_POISON_MEMORY_REGION(arena_, static_cast<std::size_t>(arena_bytes_));
  for (const auto& [name, s] : plan.shared())
    if (s.offset >= 0)
      ASAN_UNPOISON_MEMORY_REGION(arena_ + s.offset, static_cast<std::size_t>(s.tensor.type.bytes()));
}

std::vector<LiveTensors::NodeStretches> LiveTensors::stretches(const Program& p, const Workspace& workspace) {
  constexpr std::size_t for_ever = static_cast<std::size_t>(-1);
  std::vector<std::size_t> last(p.tensors.size(), 0);  // use, of each storage root
  const auto root = [&](TensorId id) { return static_cast<std::size_t>(p.root(id).value); };
  for (std::size_t n = 0; n < p.nodes.size(); ++n) {
    for (const TensorId id : p.nodes[n].inputs)
      if (id) last[root(id)] = n;
    for (const TensorId id : p.nodes[n].outputs) last[root(id)] = n;
  }
  for (const Output& output : p.outputs) last[root(output.id)] = for_ever;

  std::vector<NodeStretches> all(p.nodes.size());
  for (std::size_t n = 0; n < p.nodes.size(); ++n) {
    const auto tensor = [&](std::size_t r) {
      return Stretch{workspace.tensor_offset[r], p.tensors[r].type.bytes()};
    };
    for (const TensorId id : p.nodes[n].outputs) {
      if (p.tensors[root(id)].role != Role::activation) continue;
      all[n].needed.push_back(tensor(root(id)));
      if (last[root(id)] > n) all[n].live_on.push_back(all[n].needed.back());
      if (last[root(id)] == n) all[n].over.push_back(all[n].needed.back());
    }
    for (const TensorId id : p.nodes[n].inputs)
      if (id && p.tensors[root(id)].role == Role::activation && last[root(id)] == n)
        all[n].over.push_back(tensor(root(id)));
    if (workspace.scratch_offset[n] < 0) continue;
    all[n].needed.push_back({workspace.scratch_offset[n], workspace.scratch_bytes[n]});
    all[n].over.push_back(all[n].needed.back());
  }
  return all;
}

void LiveTensors::begin() const {
  ASAN_POISON_MEMORY_REGION(arena_, static_cast<std::size_t>(workspace_bytes_));
}

void LiveTensors::before(std::size_t program, std::size_t node) const {
  for (const Stretch& s : programs_[program][node].needed)
    ASAN_UNPOISON_MEMORY_REGION(arena_ + s.offset, static_cast<std::size_t>(s.bytes));
}

void LiveTensors::after(std::size_t program, std::size_t node) const {
  for (const Stretch& s : programs_[program][node].over)
    ASAN_POISON_MEMORY_REGION(arena_ + s.offset, static_cast<std::size_t>(s.bytes));
  for (const Stretch& s : programs_[program][node].live_on)
    ASAN_UNPOISON_MEMORY_REGION(arena_ + s.offset, static_cast<std::size_t>(s.bytes));
}

void LiveTensors::unpoison_all() const {
  ASAN_UNPOISON_MEMORY_REGION(arena_, static_cast<std::size_t>(arena_bytes_));
}

}  // namespace hone
#endif
