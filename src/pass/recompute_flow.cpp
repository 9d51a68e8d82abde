#include "pass/recompute_flow.hpp"

#include <algorithm>
#include <limits>

namespace hone {
namespace {

std::size_t index(std::int32_t i) { return static_cast<std::size_t>(i); }

// The storage of an activation, or -1.
std::int32_t storage(const Program& p, TensorId id) {
  if (!id) return -1;
  const TensorId root = p.root(id);
  return p[root].role == Role::activation ? root.value : -1;
}

void add_once(std::vector<std::int32_t>& list, std::int32_t storage) {
  if (storage >= 0 && std::find(list.begin(), list.end(), storage) == list.end()) list.push_back(storage);
}

// Of each tensor, the node that writes its next version.
std::vector<std::int32_t> replacements(const Program& p) {
  std::vector<std::int32_t> replaced(p.tensors.size(), std::numeric_limits<std::int32_t>::max());
  for (std::size_t n = 0; n < p.nodes.size(); ++n)
    for (const TensorId id : p.nodes[n].outputs)
      if (p[id].alias == Alias::version && p[id].previous)
        replaced[index(p[id].previous.value)] = static_cast<std::int32_t>(n);
  return replaced;
}

// The storage that output `o` may overwrite, by the rules of the memory plan (layout/memory_plan.cpp).
std::int32_t overwritten(const Program& p, const Node& node, std::size_t o) {
  const int over = node.op->alias ? node.op->alias(node, static_cast<int>(o)) : -1;
  if (over < 0 || p[node.outputs[o]].alias != Alias::none) return -1;
  const TensorId input = node.inputs[index(over)];
  const bool fits = p[input].alias == Alias::none && p[input].type.bytes() == p[node.outputs[o]].type.bytes();
  return fits ? storage(p, input) : -1;
}

}  // namespace

Flow::Flow(const Program& p, const ExecOptions& options,
           const std::function<double(const Program&, const Node&)>& ms)
    : program(p),
      bytes(p.tensors.size(), 0),
      maker(p.tensors.size(), -1),
      remake(p.tensors.size(), -1),
      remake_from(p.tensors.size(), -1),
      output(p.tensors.size(), false),
      read_backward(p.tensors.size(), false) {
  const auto scratch = scratch_bytes(p, options);
  const auto replaced = replacements(p);
  std::vector<char> makers(p.tensors.size(), 0);
  for (std::size_t n = 0; n < p.nodes.size(); ++n) {
    works.push_back(work_of(p.nodes[n], replaced));
    Work& work = works.back();
    work.node = static_cast<std::int32_t>(n);
    work.scratch_bytes = scratch[n];
    if (ms && work.repeatable) work.ms = ms(p, p.nodes[n]);
    for (const std::int32_t s : work.out) {
      bytes[index(s)] = aligned(p.tensors[index(s)].type.bytes());
      maker[index(s)] = makers[index(s)]++ == 0 && work.repeatable ? work.node : -1;
    }
    if (p.nodes[n].backward)
      for (const std::int32_t s : work.in) read_backward[index(s)] = true;
  }
  for (const Output& o : p.outputs)
    if (const std::int32_t s = storage(p, o.id); s >= 0) output[index(s)] = true;
  for (std::size_t n = 0; n < p.nodes.size(); ++n) add_remake(static_cast<std::int32_t>(n), ms);
}

Work Flow::work_of(const Node& node, const std::vector<std::int32_t>& replaced) const {
  Work work{.in = {}, .out = {}, .until = std::numeric_limits<std::int32_t>::max()};
  for (const TensorId id : node.inputs) {
    if (!id) continue;
    add_once(work.in, storage(program, id));
    work.until = std::min(work.until, replaced[index(id.value)]);
  }
  work.repeatable = !node.backward && node.phase == Phase::micro;
  for (std::size_t o = 0; o < node.outputs.size(); ++o) {
    const TensorDef& t = program[node.outputs[o]];
    work.repeatable = work.repeatable && t.role == Role::activation && t.alias == Alias::none;
    add_once(work.out, storage(program, node.outputs[o]));
    if (work.over.size() < work.out.size()) work.over.push_back(overwritten(program, node, o));
  }
  return work;
}

void Flow::add_remake(std::int32_t n, const std::function<double(const Program&, const Node&)>& ms) {
  const Node& node = program.nodes[index(n)];
  if (!works[index(n)].repeatable || !node.op->remake) return;
  const auto way = node.op->remake(node);
  if (!way) return;
  const std::int32_t to = node.outputs[way->output].value, from = node.outputs[way->from].value;
  if (maker[index(to)] != n) return;
  Node cheaper = node;
  cheaper.op = way->op;
  cheaper.inputs = {node.outputs[way->from]};
  cheaper.outputs = {node.outputs[way->output]};
  cheaper.attributes = way->attributes;
  remake[index(to)] = static_cast<std::int32_t>(works.size());
  remake_from[index(to)] = from;
  works.push_back({.in = {from},
                   .out = {to},
                   .over = {-1},
                   .ms = ms ? ms(program, cheaper) : 0,
                   .node = n,
                   .until = std::numeric_limits<std::int32_t>::max(),
                   .repeatable = true});
}

bool Flow::droppable(std::int32_t s) const {
  return maker[index(s)] >= 0 && read_backward[index(s)] && !output[index(s)];
}

std::vector<std::int32_t> Flow::droppable() const {
  std::vector<std::int32_t> found;
  for (std::size_t s = 0; s < maker.size(); ++s)
    if (droppable(static_cast<std::int32_t>(s))) found.push_back(static_cast<std::int32_t>(s));
  return found;
}

// --- the order -------------------------------------------------------------------------------------------

Scheduler::Scheduler(const Flow& flow) : flow_(flow) {}

void Scheduler::begin(const Choice& choice) {
  choice_ = &choice;
  made_.steps.clear(), made_.operands.clear(), made_.storage_of.clear();
  made_.possible = true;
  for (auto* instances : {&first_, &again_, &passing_}) instances->assign(flow_.bytes.size(), -1);
  passed_.clear();
}

const Schedule& Scheduler::schedule(const Choice& choice) {
  begin(choice);
  for (at_ = 0; index(at_) < flow_.program.nodes.size(); ++at_) run(at_);
  return made_;
}

std::int32_t Scheduler::instance(std::int32_t storage) {
  made_.storage_of.push_back(storage);
  return static_cast<std::int32_t>(made_.storage_of.size()) - 1;
}

void Scheduler::run(std::int32_t n) {
  const Work& work = flow_.works[index(n)];
  const bool backward = flow_.program.nodes[index(n)].backward;
  // Before the step begins: making one may come upon others.
  if (backward)
    for (const std::int32_t s : work.in) needed(s, (*choice_)[index(s)]);
  made_.steps.push_back({n, static_cast<std::int32_t>(made_.operands.size()), false});
  for (const std::int32_t s : work.in)
    made_.operands.push_back(backward ? needed(s, (*choice_)[index(s)]) : first(s));
  for (const std::int32_t s : work.out) made_.operands.push_back(first(s));
  for (const std::int32_t s : passed_) passing_[index(s)] = -1;
  passed_.clear();
}

// The program's own. A sum that lives no longer than the program is read by the node that begins it.
std::int32_t Scheduler::first(std::int32_t s) {
  if (first_[index(s)] < 0) first_[index(s)] = instance(s);
  return first_[index(s)];
}

std::int32_t Scheduler::needed(std::int32_t s, std::int32_t group) {
  if ((*choice_)[index(s)] == kept) return first(s);
  if (again_[index(s)] < 0 && passing_[index(s)] < 0) make(s, group);
  return again_[index(s)] >= 0 ? again_[index(s)] : passing_[index(s)];
}

std::int32_t Scheduler::work_for(std::int32_t s) const {
  const std::int32_t from = flow_.remake_from[index(s)];
  const bool there = from >= 0 && ((*choice_)[index(from)] == kept || again_[index(from)] >= 0);
  return there ? flow_.remake[index(s)] : flow_.maker[index(s)];
}

void Scheduler::make(std::int32_t storage, std::int32_t group) {
  const std::int32_t number = work_for(storage);
  const Work& work = flow_.works[index(number)];
  made_.possible = made_.possible && at_ <= work.until;
  for (const std::int32_t s : work.in) needed(s, group);
  made_.steps.push_back({number, static_cast<std::int32_t>(made_.operands.size()), true});
  for (const std::int32_t s : work.in) made_.operands.push_back(needed(s, group));
  for (const std::int32_t s : work.out) {
    const std::int32_t copy = instance(s), what = (*choice_)[index(s)];
    made_.operands.push_back(copy);
    if (what == kept) continue;  // a by-product
    if (what == made_again || what == group) {
      if (again_[index(s)] < 0) again_[index(s)] = copy;
    } else if (passing_[index(s)] < 0) {
      passing_[index(s)] = copy;
      passed_.push_back(s);
    }
  }
}

// --- what it needs ---------------------------------------------------------------------------------------

Measure Meter::measure(const Schedule& schedule) {
  const auto steps = static_cast<std::int32_t>(schedule.steps.size());
  const auto end_of = [&](std::int32_t k) {
    return k + 1 < steps ? schedule.steps[index(k + 1)].operands
                         : static_cast<std::int32_t>(schedule.operands.size());
  };
  last_.assign(schedule.storage_of.size(), 0);
  there_.assign(schedule.storage_of.size(), 0);
  for (std::int32_t k = 0; k < steps; ++k)
    for (std::int32_t i = schedule.steps[index(k)].operands; i < end_of(k); ++i)
      last_[index(schedule.operands[index(i)])] = k;
  for (std::size_t i = 0; i < last_.size(); ++i)  // no output is made again
    if (flow_.output[index(schedule.storage_of[i])]) last_[i] = steps;
  Measure m;
  live_.assign(index(steps), 0);
  std::int64_t live = 0;
  for (std::int32_t k = 0; k < steps; ++k) {
    const Schedule::Step& step = schedule.steps[index(k)];
    const Work& work = flow_.works[index(step.work)];
    const std::int32_t outputs = step.operands + static_cast<std::int32_t>(work.in.size());
    if (step.again) m.again_ms += work.ms;
    for (std::size_t o = 0; o < work.out.size(); ++o) {
      const std::int32_t made = schedule.operands[index(outputs) + o];
      if (there_[index(made)]) continue;
      there_[index(made)] = 1;
      live += flow_.bytes[index(work.out[o])];
      for (std::size_t i = 0; i < work.in.size(); ++i) {  // in the place of an input that nobody reads again
        const std::int32_t read = schedule.operands[index(step.operands) + i];
        if (work.in[i] != work.over[o] || last_[index(read)] != k || !there_[index(read)]) continue;
        there_[index(read)] = 0;
        live -= flow_.bytes[index(work.in[i])];
        break;
      }
    }
    live_[index(k)] = live + work.scratch_bytes;
    m.peak_bytes = std::max(m.peak_bytes, live_[index(k)]);
    for (std::int32_t i = step.operands; i < end_of(k); ++i) {
      const std::int32_t each = schedule.operands[index(i)];
      if (last_[index(each)] != k || !there_[index(each)]) continue;
      there_[index(each)] = 0;
      live -= flow_.bytes[index(schedule.storage_of[index(each)])];
    }
  }
  return m;
}

}  // namespace hone
