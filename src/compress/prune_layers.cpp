#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/number.hpp"
#include "compress/prune_parts.hpp"
#include "compress/smaller_model.hpp"
#include "compress/weight_values.hpp"
#include "run/measured_jobs.hpp"
#include "train/forecast.hpp"

namespace hone {
namespace {

// Losses of models that lack one layer differ by far more than a few thousand tokens leave open.
constexpr std::int64_t most_tokens = 2048;

EvalOptions measure_of(const Text& text, const CalibrationOptions& sample) {
  return {.threads = sample.threads,
          .isa = sample.isa,
          .max_tokens = std::min({most_tokens, sample.windows * sample.seq, text.train_tokens() - 1})};
}

void require_measurable(const Text& text) {
  if (text.train_tokens() < 2)
    throw Error(ErrorKind::input,
                {.what = "the text is too short to measure a layer by", .where = text.path()});
}

class Layers {
 public:
  Layers(const Model& model, const Text& text, const CalibrationOptions& sample)
      : model_(model),
        parts_(parts_of(model)),
        sizes_(sizes_of(model, parts_)),
        text_(text),
        sample_(sample) {
    for (std::int64_t i = 0; i < sizes_.layers; ++i) kept_.push_back(i);
  }

  std::int64_t count() const { return sizes_.layers; }

  // A layer's last measure stays a guess of its next one, so that few are measured anew: those that would be
  // the least. (Minoux, "Accelerated greedy algorithms", 1978.)
  Model drop(std::int64_t count) {
    loss_without_.assign(static_cast<std::size_t>(sizes_.layers), -std::numeric_limits<double>::infinity());
    for (std::int64_t n = 0; n < count; ++n) {
      drop_least();
      if (sample_.progress) sample_.progress(n + 1, count);
    }
    return without(-1);
  }

  const std::vector<std::int64_t>& dropped() const { return dropped_; }

 private:
  void drop_least() {
    std::vector<bool> fresh(static_cast<std::size_t>(sizes_.layers));
    for (;;) {
      const std::int64_t least = *std::ranges::min_element(
          kept_, {}, [&](std::int64_t layer) { return loss_without_[static_cast<std::size_t>(layer)]; });
      if (fresh[static_cast<std::size_t>(least)]) {
        std::erase(kept_, least);
        dropped_.push_back(least);
        return;
      }
      loss_without_[static_cast<std::size_t>(least)] = loss(without(least));
      fresh[static_cast<std::size_t>(least)] = true;
    }
  }

  double loss(const Model& model) const {
    const double loss = evaluate(model, text_, measure_of(text_, sample_)).loss;
    return std::isfinite(loss) ? loss : std::numeric_limits<double>::max();
  }

  // The model of the layers that are kept, but for one of them.
  Model without(std::int64_t layer) const {
    std::vector<std::int64_t> some;
    std::ranges::copy_if(kept_, std::back_inserter(some), [&](std::int64_t i) { return i != layer; });
    nlohmann::json config = nlohmann::json::parse(model_.config_json());
    keep_layers(config, parts_, sizes_, some, "config.json");
    return SmallerModel(model_).finish(config, [&](const std::string& name) {
      if (!name.starts_with(parts_.layers)) return name;
      const std::size_t end = name.find('.', parts_.layers.size());
      const auto number = static_cast<std::size_t>(
          from_text(std::string_view(name).substr(parts_.layers.size(), end - parts_.layers.size())));
      return parts_.layer(some[number]) + name.substr(end + 1);
    });
  }

  const Model& model_;
  ModelParts parts_;
  ModelSizes sizes_;
  const Text& text_;
  const CalibrationOptions& sample_;
  std::vector<std::int64_t> kept_, dropped_;
  std::vector<double> loss_without_;
};

}  // namespace

std::int64_t prune_layers_bytes(const Model& model, const Text& text, const PruneOptions& o) {
  require_measurable(text);
  return bytes_beside_mapped(evaluated_job(model, text, measure_of(text, o.sample)), model);
}

Pruned prune_layers(const Model& model, const Text& text, const PruneOptions& o) {
  require_measurable(text);
  require_finite(model);  // losses would not say where
  Layers layers(model, text, o.sample);
  const std::int64_t count = layers.count() - staying(layers.count(), 1, o, "layers");
  Pruned done{layers.drop(count)};
  std::string names;
  for (const std::int64_t layer : layers.dropped())
    names += (names.empty() ? "" : ", ") + std::to_string(layer);
  done.sparsity = static_cast<double>(count) / static_cast<double>(layers.count());
  done.notes.push_back(std::to_string(count) + " of " + std::to_string(layers.count()) +
                       " layers went, in this order: " + names);
  return done;
}

}  // namespace hone
