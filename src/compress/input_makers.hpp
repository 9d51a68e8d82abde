// Where an input of products can be divided channel by channel without a change of the model: what makes a
// channel divides it by s, and all products that read it multiply by s.
//
//   for (const InputMaker& maker : input_makers(layer)) {
//     for (const std::string& name : maker.divided) divide_rows(weight[name], s, maker.offset);
//     for (const std::string& name : maker.products) multiply_columns(weight[name], s);
//   }
#pragma once
#include <span>
#include <string>
#include <vector>

#include "compress/calibrate.hpp"

namespace hone {

struct InputMaker {
  std::vector<std::string> divided{};   // weights: a norm's (and its bias), a product's rows
  float offset = 0;                     // a norm multiplies by offset + weight
  std::vector<std::string> products{};  // weights that read it, all of them
  // Attention's results: so many heads in a row, of this width, are of one head of values and have one s.
  std::int64_t heads = 1, head_width = 0;
};

enum class Makers { norms_and_gates, values_too };  // values: of attention, by the rows of the product
std::vector<InputMaker> input_makers(const LayerMoments& layer, Makers which = Makers::norms_and_gates);

// A vector by its elements, a matrix by its rows; of a norm's weight what it multiplies by.
void divide_rows(std::vector<float>& w, std::span<const float> s, float offset);
void multiply_columns(std::vector<float>& w, std::span<const float> s);

}  // namespace hone
