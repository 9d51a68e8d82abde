// Weights of a model set to zero, those that matter least; or whole parts of it taken out.
//
//   const hone::Model model = hone::open("model");
//   const hone::Text text("valid.txt", {.tokenizer = "model"});
//   const hone::Pruned pruned = hone::prune(model, text, {.method = "sparsegpt", .pattern = "2:4"});
//   pruned.model.save("sparse");
//   std::printf("%.1f %% of its products' weights are zero\n", 100 * pruned.sparsity);
//
// Weights are those of products' matrices: not the table of tokens, nor the head, nor norms and biases, as
// the field's papers have it. Every matrix loses the same share. Of parts each layer loses the same number,
// and what stays is a smaller dense model of the same family.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "hone/calibration.hpp"
#include "hone/compress.hpp"
#include "hone/correction.hpp"
#include "hone/model.hpp"
#include "hone/text.hpp"

namespace hone {

struct PruneOptions {
  std::string method = "magnitude";  // of prune_methods()
  double sparsity = 0.5;  // the share of each matrix, or of the parts, that goes: 0 <= sparsity < 1
  // unstructured; 2:4, of each four inputs of an output two are zero; 4x1 and 16x1, so many outputs of one
  // input together. Parts, of which no method is asked: heads (keys and values with the queries that share
  // them; where all share them, queries alone), channels of the feed-forward, width (channels of what layers
  // read and add to), layers.
  std::string pattern = "unstructured";
  std::int64_t keep = 0;           // of parts: so many stay, in place of sparsity; of heads the queries' ones
  CalibrationOptions sample{};     // of the text, for what learns from one; threads and isa for all
  CorrectionOptions correction{};  // of weights, not of parts
};

HONE_API std::vector<std::string> prune_methods();
HONE_API std::vector<std::string> prune_patterns();
HONE_API bool prunes_parts(const std::string& pattern);  // no single weights
// Is a text asked what matters least? Of some parts it may be: heads, channels, width.
HONE_API bool may_learn(const PruneOptions& options);

struct Pruned {
  Model model;                       // weights in the types that the model's files have them in
  double sparsity = 0;               // of the pruned matrices, or of the parts, as it came out
  std::vector<std::string> notes{};  // for a person: rows that have no weight left, parts that went
};

// Error(usage) for a method, pattern or sparsity that there is not, and for what learns from a text and has
// none: wanda, ria, sparsegpt, layers; 2:4 is half. Error(input) for weights in blocks: a model is pruned
// before it is quantized.
HONE_API Pruned prune(const Model& model, const PruneOptions& options);
// Heads, channels and the width are measured on the text too, and what stays of the first two makes good what
// goes.
HONE_API Pruned prune(const Model& model, const Text& text, const PruneOptions& options);
// What that takes, with a text or without, for Compression::fit().
HONE_API WorkMemory prune_memory(const Model& model, const Text* text, const PruneOptions& options);

}  // namespace hone
