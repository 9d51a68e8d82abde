#include "pass/simulate_codes.hpp"

#include <algorithm>

#include "pass/derived.hpp"

namespace hone {
namespace {

TensorId line_parameter(Program& p, const std::string& name, const Shape& groups) {
  return add_parameter(p, {.name = name, .shape = groups, .init = zeros(), .decay = false, .trained = false});
}

TensorId derived(Program& p, TensorId weight, TensorId made) {
  set_derived(p[made], p[weight].name, p[weight].name + ".simulated");
  return made;
}

TensorId simulated(Program& p, TensorId weight, const op::SimulateAttributes& a) {
  const std::string name = p[weight].name;
  const Shape& shape = p[weight].type.shape;
  const Shape groups{shape[0], (shape[1] + a.group - 1) / a.group};
  const TensorId scales = line_parameter(p, scales_name(name), groups),
                 minima = line_parameter(p, minima_name(name), groups);
  return derived(p, weight, emit(p, op::simulate, {weight, scales, minima}, a, name, Phase::prepare)[0]);
}

TensorId rounded(Program& p, TensorId weight, const op::RoundWeightAttributes& a) {
  return derived(p, weight, emit(p, op::round_weight, {weight}, a, p[weight].name, Phase::prepare)[0]);
}

// Whoever read one of these weights reads what `make` makes of it.
template <class Attributes, class Make>
void replace(Program& p, const std::map<std::string, Attributes>& weights, const Make& make) {
  const std::size_t nodes = p.nodes.size();
  for (std::size_t i = 0, count = p.tensors.size(); i < count; ++i) {
    const TensorId weight{static_cast<std::int32_t>(i)};
    const auto found = weights.find(p[weight].name);
    if (found == weights.end() || p[weight].role != Role::parameter || p[weight].alias != Alias::none)
      continue;
    const TensorId made = make(p, weight, found->second);
    for (std::size_t n = 0; n < nodes; ++n)
      for (TensorId& id : p.nodes[n].inputs)
        if (id == weight) id = made;
  }
  // What prepares stands in front of who reads it.
  std::rotate(p.nodes.begin(), p.nodes.begin() + static_cast<std::ptrdiff_t>(nodes), p.nodes.end());
}

}  // namespace

void simulate_codes(Program& p, const SimulatedCodes& weights) { replace(p, weights, simulated); }
void round_weights(Program& p, const RoundedWeights& weights) { replace(p, weights, rounded); }

std::string scales_name(const std::string& weight) { return weight + ".scales"; }
std::string minima_name(const std::string& weight) { return weight + ".minima"; }

}  // namespace hone
