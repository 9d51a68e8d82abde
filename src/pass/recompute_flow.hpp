// A program as recomputation sees it: which storages its nodes make and read, what can be made once more, and
// the order of nodes that follows from what is not kept between forward and backward. The pass writes that
// order as a program; the search measures thousands of them.
#pragma once
#include <cstdint>
#include <functional>
#include <vector>

#include "ir/op_record.hpp"
#include "layout/bind.hpp"
#include "layout/memory_plan.hpp"

namespace hone {

// A node, or a cheaper one that makes one of its outputs from another (OpRecord::remake). Operands are the
// activations' storages, each once, by the numbers of the tensors that own them.
struct Work {
  std::vector<std::int32_t> in, out;
  std::vector<std::int32_t> over{};  // of each output: the storage in `in` that it may overwrite, or -1
  std::int64_t scratch_bytes = 0;
  double ms = 0;
  std::int32_t node = -1;   // whose work it is
  std::int32_t until = 0;   // the node that writes a next version of something that it reads
  bool repeatable = false;  // makes activations only, forward, whole
};

struct Flow {
  // `ms` of a node is what a repetition costs; null: nothing is known of time.
  Flow(const Program& program, const ExecOptions& options,
       const std::function<double(const Program&, const Node&)>& ms = {});

  // A storage that a forward node makes whole and that a backward node reads.
  bool droppable(std::int32_t storage) const;
  std::vector<std::int32_t> droppable() const;

  const Program& program;
  std::vector<Work> works;           // of the nodes, then remakes
  std::vector<std::int64_t> bytes;   // of each storage
  std::vector<std::int32_t> maker;   // of each storage: the one node that makes it whole; -1
  std::vector<std::int32_t> remake;  // of each storage: the work that makes it from `remake_from`; -1
  std::vector<std::int32_t> remake_from;
  std::vector<bool> output;         // is it there when the program ends?
  std::vector<bool> read_backward;  // by a node of the backward part

 private:
  Work work_of(const Node& node, const std::vector<std::int32_t>& replaced) const;
  void add_remake(std::int32_t node, const std::function<double(const Program&, const Node&)>& ms);
};

// What becomes of each storage between forward and backward, by the numbers of tensors. A group, from 1 on:
// where it is only an ingredient of storages of other groups it goes at once, and is made once more when its
// own group's turn comes. So a stretch of layers can be gone through twice with one layer's inside at a time.
constexpr std::int32_t kept = -1, made_again = 0;
using Choice = std::vector<std::int32_t>;

// The order of works. Instances are the copies of storages: the first one, and those made again.
struct Schedule {
  struct Step {
    std::int32_t work, operands;  // the first of its operands: inputs, then outputs, as the work lists them
    bool again;
  };
  std::vector<Step> steps;
  std::vector<std::int32_t> operands;    // instances
  std::vector<std::int32_t> storage_of;  // of each instance
  bool possible = true;                  // does nothing read what has been overwritten by then?
};

class Scheduler {
 public:
  explicit Scheduler(const Flow& flow);
  const Schedule& schedule(const Choice& choice);  // until the next one is asked for

 private:
  void begin(const Choice& choice);
  std::int32_t instance(std::int32_t storage);
  std::int32_t first(std::int32_t storage);
  std::int32_t needed(std::int32_t storage, std::int32_t group);
  void make(std::int32_t storage, std::int32_t group);
  std::int32_t work_for(std::int32_t storage) const;
  void run(std::int32_t node);

  const Flow& flow_;
  const Choice* choice_ = nullptr;
  Schedule made_;
  std::vector<std::int32_t> first_, again_, passing_;  // instances of each storage; -1
  std::vector<std::int32_t> passed_;                   // storages in passing_
  std::int32_t at_ = 0;                                // the node whose turn it is
};

// Bytes that live at each step, scratch included, were there no gaps between blocks; and the time of what is
// made again.
struct Measure {
  std::int64_t peak_bytes = 0;
  double again_ms = 0;
};

class Meter {
 public:
  explicit Meter(const Flow& flow) : flow_(flow) {}
  Measure measure(const Schedule& schedule);
  const std::vector<std::int64_t>& live_bytes() const { return live_; }  // at each step of the last one

 private:
  const Flow& flow_;
  std::vector<std::int64_t> live_;
  std::vector<std::int32_t> last_;
  std::vector<char> there_;
};

}  // namespace hone
