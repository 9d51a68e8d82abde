#include "run/load.hpp"

#include "model/model_impl.hpp"

namespace hone {

std::set<std::string> weight_names(const Program& program) {
  std::set<std::string> names;
  for (const TensorDef& t : program.tensors)
    if (is_weight(t)) names.insert(t.name);
  return names;
}

ModelWeights::ModelWeights(const Model& model, const JobPlan& job) {
  const auto hold = [&](const ParameterSpec& spec, const std::string& name, DType dtype) {
    if (!job.shared().contains(name)) return;
    weights_.push_back(model.impl().store.hold(spec, dtype));
    tensors_[name] = weights_.back()->bytes();
  };
  for (const ParameterSpec& spec : model.impl().specs) {
    hold(spec, spec.name, DType::f32);
    hold(spec, spec.name + ".bf16", DType::bf16);
  }
}

}  // namespace hone
