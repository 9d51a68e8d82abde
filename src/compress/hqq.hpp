// Lines that most of a group's weights lie near, found from the weights alone: rounding that needs no text.
//
//   CodedMatrix q = hqq(w, rows, columns, {.bits = 3, .group = 64}, {}, pool);  // w [rows,columns]
//
// Badri and Shaji, "Half-Quadratic Quantization of Large Machine Learning Models" (2023): of each group the
// scale is that of its whole range, and the minimum m makes sum |w - scale c - m|^p small, p < 1, so that few
// large errors are borne for many small ones. By half-quadratic splitting: with errors e beside codes,
// e = shrink(w - scale c - m), then m = mean(w - e - scale c), in turns, while beta grows. What it differs
// in: errors are counted in scales, for a threshold on weights as they are means something else for each
// model: that of the paper's program (beta 10: 0.17) is above nearly all errors of SmolLM2, so that m is a
// plain mean.
//
// SmolLM2-135M in groups of 64, 8,192 tokens of wikitext-2 (29.6 before): in 4 bits perplexity 38.2 and KL
// 0.213, rtn's 41.6 and 0.289; in 3 bits 265 and 2.13, rtn's 256 and 2.11: no gain where both are lost.
// Tried: scales that move too, by the same mean of sizes, are worse than rtn (10 layers in 3 bits: KL 0.75
// for 0.51), for large weights matter more than their number.
#pragma once
#include <cstdint>
#include <span>

#include "base/thread_pool.hpp"
#include "compress/grid.hpp"

namespace hone {

struct HqqOptions {
  float power = 0.7f;    // p
  float beta = 3;        // how near e is to the error: below beta^(-1/(2-p)) scales, 0.43 at first, e is zero
  float growth = 1.01f;  // of beta, a round
  int rounds = 20;       // at most: the first that does not make the mean size of errors less is the last
};

// Codes about zero have no minimum to move: the whole range's line.
Line half_quadratic_line(std::span<const float> group, const Grid& grid, const HqqOptions& options = {});

// The same codes for any number of threads.
CodedMatrix hqq(std::span<const float> w, std::int64_t rows, std::int64_t columns, const Grid& grid,
                const HqqOptions& options, ThreadPool& pool);

}  // namespace hone
