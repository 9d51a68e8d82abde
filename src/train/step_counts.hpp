// By how many labels the losses of a step are divided, of which a micro-batch sees a part.
#pragma once
#include <cstdint>
#include <map>
#include <string>

#include "exec/feed.hpp"

namespace hone {

// As `said`, by the names of the inputs of labels; else all that a step of so many sequences has, and then
// Error(usage) where some of this part do not count. Error(usage) for a negative number.
LabelCounts step_counts(const Program& program, std::int64_t sequences, const Samples& part,
                        const std::map<std::string, std::int64_t>& said);

}  // namespace hone
