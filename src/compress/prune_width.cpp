// A narrower residual stream: channels by what the products that read it make of them (Muralidharan et al.,
// "Minitron", arXiv 2407.14679, rank them by the norms' outputs alone).
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

#include "compress/calibrate.hpp"
#include "compress/input_makers.hpp"
#include "compress/joined_units.hpp"
#include "compress/prune_parts.hpp"
#include "compress/smaller_model.hpp"
#include "model/model_impl.hpp"

namespace hone {
namespace {

class WidthPruning {
 public:
  WidthPruning(const Model& model, const PruneOptions& o)
      : model_(model),
        parts_(parts_of(model)),
        sizes_(sizes_of(model, parts_)),
        smaller_(model),
        channels_(static_cast<std::size_t>(sizes_.width)),
        heads_(static_cast<std::size_t>(sizes_.layers)) {
    if (parts_.heads_of_width)
      stay_ = sizes_.head_dim * staying(sizes_.heads, sizes_.head_dim, o, "channels of the width");
    else
      stay_ = staying(sizes_.width, 1, o, "channels of the width");
    // Where a share was asked for, a few more may stay.
    const bool whole = o.keep == 0 && wants_whole_heads(nlohmann::json::parse(model.config_json()));
    const std::int64_t more = (stay_ + sizes_.heads - 1) / sizes_.heads * sizes_.heads;
    if (whole && more < sizes_.width) stay_ = more;
  }

  void by_weights() {
    for (std::int64_t layer = 0; layer < sizes_.layers; ++layer) {
      for (const std::string& reads : readers(layer)) add(reads, nullptr);
      choose_heads(layer, nullptr);
    }
  }

  // As the whole model has them: channels go everywhere at once.
  void by_text(const Text& text, const CalibrationOptions& sample) {
    calibrate(model_, text, sample, [&](const LayerMoments& found) {
      const auto moments_of = [&](const std::string& module) {
        const auto moments = found.inputs.find(module + ".weight");
        return moments == found.inputs.end() ? nullptr : moments->second.get();
      };
      for (std::int64_t layer = 0; layer < sizes_.layers; ++layer) {
        for (const std::string& reads : readers(layer))
          if (const Moments* moments = moments_of(reads)) add(reads, moments);
        if (const Moments* moments = moments_of(joins(layer))) choose_heads(layer, moments);
      }
      measure_norms(found);
      return NewWeights{};
    });
  }

  Pruned finish() {
    const std::vector<std::int64_t> units = largest(channels_, stay_);
    const Staying stream{units};
    for (const std::string& name : parts_.tables) keep(name, {}, stream);
    for (const std::string& name : parts_.norms) keep_norm(name, stream);
    for (std::int64_t layer = 0; layer < sizes_.layers; ++layer) keep_layer(layer, stream);
    nlohmann::json config = nlohmann::json::parse(model_.config_json());
    config[parts_.width_count] = stay_;
    config[parts_.channel_count] = sizes_.channels;  // where it would follow from the width
    if (parts_.heads_of_width)
      config[parts_.heads_of_width] = stay_ / sizes_.head_dim;
    else
      config["head_dim"] = sizes_.head_dim;
    Pruned done{smaller_.finish(config, [](const std::string& name) { return name; })};
    const std::int64_t gone = sizes_.width - stay_;
    done.sparsity = static_cast<double>(gone) / static_cast<double>(sizes_.width);
    done.notes.push_back(
        std::to_string(gone) + " of " + std::to_string(sizes_.width) + " channels of the width went" +
        (parts_.heads_of_width
             ? ", and " + std::to_string(gone / sizes_.head_dim) + " heads with them in each layer"
             : ""));
    note_odd_heads(config, stay_, sizes_.heads, done.notes);
    return done;
  }

 private:
  std::string joins(std::int64_t layer) const { return parts_.layer(layer) + parts_.attention_joins; }

  // The products of a layer that read the stream.
  std::vector<std::string> readers(std::int64_t layer) const {
    std::vector<std::string> names{parts_.queries};
    names.insert(names.end(), parts_.keys_values.begin(), parts_.keys_values.end());
    names.insert(names.end(), parts_.channels.reads.begin(), parts_.channels.reads.end());
    for (std::string& name : names) name.insert(0, parts_.layer(layer));
    return names;
  }

  // What a product makes of each channel, as a share of what it makes of all: layers count alike.
  void add(const std::string& module, const Moments* moments) {
    const std::vector<float> weight = smaller_.read(module + ".weight");
    const std::vector<double> each =
        energies({weight, std::ssize(weight) / sizes_.width, sizes_.width, 1, moments});
    const double all = std::accumulate(each.begin(), each.end(), 1e-30);
    for (std::size_t i = 0; i < each.size(); ++i) channels_[i] += each[i] / all;
  }

  // Of a model whose heads go with the width; those that stay make good what goes.
  void choose_heads(std::int64_t layer, const Moments* moments) {
    if (!parts_.heads_of_width) return;
    const std::vector<float> weight = smaller_.read(joins(layer) + ".weight");
    const Joined joined{weight, sizes_.width, sizes_.width, sizes_.head_dim, moments};
    Heads& heads = heads_[static_cast<std::size_t>(layer)];
    heads.stay = largest(joined, stay_ / sizes_.head_dim);
    heads.joins = moments ? made_good(joined, heads.stay) : weight;
  }

  void keep_layer(std::int64_t layer, const Staying& stream) {
    const std::string prefix = parts_.layer(layer);
    for (const std::string& name : parts_.layer_norms) keep_norm(prefix + name, stream);
    keep(prefix + parts_.channels.joins, stream, {});
    if (!parts_.heads_of_width) {
      for (const std::string& reads : readers(layer)) keep(reads, {}, stream);
      keep(joins(layer), stream, {});
      return;
    }
    const Heads& heads = heads_[static_cast<std::size_t>(layer)];
    std::vector<std::int64_t> all;  // of queries, keys and values, side by side
    for (std::int64_t part = 0; part < 3; ++part)
      for (const std::int64_t head : heads.stay) all.push_back(part * sizes_.heads + head);
    keep(prefix + parts_.queries, Staying{all, sizes_.head_dim}, stream);
    smaller_.keep(joins(layer), heads.joins, stream, Staying{heads.stay, sizes_.head_dim});
    for (const std::string& reads : parts_.channels.reads) keep(prefix + reads, {}, stream);
  }

  void keep(const std::string& module, const std::optional<Staying>& rows,
            const std::optional<Staying>& columns) {
    smaller_.keep(module, {}, rows, columns);
  }

  // Of RMS norms in front of products: the mean square of each channel, as the norm has it before its weight.
  void measure_norms(const LayerMoments& layer) {
    for (const InputMaker& maker : input_makers(layer)) {
      const ParameterSpec& spec = model_.impl().spec(maker.divided[0]);
      if (maker.divided.size() != 1 || spec.shape.rank() != 1) continue;
      Norm norm{.offset = maker.offset, .squares = layer.inputs.at(maker.products[0])->squares()};
      const std::vector<float> weight = smaller_.read(spec.name);
      for (std::size_t i = 0; i < weight.size(); ++i) {
        const float factor = weight[i] + norm.offset;
        norm.squares[i] = factor == 0 ? 0 : norm.squares[i] / (factor * factor);
      }
      norms_[spec.name] = std::move(norm);
    }
  }

  // Over fewer channels a norm divides by another mean: where that was measured, its weight makes up for it,
  // so that what the layers read stays as large as it was.
  void keep_norm(const std::string& module, const Staying& stream) {
    const auto found = norms_.find(module + ".weight");
    if (found == norms_.end()) return keep(module, stream, {});
    const Norm& norm = found->second;
    double all = 0, stay = 0;
    for (const float square : norm.squares) all += static_cast<double>(square);
    for (const std::int64_t i : stream.units)
      stay += static_cast<double>(norm.squares[static_cast<std::size_t>(i)]);
    const double mean = stay / static_cast<double>(stream.units.size()),
                 mean_of_all = all / static_cast<double>(norm.squares.size());
    const auto factor = all > 0 ? static_cast<float>(std::sqrt(mean / mean_of_all)) : 1.0f;
    std::vector<float> weight = smaller_.read(found->first);
    for (float& w : weight) w = (w + norm.offset) * factor - norm.offset;
    smaller_.keep(module, weight, stream, {});
  }

  struct Norm {
    float offset;  // it multiplies by offset + weight
    std::vector<float> squares;
  };
  struct Heads {
    std::vector<std::int64_t> stay{};
    std::vector<float> joins{};  // the product behind them
  };

  const Model& model_;
  ModelParts parts_;
  ModelSizes sizes_;
  SmallerModel smaller_;
  std::vector<double> channels_;       // how much each matters
  std::map<std::string, Norm> norms_;  // by their weights
  std::vector<Heads> heads_;           // of each layer
  std::int64_t stay_ = 0;
};

}  // namespace

Pruned prune_width(const Model& model, const Text* text, const PruneOptions& o) {
  WidthPruning pruning(model, o);
  if (text)
    pruning.by_text(*text, o.sample);
  else
    pruning.by_weights();
  return pruning.finish();
}

}  // namespace hone
