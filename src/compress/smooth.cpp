#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/float_mode.hpp"
#include "base/number.hpp"
#include "compress/coded_weights.hpp"
#include "compress/input_makers.hpp"
#include "compress/weight_values.hpp"
#include "hone/quantize.hpp"
#include "model/model_impl.hpp"

namespace hone {
namespace {

// As SmoothQuant's own program: a channel that is always zero must not become infinite.
constexpr float least = 1e-5f;

class Smoothing {
 public:
  Smoothing(const Model& model, double strength) : model_(model), strength_(strength) {
    for (const MatrixWeight& weight : matrices_of(model))
      if (weight.table) tables_.insert(weight.name);
  }

  void layer(const LayerMoments& layer) {
    for (const InputMaker& maker : input_makers(layer, Makers::values_too)) {
      // A tied table is read by the embedding too.
      const auto is_table = [&](const std::string& name) { return tables_.contains(name); };
      if (std::ranges::any_of(maker.products, is_table) || std::ranges::any_of(maker.divided, is_table))
        continue;
      const std::vector<float> made = scales(maker, layer.inputs.at(maker.products.front())->largest);
      const std::vector<float> read = by_heads(maker, made);
      for (const std::string& name : maker.products) multiply_columns(current(name), read);
      for (const std::string& name : maker.divided) divide_rows(current(name), made, maker.offset);
    }
  }

  Model finish() {
    std::map<std::string, StoredWeight> made;
    for (const auto& [name, values] : changed_)
      made.insert_or_assign(name, weight_from(model_.impl().spec(name), values, DType::f32));
    return with_weights(model_, model_.impl().store.with_stored(std::move(made)));
  }

 private:
  std::vector<float>& current(const std::string& name) {
    const auto found = changed_.find(name);
    return found != changed_.end() ? found->second
                                   : changed_.emplace(name, weight_values(model_, name)).first->second;
  }

  // Of a channel that is made; what is read of it, by several heads, is as far as any of them reaches.
  static std::size_t made_by(const InputMaker& maker, std::size_t channel) {
    if (maker.head_width == 0) return channel;
    const auto width = static_cast<std::size_t>(maker.head_width);
    return channel / width / static_cast<std::size_t>(maker.heads) * width + channel % width;
  }

  std::vector<float> scales(const InputMaker& maker, std::span<const float> largest) {
    std::vector<float> inputs(largest.size() / static_cast<std::size_t>(maker.heads)), weights(inputs.size());
    const auto take = [](float& most, float x) { most = std::max(most, std::abs(x)); };
    for (std::size_t i = 0; i < largest.size(); ++i) take(inputs[made_by(maker, i)], largest[i]);
    for (const std::string& name : maker.products) {
      const std::vector<float>& w = current(name);
      for (std::size_t i = 0; i < w.size(); ++i) take(weights[made_by(maker, i % largest.size())], w[i]);
    }
    for (std::size_t c = 0; c < inputs.size(); ++c) {
      const double input = static_cast<double>(std::max(inputs[c], least)),
                   weight = static_cast<double>(std::max(weights[c], least));
      inputs[c] =
          std::max(static_cast<float>(std::pow(input, strength_) / std::pow(weight, 1 - strength_)), least);
    }
    return inputs;
  }

  static std::vector<float> by_heads(const InputMaker& maker, const std::vector<float>& made) {
    std::vector<float> read(made.size() * static_cast<std::size_t>(maker.heads));
    for (std::size_t i = 0; i < read.size(); ++i) read[i] = made[made_by(maker, i)];
    return read;
  }

  const Model& model_;
  double strength_;
  std::set<std::string> tables_;
  std::map<std::string, std::vector<float>> changed_;
};

}  // namespace

Model smooth(const Model& model, const Text& text, const SmoothOptions& o) {
  const FloatModeGuard guard;
  if (!(o.strength >= 0 && o.strength <= 1))
    throw Error(ErrorKind::usage, {.what = "impossible value",
                                   .where = "strength",
                                   .expected = "0 to 1",
                                   .found = to_text(o.strength)});
  require_floating(model, {"the model is quantized, and its scales are the old ones"});
  Smoothing smoothing(model, o.strength);
  // What layers compute stays, so all are seen as they are.
  calibrate(model, text, o.sample, [&](const LayerMoments& layer) {
    smoothing.layer(layer);
    return NewWeights{};
  });
  return smoothing.finish();
}

}  // namespace hone
