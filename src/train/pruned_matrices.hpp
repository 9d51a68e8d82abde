// What training may prune.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "hone/model.hpp"

namespace hone {

// The weights of products that are pruned, by name: all modules' but the head's.
std::vector<std::string> pruned_matrices(const Model& model);
// What pruning them one after another takes on the way.
std::int64_t pruning_bytes(const Model& model);

// The share of their elements that are zero; reads all of them, one matrix at a time.
double share_of_zeros(const Model& model);

}  // namespace hone
