// Channels that matter are rounded finer: each input channel of a product is multiplied by s before rounding,
// and what makes that channel divides it by s.
//
//   for (const InputMaker& maker : input_makers(layer))   // maker.products read what maker.divided make
//     scales = channel_scales(moments, weights, grid, isa, pool);
//
// Lin, Tang, Tang, Yang, Chen, Wang, Xiao, Dang, Gan and Han, "AWQ", arXiv 2306.00978: s is the mean size of
// the channel's input to the power a, a chosen for the least error of the products' results. Folded without a
// change of the model: into a norm's weight in front, or into the rows of the product whose result is gated.
#pragma once
#include <span>
#include <vector>

#include "compress/calibrate.hpp"
#include "compress/grid.hpp"
#include "compress/input_makers.hpp"
#include "machine/isa.hpp"

namespace hone {

// The scales with the least error, [K]; `weights` are the products', [out,K] each.
std::vector<float> channel_scales(const Moments& moments, std::span<const std::span<const float>> weights,
                                  const Grid& grid, Isa isa, ThreadPool& pool);

// The moments of an input that is divided by those scales.
Moments divided(const Moments& moments, std::span<const float> scales);

}  // namespace hone
