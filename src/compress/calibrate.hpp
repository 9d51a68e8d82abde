// What a text says of the inputs of a model's products: the second moments that every method of compression
// weighs its errors by, and the range of each channel. One pass, layer by layer, with the weights of one
// layer at a time.
//
//   calibrate(model, text, {}, [&](const LayerMoments& layer) {
//     for (const auto& [weight, x] : layer.inputs) use(weight, x->sum);
//     return NewWeights{};
//   });
//
// The moments of a product y = x W^T are H = sum of x x^T over all positions of the sample (the Hessian of
// half the squared error of y, up to the number of positions: Frantar and Alistarh, "Optimal Brain
// Compression", arXiv 2208.11580). Products that read the same input share theirs. Memory: the sample's
// activations between two layers, one layer's weights and moments, and a micro-batch of activations.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "hone/calibration.hpp"
#include "hone/model.hpp"
#include "hone/text.hpp"
#include "ir/program.hpp"

namespace hone {

struct Moments {
  std::int64_t width = 0;        // K
  std::int64_t positions = 0;    // summed over
  std::vector<float> sum{};      // [K,K], symmetric
  std::vector<float> largest{};  // [K], the range of each channel: its largest size
  float at(std::int64_t i, std::int64_t j) const { return sum[static_cast<std::size_t>(i * width + j)]; }
  std::vector<float> squares() const;  // [K], the diagonal: each channel's alone
};

struct LayerMoments {
  std::string name;  // "model.layers.3"; empty outside of layers
  // By the weight's name. Equal pointers: products of the same input.
  std::map<std::string, std::shared_ptr<const Moments>> inputs{};
  const Program* program = nullptr;  // of the layer: who made those inputs
};

// Other values for weights of the layer, f32 as programs keep them ([out,in]): the layers behind it see what
// the layer makes of its inputs with these.
using NewWeights = std::map<std::string, std::vector<float>>;

// Calls `visit` for each part of the model that has products, in order. Error(input) where the text is
// shorter than one window. With `options.kept` moments come from that file, which is made where it is not
// there; they are the unchanged model's then, and nothing is run for new weights.
void calibrate(const Model& model, const Text& text, const CalibrationOptions& options,
               const std::function<NewWeights(const LayerMoments&)>& visit);

// What visiting a part of the model takes: at most while it works; in new weights that others read next; in
// what it keeps for good.
struct LayerBytes {
  std::int64_t working = 0, changed = 0, made = 0;
};
using LayerProducts = std::vector<std::string>;  // weights of one part's products
// The most that calibrate() and those whom it calls hold at a time, for a text of so many tokens, beside the
// model where it lies; by programs alone.
std::int64_t calibration_bytes(const Model& model, const Text& text, const CalibrationOptions& options,
                               const std::function<LayerBytes(const LayerProducts&)>& visiting);

}  // namespace hone
