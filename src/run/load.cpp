#include "run/load.hpp"

#include <algorithm>

#include "base/types.hpp"
#include "model/model_impl.hpp"

namespace hone {
namespace {

void round_to_bf16(std::span<const float> from, std::span<bf16> to) {
  std::transform(from.begin(), from.end(), to.begin(), [](float x) { return to_bf16(x); });
}

}  // namespace

void load_weights(const Model& model, Executor& executor) {
  const auto& shared = executor.plan().shared();
  std::vector<float> buffer;
  for (const ParameterSpec& spec : model.impl().specs) {
    std::span<float> values;
    if (shared.contains(spec.name)) {
      values = executor.view<float>(spec.name);
    } else {
      buffer.resize(static_cast<std::size_t>(spec.shape.elements()));
      values = buffer;
    }
    model.impl().store.read(spec, values);
    if (const std::string low = spec.name + ".bf16"; shared.contains(low)) round_to_bf16(values, executor.view<bf16>(low));
  }
}

void fill_positions(std::span<std::int32_t> positions, std::int64_t seq, std::int64_t first) {
  for (std::size_t i = 0; i < positions.size(); ++i)
    positions[i] = static_cast<std::int32_t>(first) + static_cast<std::int32_t>(i % static_cast<std::size_t>(seq));
}

}  // namespace hone
