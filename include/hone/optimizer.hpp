// The optimizers by name, and the numbers that each of them takes.
//
//   for (const std::string& name : hone::optimizers())
//     for (const hone::Hyperparameter& h : hone::hyperparameters(name))
//       std::printf("%s %s %g\n", name.c_str(), h.name.c_str(), static_cast<double>(h.standard));
#pragma once
#include <string>
#include <vector>

#include "hone/error.hpp"

namespace hone {

// A number that an optimizer takes at every step: lr, beta1, momentum, ...
struct Hyperparameter {
  std::string name;
  float standard;  // where none is given
  std::string meaning;
};

// "adamw", "adamw8bit", "adafactor", "lion", "muon", "sgd": what TrainPlanOptions::optimizer takes.
HONE_API std::vector<std::string> optimizers();
// Of one of them; Error(usage) for any other name, with the nearest.
HONE_API std::vector<Hyperparameter> hyperparameters(const std::string& optimizer);

}  // namespace hone
