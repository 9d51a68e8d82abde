// A job: programs over one arena, planned whole before any memory is taken.
//
// The arena holds, from its start: the workspace, which the programs use in turn (activations and kernels'
// scratch), then what they share by name: inputs, constants, states, parameters. `JobPlan` is a value;
// `Executor` takes the memory that it states and runs the programs.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/thread_pool.hpp"
#include "layout/bind.hpp"
#include "layout/memory_plan.hpp"

namespace hone {

// The defaults decided: 0 threads are all cores, an empty isa the best of this CPU. Error(usage) for what
// this machine cannot do.
ExecOptions exec_options(int threads, const std::string& isa);

struct Shared {             // a tensor that outlives a program
  TensorDef tensor;         // as the first program that has it defines it; of an input, the largest
  std::int64_t offset = 0;  // -1: held outside the arena
};

// Tensors that lie elsewhere: several jobs may read the same ones. Written only by a job whose nodes do.
using HeldTensors = std::map<std::string, std::span<std::byte>>;

class JobPlan {
 public:
  // The tensors named in `held` get no place in the arena; the executor is given them.
  JobPlan(std::vector<Program> programs, ExecOptions options, const std::set<std::string>& held = {});

  const std::vector<Program>& programs() const { return programs_; }
  const ExecOptions& options() const { return options_; }
  const std::map<std::string, Shared>& shared() const { return shared_; }
  bool holds(const std::string& name) const;  // is it a shared tensor that has no place in the arena?
  const Workspace& workspace(std::size_t program) const { return workspaces_[program]; }
  // The inputs that a program of the list reads, found once.
  const std::vector<TensorId>& inputs(std::size_t program) const { return inputs_[program]; }
  std::int64_t arena_bytes() const { return arena_bytes_; }
  std::int64_t workspace_bytes() const { return workspace_bytes_; }
  std::int64_t held_bytes() const { return held_bytes_; }
  std::string print(std::size_t program) const;  // one line a node, with the kernel that runs it

 private:
  void plan_shared(const std::set<std::string>& held);

  std::vector<Program> programs_;
  ExecOptions options_;
  std::vector<Workspace> workspaces_;
  std::vector<std::vector<TensorId>> inputs_;
  std::map<std::string, Shared> shared_;  // by name, so that the layout depends on nothing else
  std::int64_t workspace_bytes_ = 0, arena_bytes_ = 0, held_bytes_ = 0;
};

struct NotFinite {
  std::string where;  // "op @name", or "the weight NAME" that was so before
  DType dtype;        // of the tensor
};

class Executor {
 public:
  // `held`: 64-byte aligned, valid as long as the executor, one for each name that the plan holds elsewhere.
  explicit Executor(JobPlan plan, HeldTensors held = {});
  ~Executor();
  Executor(Executor&&) noexcept;
  Executor& operator=(Executor&&) noexcept;

  const JobPlan& plan() const;
  // False: stopped between two nodes, and what the program writes is half written.
  bool run(std::size_t program, const std::stop_token& stop = {});
  // Some of its nodes, from `first` to before `end`; those before have just been run.
  bool run_nodes(std::size_t program, std::size_t first, std::size_t end, const std::stop_token& stop = {});

  // A shared tensor by name, wherever it lies, or an output of a program (valid until the next run of any
  // program).
  std::span<std::byte> bytes(const std::string& name);
  // An input of a program, in that program's own size: programs may differ in an input's shape, for it is
  // written before each run.
  std::span<std::byte> input(std::size_t program, TensorId id);
  template <class T>
  std::span<T> view(const std::string& name) {
    const auto b = bytes(name);
    return {reinterpret_cast<T*>(b.data()), b.size() / sizeof(T)};
  }
  std::span<const std::byte> output(std::size_t program, TensorId id) const;
  template <class T>
  std::span<const T> output_view(std::size_t program, std::string_view name) const {
    const auto b = output(program, plan().programs()[program].output(name));
    return {reinterpret_cast<const T*>(b.data()), b.size() / sizeof(T)};
  }

  // Times each node from here on; milliseconds by op name since then.
  void profile(bool on);
  std::map<std::string, double> profile_ms() const;

  // Runs a program node by node and names the first whose output holds an infinity or NaN; none when all are
  // finite. For diagnosis after the fact; of its first `nodes` nodes where more would do harm.
  std::optional<NotFinite> first_not_finite(std::size_t program, std::size_t nodes = std::size_t(-1));

  std::span<std::byte> arena();  // for tests that look at what was touched
  ThreadPool& pool();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hone
