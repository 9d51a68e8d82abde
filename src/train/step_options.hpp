// The numbers of a step, as an optimizer's record asks for them by name.
#pragma once
#include <string>
#include <vector>

#include "hone/train.hpp"
#include "optimizer/optimizer.hpp"

namespace hone {

// Error(usage) for what is out of range, and for a number that the optimizer does not have. `where` stands
// before the option's name in messages.
void check_step_options(const StepOptions& options, const OptimizerRecord& optimizer,
                        const std::string& where = "StepOptions::");

// The scalars of `record`, one of the optimizers that `chosen` is made of, in its order: as given, else its
// standard.
std::vector<float> scalars_of(const StepOptions& options, const OptimizerRecord& chosen,
                              const OptimizerRecord& record);

}  // namespace hone
