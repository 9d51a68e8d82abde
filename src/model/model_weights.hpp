// A model's weights for jobs that only read them: in memory once, however many jobs there are.
#pragma once
#include <set>
#include <span>
#include <string>
#include <vector>

#include "exec/job.hpp"
#include "hone/model.hpp"
#include "store/weight_store.hpp"

namespace hone {

// Error(usage) for a network that reads no text: one without vocabulary or context.
void require_language_model(const Model& model);

// The names of a program's weights: parameters, and what is derived from them.
std::set<std::string> weight_names(const Program& program);

// What of a job's weights is never written, for an adapter trains beside them: names that its plan is to hold
// elsewhere, and the nodes that derive some of them, as a program.
struct FrozenWeights {
  std::set<std::string> names{};
  Program prepare{};
};
// Takes those nodes out of the program of phase prepare.
FrozenWeights take_frozen(const Model& model, std::vector<Program>& programs, std::size_t prepare);

// Keeps the weights of a job alive that its plan holds elsewhere. `whole`: programs that some of the job's
// were cut from, whose nodes of phase prepare say how weights are derived; each is run once, for all who hold
// the model's weights.
class ModelWeights {
 public:
  ModelWeights(const Model& model, std::span<const Program> whole, const JobPlan& job);
  const HeldTensors& tensors() const { return tensors_; }

 private:
  void derive(const Model& model, const Program& prepare, std::size_t node, const ExecOptions& options);

  std::vector<std::shared_ptr<const HeldWeight>> weights_;
  HeldTensors tensors_;
};

}  // namespace hone
