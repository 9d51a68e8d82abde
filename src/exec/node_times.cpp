#include "exec/node_times.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "base/arena.hpp"
#include "base/float_mode.hpp"
#include "layout/memory_plan.hpp"

namespace hone {
namespace {

using Clock = std::chrono::steady_clock;

// A trial: so much work at most, so that products take some 10 ms on a slow core, and bytes beyond any
// second-level cache.
constexpr double most_flops = 1.5e9;
constexpr double most_bytes = 48e6;
constexpr double least_seconds = 1e-3;  // of runs beside the first
constexpr int most_runs = 5;
// A step goes through all of its memory, and what a node reads was written long before: each run of a trial
// is at another place among so many bytes, or among as many as the job has.
constexpr std::int64_t place_bytes = std::int64_t{96} << 20;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// A node among its own tensors only.
struct Alone {
  Program program;
  Node node;
};

Alone alone(const Program& source, const Node& node) {
  Alone a{.program = {}, .node = node};
  std::map<std::int32_t, TensorId> there;
  const auto add = [&](TensorId& id) {
    if (!id) return;
    TensorId& known = there[id.value];
    if (!known) {
      TensorDef t = source[id];
      // Its place in a larger tensor does not matter, but that it is a version, and of what.
      t.base = t.alias == Alias::version ? there[t.previous.value] : TensorId{};
      t.previous = t.base;
      if (!t.base) t.alias = Alias::none;
      t.offset = 0;
      known = {static_cast<std::int32_t>(a.program.tensors.size())};
      a.program.tensors.push_back(std::move(t));
    }
    id = known;
  };
  for (TensorId& id : a.node.inputs) add(id);
  for (TensorId& id : a.node.outputs) add(id);
  return a;
}

double bytes_of(const Program& p) {
  double bytes = 0;
  for (const TensorDef& t : p.tensors) bytes += static_cast<double>(t.type.bytes());
  return bytes;
}

// Every axis of that size becomes `size`; of what has gaps the distances stay.
void resize(Program& p, std::int64_t from, std::int64_t size) {
  for (TensorDef& t : p.tensors) {
    const bool packed = t.strides == contiguous_strides(t.type.shape);
    for (int axis = 0; axis < t.type.shape.rank(); ++axis)
      if (t.type.shape[axis] == from) t.type.shape[axis] = size;
    if (packed) t.strides = contiguous_strides(t.type.shape);
  }
}

bool consistent(const Alone& a) {
  try {
    const auto specs =
        a.node.op->infer(infer_input(a.program, *a.node.op, a.node.name, a.node.inputs, a.node.attributes));
    for (std::size_t i = 0; i < specs.size(); ++i)
      if (specs[i].type != a.program[a.node.outputs[i]].type) return false;
    return true;
  } catch (const Error&) {
    return false;
  }
}

// Smaller along its longest axes until a trial is short, where the op can be.
Alone shortened(Alone a) {
  std::vector<std::int64_t> fixed;  // sizes that must stay
  for (int round = 0; round < 32; ++round) {
    const double flops = a.node.op->cost(a.program, a.node).flops, bytes = bytes_of(a.program);
    const double over = std::max(flops / most_flops, bytes / most_bytes);
    if (over <= 1) break;
    std::int64_t longest = 0;
    for (const TensorDef& t : a.program.tensors)
      for (const std::int64_t size : t.type.shape.sizes())
        if (std::find(fixed.begin(), fixed.end(), size) == fixed.end()) longest = std::max(longest, size);
    if (longest <= 256) break;
    const auto wanted = static_cast<std::int64_t>(static_cast<double>(longest) / over) / 256 * 256;
    Alone shorter = a;
    resize(shorter.program, longest, std::max<std::int64_t>({256, longest / 64 / 256 * 256, wanted}));
    if (consistent(shorter))
      a = std::move(shorter);
    else
      fixed.push_back(longest);
  }
  return a;
}

std::string kind_of(const Program& p, const Node& node) {
  std::string kind = std::string(node.op->name) + node.attributes.to_string();
  for (const auto* ids : {&node.inputs, &node.outputs})
    for (const TensorId id : *ids)
      kind += id ? to_string(p[id].type) + to_string(p[id].strides) : std::string("-");
  return kind;
}

std::int64_t extent_bytes(const TensorDef& t) {
  if (is_blocks(t.type.dtype)) return aligned(t.type.bytes());
  std::int64_t last = 0;
  for (int axis = 0; axis < t.type.shape.rank(); ++axis) last += (t.type.shape[axis] - 1) * t.strides[axis];
  return aligned(row_bytes(t.type.dtype, last + 1));
}

// What has to mean something stays where it is: ids and lengths, and the scalars of a step.
bool is_fixed(const TensorDef& t) {
  return t.role == Role::input || t.type.dtype == DType::i32 || t.type.dtype == DType::u8;
}

}  // namespace

struct NodeTimes::Place {
  Place(const ExecOptions& options, std::int64_t bytes)
      : pool(options.threads), arena(static_cast<std::size_t>(bytes)) {
    std::fill_n(arena.data(), arena.size(), std::byte{0});  // so that no run is the first to touch a page
  }
  ThreadPool pool;
  Arena arena;
  std::int64_t cursor = 0;
};

// A node that is ready to run at one place and at others.
class NodeTimes::Trial {
 public:
  Trial(const Program& program, const Node& node, const ExecOptions& options)
      : alone_(shortened(alone(program, node))) {
    const auto pool = ThreadPool::unstarted(options.threads);
    const Call call = describe(alone_.program, alone_.node, options, *pool);
    const Variant& variant = choose(alone_.node, call);
    if (variant.scratch_bytes) scratch_ = aligned(variant.scratch_bytes(call));
    for (const TensorDef& t : alone_.program.tensors)
      (is_fixed(t) ? fixed_ : moving_) += t.alias == Alias::version ? 0 : extent_bytes(t);
  }

  std::int64_t bytes() const { return scratch_ + fixed_ + moving_; }
  std::int64_t moving() const { return moving_; }
  std::int64_t fixed() const { return scratch_ + fixed_; }

  // Ids and lengths of zero, which every kernel takes, and scalars of one, which nothing divides by zero.
  void set_inputs(std::byte* fixed) const {
    std::byte* at = fixed + scratch_;
    for (const TensorDef& t : alone_.program.tensors) {
      if (!is_fixed(t) || t.alias == Alias::version) continue;
      std::fill_n(at, extent_bytes(t), std::byte{0});
      if (t.type.dtype == DType::f32)
        std::fill_n(reinterpret_cast<float*>(at), t.type.shape.elements(), 1.0f);
      at += extent_bytes(t);
    }
  }

  // How many times the trial's work the node's is.
  double share(const Program& program, const Node& node) const {
    const Cost of = node.op->cost(program, node), is = alone_.node.op->cost(alone_.program, alone_.node);
    if (is.flops > 0) return of.flops / is.flops;
    return is.bytes > 0 ? of.bytes / is.bytes : 1;
  }

  // Seconds of a run with the scratch and what is fixed at `fixed`, the rest at `moving`.
  double run(const ExecOptions& options, ThreadPool& pool, std::byte* fixed, std::byte* moving) const {
    Call call = describe(alone_.program, alone_.node, options, pool);
    std::vector<std::byte*> at(alone_.program.tensors.size());
    std::byte* next = fixed + scratch_;
    for (std::size_t i = 0; i < at.size(); ++i) {
      const TensorDef& t = alone_.program.tensors[i];
      std::byte*& from = is_fixed(t) ? next : moving;
      at[i] = t.alias == Alias::version ? at[static_cast<std::size_t>(t.base.value)]
                                        : std::exchange(from, from + extent_bytes(t));
    }
    const auto bind = [&](std::vector<Operand>& operands, const std::vector<TensorId>& ids) {
      for (std::size_t i = 0; i < ids.size(); ++i)
        if (ids[i]) operands[i].data = at[static_cast<std::size_t>(ids[i].value)];
    };
    bind(call.in, alone_.node.inputs);
    bind(call.out, alone_.node.outputs);
    call.scratch = fixed;
    const Variant& variant = choose(alone_.node, call);
    const auto start = Clock::now();
    variant.run(call);
    return seconds_since(start);
  }

 private:
  Alone alone_;
  std::int64_t scratch_ = 0, fixed_ = 0, moving_ = 0;
};

NodeTimes::NodeTimes(const ExecOptions& options, std::int64_t memory_bytes)
    : options_(options), memory_bytes_(memory_bytes) {}
NodeTimes::~NodeTimes() = default;

double NodeTimes::measure(const Trial& trial) {
  if (!place_ || static_cast<std::int64_t>(place_->arena.size()) < trial.bytes()) {
    place_.reset();
    const std::int64_t room = std::max(trial.bytes(), std::min(memory_bytes_, place_bytes));
    place_ = std::make_unique<Place>(options_, aligned(room));
  }
  std::byte* const start = place_->arena.data();
  const std::int64_t first = trial.fixed(), end = static_cast<std::int64_t>(place_->arena.size());
  const auto run = [&] {
    if (place_->cursor < first || place_->cursor + trial.moving() > end) place_->cursor = first;
    std::byte* const moving = start + std::exchange(place_->cursor, place_->cursor + trial.moving());
    return trial.run(options_, place_->pool, start, moving);
  };
  trial.set_inputs(start);
  run();  // touches pages, wakes threads
  std::vector<double> seconds;
  double all = 0;
  while (all < least_seconds && seconds.size() < most_runs) {
    seconds.push_back(run());
    all += seconds.back();
  }
  std::nth_element(seconds.begin(), seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2),
                   seconds.end());
  return 1e3 * seconds[seconds.size() / 2];
}

double NodeTimes::ms(const Program& program, const Node& node) {
  const auto [at, fresh] = known_.try_emplace(kind_of(program, node));
  if (!fresh) return at->second;
  const FloatModeGuard guard;
  const Trial trial(program, node, options_);
  return at->second = measure(trial) * trial.share(program, node);
}

double NodeTimes::ms(const Program& program) {
  double sum = 0;
  for (const Node& node : program.nodes) sum += ms(program, node);
  return sum;
}

}  // namespace hone
