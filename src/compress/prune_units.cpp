#include <cmath>
#include <nlohmann/json.hpp>

#include "base/number.hpp"
#include "compress/calibrate.hpp"
#include "compress/joined_units.hpp"
#include "compress/prune_parts.hpp"
#include "compress/smaller_model.hpp"

namespace hone {
namespace {

// What one kind of unit is called and how many there are.
struct Units {
  std::int64_t all, width;  // of the product that joins them
  std::string joins, what;
};

class UnitPruning {
 public:
  UnitPruning(const Model& model, Unit unit, const PruneOptions& o)
      : model_(model),
        unit_(unit),
        parts_(parts_of(model)),
        sizes_(sizes_of(model, parts_)),
        smaller_(model) {
    if (unit == Unit::channels)
      units_ = {sizes_.channels, 1, parts_.channels.joins, "channels"};
    else if (parts_.head_count && one_group())
      units_ = {sizes_.heads, sizes_.head_dim, parts_.attention_joins, "heads"};
    else if (parts_.head_count)
      units_ = {sizes_.kv_heads, shared() * sizes_.head_dim, parts_.attention_joins,
                sizes_.heads == sizes_.kv_heads ? "heads" : "groups of heads"};
    else
      throw Error(ErrorKind::input,
                  {.what = "a config of this family cannot say fewer heads of the same width",
                   .where = model.family(),
                   .expected = std::to_string(sizes_.heads) + ", as the model has",
                   .hint = "they go with the width; channels and layers can go"});
    stay_ = staying(units_.all, together(), o, units_.what);
  }

  void by_weights() {
    for (std::int64_t layer = 0; layer < sizes_.layers; ++layer) prune(layer, nullptr);
  }

  // Layer by layer, each on what those before it, with fewer units, make of the sample.
  void by_text(const Text& text, const CalibrationOptions& sample) {
    calibrate(model_, text, sample, [&](const LayerMoments& found) {
      NewWeights changed;
      for (std::int64_t layer = 0; layer < sizes_.layers; ++layer) {
        const std::string weight = parts_.layer(layer) + units_.joins + ".weight";
        const auto moments = found.inputs.find(weight);
        if (moments != found.inputs.end()) changed[weight] = prune(layer, moments->second.get());
      }
      return changed;
    });
  }

  Pruned finish() {
    nlohmann::json config = nlohmann::json::parse(model_.config_json());
    if (unit_ == Unit::channels) {
      config[parts_.channel_count] = stay_;
    } else {
      config[parts_.head_count] = stay_ * together();
      config[parts_.kv_head_count] = one_group() ? 1 : stay_;
      config["head_dim"] = sizes_.head_dim;
    }
    Pruned done{smaller_.finish(config, [](const std::string& name) { return name; })};
    const std::int64_t gone = units_.all - stay_;
    done.sparsity = static_cast<double>(gone) / static_cast<double>(units_.all);
    done.notes.push_back(std::to_string(gone) + " of " + std::to_string(units_.all) + " " + units_.what +
                         " went in each layer");
    if (unit_ == Unit::heads) note_odd_heads(config, sizes_.width, stay_ * together(), done.notes);
    return done;
  }

 private:
  std::int64_t shared() const { return sizes_.heads / sizes_.kv_heads; }  // queries' heads of one of keys
  // All heads read the same keys and values, which stay: heads go one by one.
  bool one_group() const { return sizes_.kv_heads == 1 && sizes_.heads > 1; }
  // What PruneOptions::keep counts of a unit.
  std::int64_t together() const { return unit_ == Unit::heads && !one_group() ? shared() : 1; }

  // The weight that joins, with zeros in the columns that went.
  std::vector<float> prune(std::int64_t layer, const Moments* moments) {
    const std::string prefix = parts_.layer(layer), joins = prefix + units_.joins;
    std::vector<float> weight = smaller_.read(joins + ".weight");
    const std::int64_t columns = units_.all * units_.width;
    const Joined joined{weight, std::ssize(weight) / columns, columns, units_.width, moments};
    const std::vector<std::int64_t> units = largest(joined, stay_);
    if (moments) weight = made_good(joined, units);
    smaller_.keep(joins, weight, {}, Staying{units, units_.width});
    if (unit_ == Unit::channels) {
      for (const std::string& name : parts_.channels.reads)
        smaller_.keep(prefix + name, {}, Staying{units}, {});
    } else {
      smaller_.keep(prefix + parts_.queries, {}, Staying{units, units_.width}, {});
      if (one_group()) return weight;
      for (const std::string& name : parts_.keys_values)
        smaller_.keep(prefix + name, {}, Staying{units, sizes_.head_dim}, {});
    }
    return weight;
  }

  const Model& model_;
  Unit unit_;
  ModelParts parts_;
  ModelSizes sizes_;
  SmallerModel smaller_;
  Units units_{};
  std::int64_t stay_ = 0;
};

}  // namespace

Pruned prune_units(const Model& model, const Text* text, Unit unit, const PruneOptions& o) {
  const ModelSizes sizes = sizes_of(model, parts_of(model));
  if (o.keep == (unit == Unit::heads ? sizes.heads : sizes.channels)) return {model};
  UnitPruning pruning(model, unit, o);
  if (text)
    pruning.by_text(*text, o.sample);
  else
    pruning.by_weights();
  return pruning.finish();
}

std::int64_t staying(std::int64_t all, std::int64_t together, const PruneOptions& o,
                     const std::string& what) {
  if (o.keep != 0) {
    if (o.keep > 0 && o.keep <= all * together && o.keep % together == 0) return o.keep / together;
    throw Error(ErrorKind::usage,
                {.what = "so many " + what + " cannot stay",
                 .where = "keep",
                 .expected = (together > 1 ? "a multiple of " + std::to_string(together) + ", " : "") +
                             "1 to " + std::to_string(all * together),
                 .found = std::to_string(o.keep)});
  }
  const double share = o.sparsity, least = 1.0 / static_cast<double>(all);
  const auto count = share >= 0 && share < 1 ? std::llround(share * static_cast<double>(all)) : 0;
  if (count > 0 && count < all) return all - count;
  throw Error(
      ErrorKind::usage,
      {.what = all == 1 ? "there is one of " + what + ", which stays"
                        : "of " + std::to_string(all) + " " + what +
                              (count > 0 ? " none would stay" : " none would go"),
       .where = "sparsity",
       .expected = all == 1 ? "" : to_text(least, 3) + (all == 2 ? "" : " to " + to_text(1 - least, 3)),
       .found = to_text(share)});
}

bool wants_whole_heads(const nlohmann::json& config) {
  const std::string family = config.value("model_type", "");
  return family == "llama" || family == "gemma3_text";
}

void note_odd_heads(const nlohmann::json& config, std::int64_t width, std::int64_t heads,
                    std::vector<std::string>& notes) {
  if (wants_whole_heads(config) && width % heads != 0)
    notes.push_back("Transformers does not open this " + std::string(config.at("model_type")) +
                    ": its width, " + std::to_string(width) + ", is no multiple of its " +
                    std::to_string(heads) + " heads");
}

}  // namespace hone
