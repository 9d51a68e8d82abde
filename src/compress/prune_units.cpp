#include <algorithm>
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/number.hpp"
#include "compress/calibrate.hpp"
#include "compress/linear_algebra.hpp"
#include "compress/prune_parts.hpp"
#include "compress/smaller_model.hpp"

namespace hone {
namespace {

constexpr double damping = 0.01;  // of the mean of the moments' diagonal

// A layer's units, as the product that joins them sees them: unit u is columns [u width, (u + 1) width).
struct Joined {
  std::span<const float> weight;  // [rows,columns]
  std::int64_t rows, columns, width;
  const Moments* moments = nullptr;  // none: all inputs alike

  double moment(std::int64_t i, std::int64_t j) const {
    return moments ? static_cast<double>(moments->at(i, j)) : i == j ? 1.0 : 0.0;
  }
};

// The mean square of what a unit adds: tr(W_u H_uu W_u^T), over its columns.
double energy(const Joined& m, std::int64_t unit) {
  const std::int64_t first = unit * m.width, last = first + m.width;
  double sum = 0;
  for (std::int64_t r = 0; r < m.rows; ++r)
    for (std::int64_t i = first; i < last; ++i) {
      double row = 0;
      for (std::int64_t j = first; j < last; ++j)
        row += m.moment(i, j) * static_cast<double>(m.weight[static_cast<std::size_t>(r * m.columns + j)]);
      sum += row * static_cast<double>(m.weight[static_cast<std::size_t>(r * m.columns + i)]);
    }
  return sum;
}

// The units that add most, in their order.
std::vector<std::int64_t> largest(const Joined& m, std::int64_t count) {
  std::vector<double> energies;
  for (std::int64_t u = 0; u < m.columns / m.width; ++u) energies.push_back(energy(m, u));
  std::vector<std::int64_t> units(energies.size());
  std::iota(units.begin(), units.end(), std::int64_t{0});
  std::ranges::stable_sort(units, [&](std::int64_t a, std::int64_t b) {
    return energies[static_cast<std::size_t>(a)] > energies[static_cast<std::size_t>(b)];
  });
  units.resize(static_cast<std::size_t>(count));
  std::ranges::sort(units);
  return units;
}

// The weight that from the inputs that stay makes most nearly what W made of all: W H_:S H_SS^-1, zero
// elsewhere.
std::vector<float> made_good(const Joined& m, const std::vector<std::int64_t>& units) {
  std::vector<std::int64_t> columns;
  for (const std::int64_t u : units)
    for (std::int64_t i = 0; i < m.width; ++i) columns.push_back(u * m.width + i);
  const std::size_t n = columns.size();
  double mean = 0;
  for (const std::int64_t c : columns) mean += m.moment(c, c) / static_cast<double>(n);
  std::vector<double> within(n * n), across(n * static_cast<std::size_t>(m.columns));
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) within[i * n + j] = m.moment(columns[i], columns[j]);
    within[i * n + i] += damping * mean + 1e-30;
    for (std::int64_t c = 0; c < m.columns; ++c)
      across[i * static_cast<std::size_t>(m.columns) + static_cast<std::size_t>(c)] = m.moment(columns[i], c);
    across[i * static_cast<std::size_t>(m.columns) + static_cast<std::size_t>(columns[i])] += damping * mean;
  }
  const std::vector<double> told =
      solve_positive(within, across, static_cast<std::int64_t>(n));  // [n,columns]
  std::vector<float> all(m.weight.size());
  std::vector<double> row(n);
  for (std::int64_t r = 0; r < m.rows; ++r) {
    const auto from =
        m.weight.subspan(static_cast<std::size_t>(r * m.columns), static_cast<std::size_t>(m.columns));
    for (std::size_t i = 0; i < n; ++i)
      row[i] = std::inner_product(
          from.begin(), from.end(), told.begin() + static_cast<std::ptrdiff_t>(i * from.size()), 0.0,
          std::plus<>(), [](float w, double t) { return static_cast<double>(w) * t; });
    for (std::size_t i = 0; i < n; ++i)
      all[static_cast<std::size_t>(r * m.columns + columns[i])] = static_cast<float>(row[i]);
  }
  return all;
}

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
    else if (parts_.head_count)
      units_ = {sizes_.kv_heads, shared() * sizes_.head_dim, parts_.attention_joins,
                sizes_.heads == sizes_.kv_heads ? "heads" : "groups of heads"};
    else
      throw Error(ErrorKind::input,
                  {.what = "a config of this family cannot say fewer heads of the same width",
                   .found = model.family(),
                   .hint = "channels and layers can go"});
    stay_ = units_.all - removed(units_.all, o.sparsity, units_.what);
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
      config[parts_.head_count] = stay_ * shared();
      config[parts_.kv_head_count] = stay_;
      config["head_dim"] = sizes_.head_dim;
    }
    Pruned done{smaller_.finish(config, [](const std::string& name) { return name; })};
    const std::int64_t gone = units_.all - stay_;
    done.sparsity = static_cast<double>(gone) / static_cast<double>(units_.all);
    done.notes.push_back(std::to_string(gone) + " of " + std::to_string(units_.all) + " " + units_.what +
                         " went in each layer");
    return done;
  }

 private:
  std::int64_t shared() const { return sizes_.heads / sizes_.kv_heads; }  // queries' heads of one of keys

  // The weight that joins, with zeros in the columns that went.
  std::vector<float> prune(std::int64_t layer, const Moments* moments) {
    const std::string prefix = parts_.layer(layer), joins = prefix + units_.joins;
    std::vector<float> weight = smaller_.read(joins + ".weight");
    const std::int64_t columns = units_.all * units_.width;
    const Joined joined{weight, std::ssize(weight) / columns, columns, units_.width, moments};
    const std::vector<std::int64_t> units = largest(joined, stay_);
    if (moments) weight = made_good(joined, units);
    smaller_.keep_columns(joins, weight, units, units_.width);
    if (unit_ == Unit::channels) {
      for (const std::string& name : parts_.channels.reads) smaller_.keep_rows(prefix + name, units, 1);
    } else {
      smaller_.keep_rows(prefix + parts_.queries, units, units_.width);
      for (const std::string& name : parts_.keys_values)
        smaller_.keep_rows(prefix + name, units, sizes_.head_dim);
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
  UnitPruning pruning(model, unit, o);
  if (text)
    pruning.by_text(*text, o.sample);
  else
    pruning.by_weights();
  return pruning.finish();
}

std::int64_t removed(std::int64_t all, double share, const std::string& what) {
  const double least = 1.0 / static_cast<double>(all);
  const auto count = share >= 0 && share < 1 ? std::llround(share * static_cast<double>(all)) : 0;
  if (count > 0 && count < all) return count;
  throw Error(ErrorKind::usage,
              {.what = all == 1 ? "there is one of " + what + ", which stays"
                                : "of " + std::to_string(all) + " " + what +
                                      (count > 0 ? " none would stay" : " none would go"),
               .where = "sparsity",
               .expected = all == 1 ? "" : to_text(least, 3) + " to " + to_text(1 - least, 3),
               .found = to_text(share)});
}

}  // namespace hone
