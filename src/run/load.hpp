// A model's weights for jobs that only read them: in memory once, however many jobs there are.
#pragma once
#include <set>
#include <string>
#include <vector>

#include "exec/job.hpp"
#include "hone/model.hpp"
#include "store/weight_store.hpp"

namespace hone {

// The names of a program's weights: parameters, and bf16 copies of them ("NAME.bf16").
std::set<std::string> weight_names(const Program& program);

// Keeps the weights of a job alive.
class ModelWeights {
 public:
  ModelWeights(const Model& model, const JobPlan& job);
  const HeldTensors& tensors() const { return tensors_; }

 private:
  std::vector<std::shared_ptr<const HeldWeight>> weights_;
  HeldTensors tensors_;
};

}  // namespace hone
