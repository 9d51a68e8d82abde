#include "pass/simulate_codes.hpp"

#include <algorithm>

#include "pass/derived.hpp"

namespace hone {
namespace {

TensorId line_parameter(Program& p, const std::string& name, const Shape& groups) {
  return add_parameter(p, {.name = name, .shape = groups, .init = zeros(), .decay = false, .trained = false});
}

TensorId simulated(Program& p, TensorId weight, const op::SimulateAttributes& a) {
  const std::string name = p[weight].name;
  const Shape& shape = p[weight].type.shape;
  const Shape groups{shape[0], (shape[1] + a.group - 1) / a.group};
  const TensorId scales = line_parameter(p, scales_name(name), groups),
                 minima = line_parameter(p, minima_name(name), groups);
  const TensorId made = emit(p, op::simulate, {weight, scales, minima}, a, name, Phase::prepare)[0];
  set_derived(p[made], name, name + ".simulated");
  return made;
}

}  // namespace

void simulate_codes(Program& p, const SimulatedCodes& weights) {
  const std::size_t nodes = p.nodes.size();
  for (std::size_t i = 0, count = p.tensors.size(); i < count; ++i) {
    const TensorId weight{static_cast<std::int32_t>(i)};
    const auto found = weights.find(p[weight].name);
    if (found == weights.end() || p[weight].role != Role::parameter || p[weight].alias != Alias::none)
      continue;
    const TensorId rounded = simulated(p, weight, found->second);
    for (std::size_t n = 0; n < nodes; ++n)
      for (TensorId& id : p.nodes[n].inputs)
        if (id == weight) id = rounded;
  }
  // What prepares stands in front of who reads it.
  std::rotate(p.nodes.begin(), p.nodes.begin() + static_cast<std::ptrdiff_t>(nodes), p.nodes.end());
}

std::string scales_name(const std::string& weight) { return weight + ".scales"; }
std::string minima_name(const std::string& weight) { return weight + ".minima"; }

}  // namespace hone
