// Codes that go on learning: which of its neighbours a weight is rounded to is trained, against the model
// itself.
//
//   Refined r = refine(model, text, std::move(codes), {.steps = 500});   // codes as gptq left them
//
// A weight in f32 stands behind each code and begins where it was, or as near as its code allows; products
// read the code's value, gradients pass through to the weight (straight-through, Bengio et al., arXiv
// 1308.3432), and the loss is the difference to what the model makes of the same text. The lines of groups
// stay, so the same kernels and files serve. GSQ (arXiv 2604.18556) draws neighbouring codes by
// Gumbel-softmax, layer by layer: it holds two logits a weight, and does not see what a later layer makes of
// an error.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "compress/grid.hpp"
#include "hone/calibration.hpp"
#include "hone/model.hpp"
#include "hone/quantize.hpp"
#include "hone/text.hpp"

namespace hone {

using CodedWeights = std::map<std::string, CodedMatrix>;  // as programs keep them

struct Refined {
  CodedWeights codes;
  std::map<std::string, std::vector<float>> others{};  // norms and biases, which are trained with them: f32
};
// zeros_stay: a weight that is zero keeps its code.
Refined refine(const Model& model, const Text& text, CodedWeights codes, const RefineOptions& options,
               const CalibrationOptions& sample, bool zeros_stay);

// What that holds at most, of codes in these grids.
std::int64_t refine_bytes(const Model& model, const std::map<std::string, Grid>& grids,
                          const RefineOptions& options, const CalibrationOptions& sample);

}  // namespace hone
