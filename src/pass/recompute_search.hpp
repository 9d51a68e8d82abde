// What to make again instead of keeping, so that a program's workspace fits in so many bytes at the least
// added time. Choices are a tensor at a time; no solver is needed: a few thousand candidates are measured,
// which takes well under a second for a program of some thousand nodes, and the best is checked by the real
// placement.
//
//   RecomputeSearch search(micro, options, node_ms);
//   if (const auto found = search.within(bytes)) recompute(micro, found->tensors);
//   else ... search.least_bytes() ...
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "pass/recompute.hpp"
#include "pass/recompute_flow.hpp"

namespace hone {

struct FoundRecompute {
  std::vector<Recomputed> tensors;
  std::int64_t workspace_bytes = 0;  // as placed
  double again_ms = 0;
};

class RecomputeSearch {
 public:
  // The program must outlive the search; node_ms: the time of one repetition of a node.
  RecomputeSearch(const Program& program, const ExecOptions& options,
                  const std::function<double(const Program&, const Node&)>& node_ms);

  std::optional<FoundRecompute> within(std::int64_t workspace_bytes);
  const FoundRecompute& least();  // the smallest workspace that it knows a way to

 private:
  struct State {
    Choice choice;
    Measure measure;
  };
  using Move = std::vector<std::pair<std::int32_t, std::int32_t>>;  // storages, and what becomes of them

  void find_cuts();
  void list_moves();
  State measured(Choice choice);
  State checkpoints(std::size_t every);
  State after(const State& state, const Move& move);
  double excess(std::int64_t target) const;
  State keep_less(State state, std::int64_t target);
  std::vector<Move> ways_back(const State& state) const;
  State keep_more(State state);
  State exchange(State state);
  bool small() const;
  bool fits(const State& state) const;
  std::optional<State> best(std::int64_t greedy_target);
  FoundRecompute placed(const State& state) const;
  FoundRecompute smaller(State state);

  const Program& program_;
  ExecOptions options_;
  Flow flow_;
  Scheduler scheduler_;
  Meter meter_;
  std::vector<std::int32_t> droppable_;
  std::vector<std::vector<std::int32_t>>
      cuts_;                           // what lives where little does, in the order of the forward part
  std::vector<std::int32_t> segment_;  // of each storage: behind which of the cuts it is made, from 1 on
  std::vector<Move> moves_;
  std::int64_t limit_ = 0, target_ = 0;  // of the workspace as placed, and as measured
  std::optional<FoundRecompute> least_;
};

}  // namespace hone
