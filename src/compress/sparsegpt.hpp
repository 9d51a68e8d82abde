// Weights to zero one column after another, what each was worth made good by those behind it.
//
//   sparsegpt(w, rows, moments, {*find_pattern("2:4"), 0.5}, isa, pool);
//
// Frantar and Alistarh, "SparseGPT", arXiv 2301.00774: with H the moments of a product's input and U the
// upper factor of H^-1 = U^T U, what a weight w of column i is worth is (w / U_ii)^2. Which go is chosen 128
// columns at a time, all rows together, or (2:4) by fours in each row, from the weights as they are by then.
#pragma once
#include <span>

#include "base/thread_pool.hpp"
#include "compress/calibrate.hpp"
#include "machine/isa.hpp"
#include "store/mask.hpp"

namespace hone {

// w [rows, moments.width]. The same for any number of threads.
void sparsegpt(std::span<float> w, std::int64_t rows, const Moments& moments, const Sparsity& wanted, Isa isa,
               ThreadPool& pool);

}  // namespace hone
