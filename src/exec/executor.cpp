#include <algorithm>
#include <chrono>
#include <stdexcept>

#include "base/arena.hpp"
#include "base/float_mode.hpp"
#include "exec/job.hpp"
#include "exec/live_tensors.hpp"
#include "ir/values.hpp"
#include "layout/bind.hpp"
#include "machine/memory.hpp"

namespace hone {
namespace {

struct Bound {
  void (*run)(const Call&);
  Call call;
  const char* op;
  double seconds = 0;

  void run_timed() {
    const auto start = std::chrono::steady_clock::now();
    run(call);
    seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
};

std::size_t affordable(std::int64_t bytes) {
  // The system promises memory that it does not have, and would end the process when it is used.
  if (const std::int64_t there = total_memory_bytes(); bytes > there)
    throw Error(ErrorKind::budget,
                {.what = "the run needs more memory than this machine has",
                 .expected = "at most " + std::to_string(there >> 20) + " MiB",
                 .found = std::to_string(bytes >> 20) + " MiB",
                 .hint = "use a smaller micro-batch, a shorter sequence or a smaller model"});
  return static_cast<std::size_t>(bytes);
}

}  // namespace

struct Executor::Impl {
  Impl(JobPlan p, HeldTensors h)
      : plan(std::move(p)),
        held(std::move(h)),
        pool(plan.options().threads),
        arena(affordable(plan.arena_bytes())) {
    for (const auto& [name, s] : plan.shared())
      if (s.tensor.role == Role::constant)
        std::copy(s.tensor.values->begin(), s.tensor.values->end(), arena.data() + s.offset);
    for (std::size_t i = 0; i < plan.programs().size(); ++i) bind(i);
  }

  std::byte* address(std::size_t program, TensorId id) {
    const Program& p = plan.programs()[program];
    const TensorDef& root = p[p.root(id)];
    const std::int64_t inside = row_bytes(root.type.dtype, p[id].offset - root.offset);
    if (const auto at = held.find(root.name); at != held.end() && root.role != Role::activation)
      return at->second.data() + inside;
    const std::int64_t base =
        root.role == Role::activation
            ? plan.workspace(program).tensor_offset[static_cast<std::size_t>(p.root(id).value)]
            : plan.shared().at(root.name).offset;
    if (base < 0) throw std::logic_error("'" + root.name + "' has no place in the arena");
    return arena.data() + base + inside;
  }

  void bind(std::size_t program) {
    const Program& p = plan.programs()[program];
    std::vector<Bound>& list = bound.emplace_back();
    for (std::size_t n = 0; n < p.nodes.size(); ++n) {
      const Node& node = p.nodes[n];
      Call call = describe(p, node, plan.options(), pool);
      const Variant& variant = choose(node, call);
      for (std::size_t i = 0; i < node.inputs.size(); ++i)
        if (node.inputs[i]) call.in[i].data = address(program, node.inputs[i]);
      for (std::size_t i = 0; i < node.outputs.size(); ++i)
        call.out[i].data = address(program, node.outputs[i]);
      const std::int64_t scratch = plan.workspace(program).scratch_offset[n];
      if (scratch >= 0) call.scratch = arena.data() + scratch;
      list.push_back({variant.run, std::move(call), node.op->name});
    }
  }

  JobPlan plan;
  HeldTensors held;
  ThreadPool pool;
  Arena arena;
  LiveTensors live{plan, arena.data()};
  std::vector<std::vector<Bound>> bound;
  bool profiling = false;
};

Executor::Executor(JobPlan plan, HeldTensors held)
    : impl_(std::make_unique<Impl>(std::move(plan), std::move(held))) {}
Executor::~Executor() = default;
Executor::Executor(Executor&&) noexcept = default;
Executor& Executor::operator=(Executor&&) noexcept = default;

const JobPlan& Executor::plan() const { return impl_->plan; }
ThreadPool& Executor::pool() { return impl_->pool; }
std::span<std::byte> Executor::arena() {
  impl_->live.unpoison_all();
  return {impl_->arena.data(), impl_->arena.size()};
}

bool Executor::run(std::size_t program, const std::stop_token& stop) {
  return run_nodes(program, 0, impl_->bound.at(program).size(), stop);
}

bool Executor::run_nodes(std::size_t program, std::size_t first, std::size_t end,
                         const std::stop_token& stop) {
  const FloatModeGuard guard;
  std::vector<Bound>& list = impl_->bound.at(program);
  if (first == 0) impl_->live.begin();
  for (std::size_t n = first; n < end; ++n) {
    if (stop.stop_requested()) return false;
    impl_->live.before(program, n);
    impl_->profiling ? list[n].run_timed() : list[n].run(list[n].call);
    impl_->live.after(program, n);
  }
  return true;
}

std::span<std::byte> Executor::bytes(const std::string& name) {
  if (const auto held = impl_->held.find(name); held != impl_->held.end()) return held->second;
  const auto found = impl_->plan.shared().find(name);
  if (found == impl_->plan.shared().end() || found->second.offset < 0)
    throw std::logic_error("no tensor '" + name + "' in the arena");
  return {impl_->arena.data() + found->second.offset,
          static_cast<std::size_t>(found->second.tensor.type.bytes())};
}

std::span<std::byte> Executor::input(std::size_t program, TensorId id) {
  return {impl_->address(program, id),
          static_cast<std::size_t>(impl_->plan.programs()[program][id].type.bytes())};
}

std::span<const std::byte> Executor::output(std::size_t program, TensorId id) const {
  return {impl_->address(program, id),
          static_cast<std::size_t>(impl_->plan.programs()[program][id].type.bytes())};
}

namespace {

bool finite(const Operand& o) {
  if (o.strides != contiguous_strides(o.type.shape)) return true;  // a part: whoever reads the whole is asked
  return all_finite({o.as<const std::byte>(), static_cast<std::size_t>(o.type.bytes())}, o.type.dtype);
}

}  // namespace

std::optional<NotFinite> Executor::first_not_finite(std::size_t program, std::size_t nodes) {
  const Program& p = impl_->plan.programs()[program];
  impl_->live.begin();
  for (std::size_t n = 0; n < std::min(nodes, p.nodes.size()); ++n) {
    const Bound& b = impl_->bound[program][n];
    impl_->live.before(program, n);
    for (std::size_t i = 0; i < p.nodes[n].inputs.size(); ++i)
      if (const TensorId id = p.nodes[n].inputs[i]; id && is_weight(p[id]) && !finite(b.call.in[i]))
        return NotFinite{"the weight " + (p[id].of.empty() ? p[id].name : p[id].of), p[id].type.dtype};
    b.run(b.call);
    for (const Operand& o : b.call.out)
      if (!finite(o)) return NotFinite{std::string(b.op) + " @" + p.nodes[n].name, o.type.dtype};
    impl_->live.after(program, n);
  }
  return {};
}

void Executor::profile(bool on) {
  impl_->profiling = on;
  for (auto& list : impl_->bound)
    for (Bound& b : list) b.seconds = 0;
}

std::map<std::string, double> Executor::profile_ms() const {
  std::map<std::string, double> ms;
  for (const auto& list : impl_->bound)
    for (const Bound& b : list) ms[b.op] += b.seconds * 1e3;
  return ms;
}

}  // namespace hone
