// Weights of a model set to zero, those that matter least.
//
//   const hone::Model model = hone::open("model");
//   const hone::Pruned pruned = hone::prune(model, {.sparsity = 0.5, .pattern = "2:4"});
//   pruned.model.save("sparse");
//   std::printf("%.1f %% of its products' weights are zero\n", 100 * pruned.sparsity);
//
// Pruned are the matrices of products: not the table of tokens, nor the head, nor norms and biases, as the
// field's papers have it. Every matrix loses the same share.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "hone/model.hpp"

namespace hone {

struct PruneOptions {
  std::string method = "magnitude";  // of prune_methods()
  double sparsity = 0.5;             // the share of each matrix that becomes zero: 0 <= sparsity < 1
  // unstructured; 2:4, of each four inputs of an output two are zero; 4x1 and 16x1, so many outputs of one
  // input together.
  std::string pattern = "unstructured";
};

HONE_API std::vector<std::string> prune_methods();
HONE_API std::vector<std::string> prune_patterns();

struct Pruned {
  Model model;                       // weights in the types that the model's files have them in
  double sparsity = 0;               // of the pruned matrices, as it came out
  std::vector<std::string> notes{};  // for a person: rows that have no weight left
};

// Error(usage) for a method, pattern or sparsity that there is not; 2:4 is half. Error(input) for weights in
// blocks: a model is pruned before it is quantized.
HONE_API Pruned prune(const Model& model, const PruneOptions& options);

}  // namespace hone
