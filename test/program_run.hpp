// Small step programs and ways to run them on inputs that depend on names alone: by the executor's kernels,
// or by the ops' references.
#pragma once
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "exec/job.hpp"
#include "kernel/cross_entropy.hpp"
#include "op/builder_state.hpp"
#include "op/common.hpp"
#include "op/inputs.hpp"
#include "op/ops.hpp"
#include "pass/passes.hpp"

namespace hone {

inline Program settled(Program p) {
  remove_dead(p);
  verify(p);
  return p;
}

// Forward and loss of an architecture, as a training job writes them.
inline Program forward_and_loss(const Network& network, std::int64_t batch, std::int64_t seq,
                                const Objective& objective = next_token()) {
  return settled(write_forward(network, objective, {.batch = batch, .seq = seq, .training = true}).program);
}

inline Program with_backward(const Network& network, std::int64_t batch, std::int64_t seq, DType products,
                             const Objective& objective = next_token()) {
  Program p = forward_and_loss(network, batch, seq, objective);
  if (products != DType::f32) autocast(p, products), p = settled(std::move(p));
  differentiate(p);
  return settled(std::move(p));
}

inline constexpr float loss_scale = 0.125f;

// The first value of a tensor that outlives programs. Sums start as rubbish: a first micro-batch may not add
// to it.
inline void fill(const std::string& name, const TensorType& type, std::int64_t vocab_size, std::byte* data) {
  Stream stream(stream_key(name, 3));
  const Operand o{data, type, contiguous_strides(type.shape)};
  const std::int64_t n = type.shape.elements();
  for (std::int64_t i = 0; i < n; ++i) {
    const auto id = static_cast<double>(stream.below(static_cast<std::uint64_t>(vocab_size)));
    if (name == input::tokens)
      op::set(o, i, id);
    else if (name == input::labels)
      op::set(o, i, i % 5 == 3 ? kernel::ignored_label : id);
    else if (name == input::positions)
      op::set(o, i, static_cast<double>(i % type.shape.last()));
    else if (name == input::step)
      op::set(o, i, i == 0 ? 77 : 0);
    else if (name == input::loss_scale)
      op::set(o, i, static_cast<double>(loss_scale));
    else if (name == "$masses")
      op::set(o, i, 1.0 / static_cast<double>(type.shape.last()));
    else if (type.dtype == DType::i32)
      op::set(o, i, static_cast<double>(i % 5));
    else
      op::set(o, i, 0.4 * static_cast<double>(stream.normal()));
  }
}

// What a program leaves in the tensors that outlive it, and its first output, by name.
using Results = std::map<std::string, std::vector<std::byte>>;

inline Results run_program(const Program& p, std::int64_t vocab_size, ExecOptions options = {.threads = 2}) {
  Executor executor(JobPlan({p}, options));
  for (const auto& [name, shared] : executor.plan().shared())
    if (shared.tensor.role != Role::constant)
      fill(name, shared.tensor.type, vocab_size, executor.bytes(name).data());
  executor.run(0);
  Results results;
  for (const auto& each : executor.plan().shared()) {
    const auto bytes = executor.bytes(each.first);
    results[each.first] = {bytes.begin(), bytes.end()};
  }
  const auto losses = executor.output(0, p.output("loss"));
  results["the losses"] = {losses.begin(), losses.end()};
  return results;
}

inline std::vector<float> floats(const std::vector<std::byte>& bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

// A program on the ops' references, each tensor in memory of its own.
class ReferenceRun {
 public:
  ReferenceRun(const Program& p, std::int64_t vocab_size) : p_(p), pool_(ThreadPool::unstarted(1)) {
    for (const TensorDef& t : p.tensors) {
      memory_.emplace_back(t.alias == Alias::none ? static_cast<std::size_t>(t.type.bytes()) : 0);
      if (t.role == Role::constant)
        std::copy(t.values->begin(), t.values->end(), memory_.back().begin());
      else if (t.role != Role::activation && t.alias == Alias::none)
        fill(t.name, t.type, vocab_size, memory_.back().data());
    }
    for (const Node& node : p.nodes) {
      calls_.push_back(describe(p, node, {}, *pool_));
      for (std::size_t i = 0; i < node.inputs.size(); ++i)
        if (node.inputs[i]) calls_.back().in[i].data = address(node.inputs[i]);
      for (std::size_t i = 0; i < node.outputs.size(); ++i)
        calls_.back().out[i].data = address(node.outputs[i]);
    }
  }
  void run() {
    for (std::size_t n = 0; n < calls_.size(); ++n) p_.nodes[n].op->reference(calls_[n]);
  }
  // scale * the sum of the losses: what gradients are of.
  double loss() {
    run();
    double sum = 0;
    for (const float x : floats(memory_[static_cast<std::size_t>(p_.root(p_.output("loss")).value)]))
      sum += static_cast<double>(x);
    return static_cast<double>(loss_scale) * sum;
  }
  float* values(TensorId id) { return reinterpret_cast<float*>(address(id)); }

 private:
  std::byte* address(TensorId id) {
    return memory_[static_cast<std::size_t>(p_.root(id).value)].data() +
           p_[id].offset * size_bytes(p_[id].type.dtype);
  }
  const Program& p_;
  std::unique_ptr<ThreadPool> pool_;
  std::vector<std::vector<std::byte>> memory_;
  std::vector<Call> calls_;
};

}  // namespace hone
