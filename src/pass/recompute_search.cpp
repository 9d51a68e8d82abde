#include "pass/recompute_search.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

namespace hone {
namespace {

constexpr std::size_t small_program =
    150;  // nodes; a larger one has enough to choose from without second tries
constexpr std::int64_t impossible = std::numeric_limits<std::int64_t>::max();

std::size_t index(std::int32_t i) { return static_cast<std::size_t>(i); }

}  // namespace

RecomputeSearch::RecomputeSearch(const Program& program, const ExecOptions& options,
                                 const std::function<double(const Program&, const Node&)>& node_ms)
    : program_(program),
      options_(options),
      flow_(program, options, node_ms),
      scheduler_(flow_),
      meter_(flow_),
      droppable_(flow_.droppable()),
      segment_(program.tensors.size(), 0) {
  find_cuts();
  list_moves();
}

bool RecomputeSearch::small() const { return program_.nodes.size() < small_program; }

// The forward part is cut where fewer bytes are to be read by what follows than before and behind: between
// the layers of a network.
void RecomputeSearch::find_cuts() {
  const auto nodes = static_cast<std::int32_t>(program_.nodes.size());
  std::vector<std::int32_t> last(flow_.bytes.size(), -1), forward;
  for (std::int32_t n = 0; n < nodes; ++n) {
    if (!flow_.works[index(n)].repeatable) continue;
    forward.push_back(n);
    for (const std::int32_t s : flow_.works[index(n)].in) last[index(s)] = n;
  }
  std::vector<std::vector<std::int32_t>> live(forward.size());
  std::vector<std::int64_t> bytes(forward.size(), 0);
  std::vector<std::int32_t> now;
  for (std::size_t i = 0; i < forward.size(); ++i) {
    for (const std::int32_t s : flow_.works[index(forward[i])].out) now.push_back(s);
    std::erase_if(now, [&](std::int32_t s) { return last[index(s)] <= forward[i]; });
    live[i] = now;
    for (const std::int32_t s : now) bytes[i] += flow_.bytes[index(s)];
  }
  for (std::size_t i = 0; i < forward.size(); ++i) {
    const bool edge = i == 0 || i + 1 == forward.size();
    if (!edge && bytes[i] > 0 && bytes[i] <= bytes[i - 1] && bytes[i] < bytes[i + 1])
      cuts_.push_back(live[i]);
    const auto behind = static_cast<std::int32_t>(cuts_.size()) + 1;
    if (i + 1 < forward.size())
      for (const std::int32_t s : flow_.works[index(forward[i + 1])].out) segment_[index(s)] = behind;
  }
}

// A tensor; what one node makes; what lies between two cuts.
void RecomputeSearch::list_moves() {
  std::map<std::int32_t, Move> of_node, of_segment;
  std::vector<bool> cut(flow_.bytes.size(), false);
  for (const auto& storages : cuts_)
    for (const std::int32_t s : storages) cut[index(s)] = true;
  for (const std::int32_t s : droppable_) {
    moves_.push_back({{s, made_again}});
    of_node[flow_.maker[index(s)]].emplace_back(s, made_again);
    if (!cut[index(s)]) of_segment[segment_[index(s)]].emplace_back(s, made_again);
  }
  for (const auto* several : {&of_node, &of_segment})
    for (const auto& each : *several)
      if (each.second.size() > 1) moves_.push_back(each.second);
}

RecomputeSearch::State RecomputeSearch::measured(Choice choice) {
  const Schedule& schedule = scheduler_.schedule(choice);
  State state{std::move(choice), meter_.measure(schedule)};
  if (!schedule.possible) state.measure = {.peak_bytes = impossible, .again_ms = HUGE_VAL};
  return state;
}

RecomputeSearch::State RecomputeSearch::after(const State& state, const Move& move) {
  Choice choice = state.choice;
  for (const auto& [storage, what] : move) choice[index(storage)] = what;
  return measured(std::move(choice));
}

// All is made again but what lives at every so many-th cut; with more than one cut between two of those, the
// inside of a layer passes once on the way to the next, and is made once more in its turn.
RecomputeSearch::State RecomputeSearch::checkpoints(std::size_t every) {
  Choice choice(flow_.bytes.size(), kept);
  for (const std::int32_t s : droppable_) choice[index(s)] = every == 1 ? made_again : segment_[index(s)];
  for (std::size_t c = cuts_.size(); c-- > 0;)
    for (const std::int32_t s : cuts_[c])
      if (flow_.droppable(s)) choice[index(s)] = c % every == 0 ? kept : made_again;
  return measured(std::move(choice));
}

// How far, and for how long, the last measured order is above the target.
double RecomputeSearch::excess(std::int64_t target) const {
  double sum = 0, most = 0;
  for (const std::int64_t live : meter_.live_bytes()) {
    const auto above = static_cast<double>(std::max<std::int64_t>(0, live - target));
    sum += above;
    most = std::max(most, above);
  }
  return sum + most * static_cast<double>(program_.nodes.size()) / 4;
}

// Greedy: the move that takes most off the excess for its time, measured anew when its turn comes (what it
// was worth before others is a good guess of what it is worth behind them).
RecomputeSearch::State RecomputeSearch::keep_less(State state, std::int64_t target) {
  state = measured(std::move(state.choice));
  double above = excess(target), left = above;  // now, and behind the move last measured
  State next;
  const auto worth = [&](std::size_t m) {
    next = after(state, moves_[m]);
    left = excess(target);
    const double ms = next.measure.again_ms - state.measure.again_ms;
    return left >= above ? 0.0 : (above - left) / std::max(ms, 1e-3);
  };
  std::vector<std::pair<double, std::size_t>> queue;
  for (std::size_t m = 0; m < moves_.size(); ++m) queue.emplace_back(worth(m), m);
  std::make_heap(queue.begin(), queue.end());
  while (state.measure.peak_bytes > target && !queue.empty()) {
    std::pop_heap(queue.begin(), queue.end());
    const auto [was, m] = queue.back();
    queue.pop_back();
    const double is = was > 0 ? worth(m) : 0;
    if (is <= 0) continue;
    if (!queue.empty() && is < queue.front().first) {
      queue.emplace_back(is, m);
      std::push_heap(queue.begin(), queue.end());
      continue;
    }
    state = std::move(next);
    above = left;
  }
  return state;
}

// Ways to make less again: what a node makes is kept, all of it or a part, dearest by its bytes first.
std::vector<RecomputeSearch::Move> RecomputeSearch::ways_back(const State& state) const {
  std::map<std::int32_t, Move> of_node;
  for (const std::int32_t s : droppable_)
    if (state.choice[index(s)] != kept) of_node[flow_.maker[index(s)]].emplace_back(s, kept);
  std::vector<std::pair<double, Move>> by_worth;
  const auto add = [&](const Move& move, double ms) {
    std::int64_t bytes = 1;
    for (const auto& each : move) bytes += flow_.bytes[index(each.first)];
    by_worth.emplace_back(ms / static_cast<double>(bytes), move);
  };
  for (const auto& [node, move] : of_node) {
    const double ms = flow_.works[index(node)].ms;
    add(move, ms);
    for (const auto& each : move) {
      if (move.size() > 1) add({each}, ms / 2);
      if (state.choice[index(each.first)] != made_again) add({{each.first, made_again}}, ms);
    }
  }
  std::stable_sort(by_worth.begin(), by_worth.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<Move> moves;
  for (auto& each : by_worth) moves.push_back(std::move(each.second));
  return moves;
}

RecomputeSearch::State RecomputeSearch::keep_more(State state) {
  for (const Move& move : ways_back(state)) {
    State next = after(state, move);
    if (next.measure.again_ms < state.measure.again_ms && fits(next)) state = std::move(next);
  }
  return state;
}

// Keeps something and makes something else again where that is faster, within so many tries: in a small
// program each tensor weighs, in one of many layers there is always one that fits.
RecomputeSearch::State RecomputeSearch::exchange(State state) {
  std::size_t tries = std::min<std::size_t>(4000, 300'000 / program_.nodes.size());
  for (bool changed = true; changed && tries > 0;) {
    changed = false;
    for (const Move& back : ways_back(state)) {
      const State without = after(state, back);
      if (without.measure.again_ms >= state.measure.again_ms) continue;
      for (const Move& move : moves_) {
        if (changed || tries == 0) break;
        if (without.choice[index(move[0].first)] != kept || move[0].first == back[0].first) continue;
        --tries;
        State next = after(without, move);
        if (next.measure.again_ms >= state.measure.again_ms || !fits(next)) continue;
        state = std::move(next);
        changed = true;
      }
      if (changed || tries == 0) break;
    }
  }
  return state;
}

// Blocks leave gaps. A small program is placed to see whether it fits; of a large one the target leaves room.
bool RecomputeSearch::fits(const State& state) const {
  if (state.measure.peak_bytes > target_) return false;
  return !small() || placed(state).workspace_bytes <= limit_;
}

std::optional<RecomputeSearch::State> RecomputeSearch::best(std::int64_t greedy_target) {
  std::optional<State> found;
  const auto consider = [&](State state) {
    if (!fits(state)) return;
    state = exchange(keep_more(std::move(state)));
    if (!found || state.measure.again_ms < found->measure.again_ms) found = std::move(state);
  };
  consider(keep_less(measured(Choice(flow_.bytes.size(), kept)), greedy_target));
  if (!found || small()) consider(checkpoints(1));
  for (std::size_t every = 2; !found && every <= cuts_.size(); ++every) consider(checkpoints(every));
  return found;
}

FoundRecompute RecomputeSearch::placed(const State& state) const {
  FoundRecompute found{.tensors = {}, .again_ms = state.measure.again_ms};
  for (const std::int32_t s : droppable_)
    if (state.choice[index(s)] != kept) found.tensors.push_back({{s}, state.choice[index(s)]});
  Program program = program_;
  recompute(program, found.tensors);
  found.workspace_bytes = hone::workspace_bytes(program, options_);
  return found;
}

std::optional<FoundRecompute> RecomputeSearch::within(std::int64_t bytes) {
  limit_ = bytes;
  std::int64_t target = bytes;
  for (int round = 0; round < (small() ? 24 : 6) && target > 0; ++round) {
    target_ = small() ? aligned(bytes) : target;
    const auto state = best(target);
    if (!state && !small()) break;
    const FoundRecompute found = state ? placed(*state) : FoundRecompute{.workspace_bytes = bytes + 1};
    if (found.workspace_bytes <= bytes) return found;
    target -= std::max(found.workspace_bytes - bytes, bytes / 64);
  }
  if (least().workspace_bytes <= bytes) return least();
  return {};
}

// Of a small program, where each block weighs: whatever single change makes the workspace smaller.
FoundRecompute RecomputeSearch::smaller(State state) {
  FoundRecompute found = placed(state);
  for (bool changed = small(); changed;) {
    changed = false;
    std::vector<Move> ways = ways_back(state);
    ways.insert(ways.end(), moves_.begin(), moves_.end());
    for (const Move& way : ways) {
      State next = after(state, way);
      if (next.measure.peak_bytes > found.workspace_bytes) continue;
      FoundRecompute as_placed = placed(next);
      if (as_placed.workspace_bytes >= found.workspace_bytes) continue;
      state = std::move(next);
      found = std::move(as_placed);
      changed = true;
    }
  }
  return found;
}

const FoundRecompute& RecomputeSearch::least() {
  if (least_) return *least_;
  least_ = smaller(measured(Choice(flow_.bytes.size(), kept)));
  int worse = 0;
  for (std::size_t every = 1; worse < 2 && every <= std::max<std::size_t>(1, cuts_.size()); ++every) {
    State state = checkpoints(every);
    if (state.measure.peak_bytes == impossible) continue;
    FoundRecompute found = smaller(std::move(state));
    if (found.workspace_bytes < least_->workspace_bytes)
      least_ = std::move(found);
    else
      ++worse;
  }
  return *least_;
}

}  // namespace hone
