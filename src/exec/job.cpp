#include "exec/job.hpp"

#include <algorithm>
#include <stdexcept>
#include <thread>

#include "exec/bind.hpp"

namespace hone {
namespace {

std::vector<std::int64_t> scratch_of(const Program& p, const ExecOptions& options) {
  // Only the number of threads matters to a plan; a pool that has none started stands for them.
  const auto pool = ThreadPool::unstarted(options.threads);
  std::vector<std::int64_t> bytes;
  for (const Node& node : p.nodes) {
    const Call call = describe(p, node, options, *pool);
    const Variant& variant = choose(node, call);
    bytes.push_back(variant.scratch_bytes ? variant.scratch_bytes(call) : 0);
  }
  return bytes;
}

}  // namespace

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
    workspaces_.push_back(plan_workspace(p, scratch_of(p, options_)));
    workspace_bytes_ = std::max(workspace_bytes_, workspaces_.back().bytes);
  }
  plan_shared(held);
}

std::string JobPlan::print(std::size_t program) const {
  const auto pool = ThreadPool::unstarted(options_.threads);
  const Program& p = programs_[program];
  return hone::print(p, [&](const Node& node) {
    return std::string("by ") + choose(node, describe(p, node, options_, *pool)).name;
  });
}

void JobPlan::plan_shared(const std::set<std::string>& held) {
  for (const Program& p : programs_)
    for (const TensorDef& t : p.tensors) {
      if (t.role == Role::activation || t.alias != Alias::none) continue;
      const auto [at, fresh] =
          shared_.try_emplace(t.name, Shared{.type = t.type, .role = t.role, .lifetime = t.lifetime});
      if (!fresh && (at->second.type != t.type || at->second.role != t.role))
        throw Error(ErrorKind::input, {.what = "two tensors of one name, a weight's or one of hone's own",
                                       .where = t.name,
                                       .expected = to_string(at->second.type),
                                       .found = to_string(t.type),
                                       .hint = "give the weight another name"});
    }
  std::int64_t offset = aligned(workspace_bytes_);
  arena_bytes_ = workspace_bytes_;
  for (const Role role : {Role::input, Role::state, Role::parameter})
    for (auto& [name, s] : shared_) {
      if (s.role != role) continue;
      if (held.contains(name)) {
        s.offset = -1;
        held_bytes_ += aligned(s.type.bytes());
        continue;
      }
      s.offset = offset;
      arena_bytes_ = offset + s.type.bytes();
      offset = aligned(arena_bytes_);
    }
}

}  // namespace hone
