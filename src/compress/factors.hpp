// A matrix as the product of two of low rank: what it has most of, or what its results on a text have.
//
//   const Factors f = factors_of(w, N, K, &moments, 16);  // w [N,K] is about u [N,16] times v [16,K]
//
// Without moments the truncated singular value decomposition (Eckart and Young, 1936); with the second
// moments H = L L^T of a product's inputs that of W L, and V times L^-1 (Wang et al., "SVD-LLM", arXiv
// 2403.07378), which leaves the least error of the product's results.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "compress/calibrate.hpp"

namespace hone {

struct Factors {
  std::int64_t rows = 0, columns = 0;
  double error = 0;             // squared, of leaving it all out: of the results' where there are moments
  std::vector<double> gains{};  // the share of that which each rank takes away, falling
  std::vector<float> u{}, v{};  // [rows,rank()], [rank(),columns]; the root of each singular value is in both
  std::int64_t rank() const { return static_cast<std::int64_t>(gains.size()); }
};

// Of rank `most`, which is at most the smaller side.
Factors factors_of(std::span<const double> w, std::int64_t rows, std::int64_t columns, const Moments* moments,
                   std::int64_t most);

}  // namespace hone
