// How many bits each matrix of a model gets.
//
//   const auto bits = is_mix(options) ? mixed_bits(model, text, options) : same_bits(model, options);
#pragma once
#include <map>
#include <string>

#include "hone/quantize.hpp"

namespace hone {

// Does it ask for other bits than one kind's, or for a size?
bool is_mix(const QuantizeOptions& options);
// Does the method leave norms and biases in f32, whatever they were in?
bool widens_others(const QuantizeOptions& options);
// By weight, as asked: `bits` for products, `table_bits` for tables; 0: as it is.
std::map<std::string, int> same_bits(const Model& model, const QuantizeOptions& options);
// For each matrix as many as serve best: from the fewest on, the one whose results gain most a byte gets
// more, while `bits` a weight of the products, or `size_bytes` for the model's files, allow. The gain is
// that of the relative squared error of a product's results, as rounding alone makes it, by the moments of
// its input. Error(budget) where not even the fewest fit.
std::map<std::string, int> mixed_bits(const Model& model, const Text& text, const QuantizeOptions& options);

}  // namespace hone
