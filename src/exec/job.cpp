#include "exec/job.hpp"

#include <algorithm>
#include <stdexcept>
#include <thread>

namespace hone {

ExecOptions exec_options(int threads, const std::string& isa_name) {
  if (threads < 0 || threads > 4096)
    throw Error(ErrorKind::usage, {.what = "out of range",
                                   .where = "threads",
                                   .expected = "1 to 4096",
                                   .found = std::to_string(threads)});
  const Isa isa = isa_name.empty() ? best_isa() : isa_from_name(isa_name);
  if (!cpu_has(isa))
    throw Error(ErrorKind::usage, {.what = "this CPU lacks the instruction set",
                                   .where = "isa",
                                   .expected = std::string(name(best_isa())),
                                   .found = std::string(name(isa))});
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  return {.threads = threads ? threads : cores, .isa = isa};
}

JobPlan::JobPlan(std::vector<Program> programs, ExecOptions options, const std::set<std::string>& held)
    : programs_(std::move(programs)), options_(options) {
  for (const Program& p : programs_) {
    verify(p);
    workspaces_.push_back(plan_workspace(p, scratch_bytes(p, options_)));
    inputs_.push_back(p.inputs());
    workspace_bytes_ = std::max(workspace_bytes_, workspaces_.back().bytes);
  }
  plan_shared(held);
}

bool JobPlan::holds(const std::string& name) const {
  const auto found = shared_.find(name);
  return found != shared_.end() && found->second.offset < 0;
}

std::string JobPlan::print(std::size_t program) const {
  const auto pool = ThreadPool::unstarted(options_.threads);
  const Program& p = programs_[program];
  return hone::print(p, [&](const Node& node) {
    return std::string("by ") + choose(node, describe(p, node, options_, *pool)).name;
  });
}

namespace {

// What two programs say of a tensor of one name: the same; of an input, which each run is given anew, the
// larger one has room for both.
void unite(TensorDef& known, const TensorDef& found) {
  const bool same = known.role == found.role && known.type.dtype == found.type.dtype &&
                    (known.type == found.type || known.role == Role::input) &&
                    (known.values == found.values || *known.values == *found.values);
  if (!same)
    throw Error(ErrorKind::input, {.what = "two tensors of one name, a weight's or one of hone's own",
                                   .where = known.name,
                                   .expected = to_string(known.type),
                                   .found = to_string(found.type),
                                   .hint = "give the weight another name"});
  if (found.type.bytes() > known.type.bytes()) known.type = found.type;
}

}  // namespace

void JobPlan::plan_shared(const std::set<std::string>& held) {
  for (const Program& p : programs_)
    for (const TensorDef& t : p.tensors) {
      if (t.role == Role::activation || t.alias != Alias::none) continue;
      const auto [at, fresh] = shared_.try_emplace(t.name, Shared{.tensor = t});
      if (!fresh) unite(at->second.tensor, t);
    }
  std::int64_t offset = aligned(workspace_bytes_);
  arena_bytes_ = workspace_bytes_;
  for (const Role role : {Role::input, Role::constant, Role::state, Role::parameter})
    for (auto& [name, s] : shared_) {
      if (s.tensor.role != role) continue;
      const std::int64_t bytes = s.tensor.type.bytes();
      if (held.contains(name)) {
        s.offset = -1;
        held_bytes_ += aligned(bytes);
        continue;
      }
      s.offset = offset;
      arena_bytes_ = offset + bytes;
      offset = aligned(arena_bytes_);
    }
}

}  // namespace hone
