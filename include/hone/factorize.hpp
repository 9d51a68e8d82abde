// Weights of a model's products replaced by two factors of low rank: fewer numbers, and as many operations
// fewer.
//
//   const hone::Model model = hone::open("model");
//   const hone::Factorized f = hone::factorize(model, {.method = "whitened", .keep = 0.8}, &text);
//   f.model.save("smaller");   // two tensors a weight
//
// W [N,K] becomes U [N,r] V [r,K]. `svd` keeps what W has most of (Eckart and Young, 1936); `whitened` what
// its results have most of on a text: with the second moments H = L L^T of the product's inputs, the r
// largest singular values of W L, and V times L^-1 (Wang et al., "SVD-LLM", arXiv 2403.07378). Ranks come
// from one budget for the whole model: the next is always given to the product where it takes away the
// largest share of the squared error for each number that it costs. A product that would have as many numbers
// as its weight keeps that. Table of tokens, head, norms and biases stay.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "hone/calibration.hpp"
#include "hone/model.hpp"
#include "hone/text.hpp"

namespace hone {

struct FactorizeOptions {
  std::string method = "svd";        // of factorize_methods()
  double keep = 0.8;                 // the share of the products' numbers that stay: 0 < keep <= 1
  CalibrationOptions calibration{};  // of whitened
};

HONE_API std::vector<std::string> factorize_methods();
HONE_API bool needs_text(const FactorizeOptions& options);

struct Factorized {
  Model model;
  std::map<std::string, std::int64_t> ranks{};  // of the products that have factors, by their modules
  double kept = 1;                              // share of the products' numbers, as it came out
};

// Error(usage) for a method or share that there is not, and for `whitened` without a text; Error(input) for
// weights in blocks, a model that has factors already, and a keep that leaves some product without rank 1.
HONE_API Factorized factorize(const Model& model, const FactorizeOptions& options,
                              const Text* text = nullptr);

}  // namespace hone
