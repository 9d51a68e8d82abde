// From shapes and types: of each matrix [N,K], n = N K elements.
#include "compress/work_memory.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>

#include "compress/bit_mix.hpp"
#include "compress/calibrate.hpp"
#include "compress/coded_weights.hpp"
#include "compress/column_errors.hpp"
#include "compress/model_parts.hpp"
#include "compress/prune_parts.hpp"
#include "compress/refine.hpp"
#include "model/adapter.hpp"
#include "model/model_impl.hpp"
#include "train/pruned_matrices.hpp"

namespace hone {
namespace {

struct Sizes {
  std::int64_t N = 0, K = 0;
  std::int64_t n() const { return N * K; }
};

std::map<std::string, Sizes> sizes_of(const Model& model, const std::vector<std::string>& weights) {
  std::map<std::string, Sizes> all;
  for (const std::string& name : weights) {
    const Shape& shape = model.impl().spec(name).shape;
    all[name] = {shape[0], shape[1]};
  }
  return all;
}

std::int64_t file_bytes(const Model& model, const std::map<std::string, DType>& types,
                        const std::string& name) {
  const auto type = types.find(name);
  return TensorType{model.impl().spec(name).shape, type == types.end() ? DType::f32 : type->second}.bytes();
}

// Of a weight as it is written: what is in 16 bits goes through f32, but for those that were made.
std::int64_t writing_bytes(const Model& model, const std::map<std::string, Sizes>& made) {
  std::int64_t most = 0;
  for (const ParameterSpec& spec : stored_weights(model)) {
    const bool widened = is_floating(spec.dtype) && spec.dtype != DType::f32 && !made.contains(spec.name);
    most = std::max(most,
                    TensorType{spec.shape, spec.dtype}.bytes() + (widened ? 4 * spec.shape.elements() : 0));
  }
  return most;
}

// The factor of a Hessian in f64, as it is turned, inverted and turned back (linear_algebra.cpp), and in f32.
std::int64_t factor_bytes(std::int64_t K) { return (6 * 8 + 4) * K * K; }
// A decomposition in f64 of an [N,K] matrix: itself and copies, both sides, the square of the smaller one.
std::int64_t svd_bytes(const Sizes& s) {
  const std::int64_t small = std::min(s.N, s.K);
  return 8 * (4 * s.n() + 2 * small * (s.N + s.K) + 4 * small * small);
}
std::int64_t correction_bytes(const Sizes& s, std::int64_t rank) {
  return rank == 0 ? 0 : 4 * s.n() + svd_bytes(s) + 8 * s.K * s.K;
}

// Matrices one after another, each while it is worked at and then what it has become.
struct Pass {
  const std::map<std::string, Sizes>& matrices;
  std::function<std::int64_t(const std::string&name, const Sizes&)> working, made;

  // Those alone, behind so many bytes that were made before; adds to the memory.
  void alone(WorkMemory& memory, const std::vector<std::string>& names, std::int64_t before) const {
    for (const std::string& name : names) {
      const Sizes& s = matrices.at(name);
      memory.working = std::max(memory.working, before + made(name, s) + working(name, s));
      before += made(name, s);
    }
  }
  // Within a part of the model, whose new weights are kept in f32 until its end.
  LayerBytes layer(const LayerProducts& products) const {
    LayerBytes layer;
    for (const std::string& name : products) {
      const auto found = matrices.find(name);
      if (found == matrices.end()) continue;
      layer.changed += 4 * found->second.n();
      layer.made += made(name, found->second);
      layer.working = std::max(layer.working, working(name, found->second));
    }
    layer.working += layer.changed + layer.made;
    return layer;
  }
};

std::vector<std::string> names_of(const std::map<std::string, Sizes>& matrices) {
  std::vector<std::string> names;
  for (const auto& named : matrices) names.push_back(named.first);
  return names;
}

}  // namespace

WorkMemory quantize_work(const Model& model, const Text* text, const QuantizeOptions& o) {
  std::map<std::string, Sizes> matrices;
  std::map<std::string, Grid> grids;
  std::map<std::string, std::int64_t> made;
  WorkMemory memory;
  const auto types = model.impl().store.stored_types();
  for (const MatrixWeight& w : matrices_of(model)) {
    if (w.table && o.table_bits == 0 && o.size_bytes == 0) continue;
    matrices[w.name] = {w.rows, w.columns};
    const int bits = w.table ? o.table_bits : static_cast<int>(std::ceil(o.bits));
    const auto grid = grid_of(o.size_bytes > 0 || bits > 4 ? 8 : bits, w.columns, groups_of(o));
    if (grid) grids[w.name] = *grid;
    if (grid && !is_block(grid->group))
      memory.expanded += TensorType{{w.rows, w.columns}, type_in_programs(*grid, w.columns)}.bytes();
    made[w.name] = (grid ? coded_bytes(w, *grid) : 2 * w.rows * w.columns) +
                   o.correction.rank * (w.rows + w.columns) * 4;
    memory.made += made[w.name];
    memory.replaced += file_bytes(model, types, w.name);
  }
  memory.writing = writing_bytes(model, matrices);
  if (o.size_bytes > 0) memory.made = std::min(memory.made, o.size_bytes);
  Pass pass{.matrices = matrices,
            .working =
                [&](const std::string& name, const Sizes& s) {
                  const std::int64_t lines =
                      grids.contains(name) ? 8 * s.N * (s.K / grids.at(name).group + 1) : 0;
                  return 5 * s.n() + lines + correction_bytes(s, o.correction.rank);
                },
            .made = [&](const std::string& name, const Sizes&) { return made.at(name); }};
  if (!(text && (needs_text(o) || o.correction.rank > 0))) {
    pass.alone(memory, names_of(matrices), 0);
    return memory;
  }
  const auto plainly = pass.working;
  const bool ordered = o.method == "gptq" || o.method == "refined";
  pass.working = [&, plainly](const std::string& name, const Sizes& s) {
    return plainly(name, s) + (ordered ? 4 * s.n() + 4 * error_columns * s.N + factor_bytes(s.K) : 8 * s.n());
  };
  std::vector<std::string> rest = names_of(matrices);
  std::int64_t learned = 0;
  memory.working = calibration_bytes(model, *text, o.sample, [&](const LayerProducts& products) {
    for (const std::string& name : products) std::erase(rest, name);
    const LayerBytes layer = pass.layer(products);
    learned += layer.made;
    return layer;
  });
  pass.working = plainly;
  pass.alone(memory, rest, learned);
  if (o.smooth > 0)
    for (const ParameterSpec& spec : model.impl().specs) memory.made += 4 * spec.shape.elements();
  if (o.method == "refined")
    memory.working = std::max(memory.working, memory.made + refine_bytes(model, grids, o.refine, o.sample));
  return memory;
}

namespace {

// What pruning works at, and what it makes anew besides: the whole weights, of which some will stay.
struct PrunedWeights {
  std::vector<std::string> worked_at, others;
};

PrunedWeights of_units(const Model& model, const ModelParts& parts, const UnitNames& units) {
  PrunedWeights weights;
  for (std::int64_t layer = 0; layer < sizes_of(model, parts).layers; ++layer) {
    weights.worked_at.push_back(parts.layer(layer) + units.joins + ".weight");
    for (const std::string& reads : units.reads)
      weights.others.push_back(parts.layer(layer) + reads + ".weight");
  }
  return weights;
}

PrunedWeights pruned_weights(const Model& model, const std::string& pattern) {
  if (!prunes_parts(pattern)) return {pruned_matrices(model), {}};
  const ModelParts parts = parts_of(model);
  PrunedWeights weights;
  if (pattern == "channels")
    weights = of_units(model, parts, parts.channels);
  else if (pattern == "heads")
    weights = of_units(model, parts, parts.attention());
  else if (pattern == "width")
    weights.worked_at = pruned_matrices(model);
  const std::set<std::string> known(weights.worked_at.begin(), weights.worked_at.end());
  for (const ParameterSpec& spec : model.impl().specs)
    if (!known.contains(spec.name) && (pattern == "width" || spec.transposed) &&
        std::ranges::count(weights.others, spec.name) == 0)
      weights.others.push_back(spec.name);
  return weights;
}

}  // namespace

WorkMemory prune_work(const Model& model, const Text* text, const PruneOptions& o) {
  WorkMemory memory;
  const auto types = model.impl().store.stored_types();
  const bool parts = prunes_parts(o.pattern);
  const PrunedWeights weights = pruned_weights(model, o.pattern);
  const std::vector<std::string>& names = weights.worked_at;
  const auto matrices = sizes_of(model, names);
  std::int64_t others_bytes = 0;
  for (const std::string& name : weights.others) others_bytes += file_bytes(model, types, name);
  memory.made = others_bytes;
  for (const std::string& name : names) memory.made += file_bytes(model, types, name);
  memory.replaced = memory.made;
  if (parts) {  // a smaller model takes what stays as the model holds it
    memory.replaced = 0;
    for (const ParameterSpec& spec : model.impl().specs)
      memory.replaced += file_bytes(model, types, spec.name);
  }
  memory.writing = writing_bytes(model, parts ? std::map<std::string, Sizes>() : matrices);
  if (o.pattern == "layers") {
    memory.working = memory.made + (text ? prune_layers_bytes(model, *text, o) : 0);
    return memory;
  }
  // In f32, turned and as it will be filed; scores, and places where they are sorted. What else is made
  // comes along with these.
  Pass pass{.matrices = matrices,
            .working = [&](const std::string&,
                           const Sizes& s) { return 20 * s.n() + correction_bytes(s, o.correction.rank); },
            .made =
                [&](const std::string& name, const Sizes&) {
                  return file_bytes(model, types, name) + others_bytes / std::ssize(names);
                }};
  if (!text || !(may_learn(o) || o.correction.rank > 0)) {
    pass.alone(memory, names, 0);
    return memory;
  }
  const auto plainly = pass.working;
  pass.working = [&, plainly](const std::string& name, const Sizes& s) {
    return plainly(name, s) + (o.method == "sparsegpt" || parts ? factor_bytes(s.K) : 0);
  };
  memory.working = std::max(
      memory.made, calibration_bytes(model, *text, o.sample, [&](const auto& p) { return pass.layer(p); }));
  return memory;
}

WorkMemory factorize_work(const Model& model, const FactorizeOptions& o, const Text* text) {
  WorkMemory memory;
  std::vector<std::string> names;
  for (const LinearModule& module : modules_of(model))
    if (!module.head) names.push_back(module.name + ".weight");
  const bool tables = o.method == "tensor-train" || o.method == "table-svd";
  if (tables) {
    names.clear();
    for (const MatrixWeight& w : matrices_of(model))
      if (w.table) names.push_back(w.name);
  }
  const auto matrices = sizes_of(model, names);
  // Both factors of each are kept to the end, for ranks are chosen over all of them; then they are cut.
  const auto both = [&](const std::string&, const Sizes& s) {
    return 4 * std::min({s.N, s.K, s.n() / (s.N + s.K)}) * (s.N + s.K);
  };
  const auto types = model.impl().store.stored_types();
  std::int64_t kept = 0;
  for (const auto& [name, s] : matrices) {
    kept += both(name, s);
    memory.made += static_cast<std::int64_t>(o.keep * static_cast<double>(file_bytes(model, types, name)));
    memory.replaced += file_bytes(model, types, name);
  }
  memory.writing = writing_bytes(model, matrices);
  Pass pass{.matrices = matrices,
            .working =
                [&](const std::string&, const Sizes& s) {
                  return tables ? 16 * s.n() + svd_bytes({s.K, s.K}) : 4 * s.n() + svd_bytes(s);
                },
            .made = both};
  if (!text || !needs_text(o)) {
    pass.alone(memory, names, 0);
  } else {
    memory.working = calibration_bytes(model, *text, o.calibration, [&](const LayerProducts& products) {
      LayerBytes layer = pass.layer(products);
      for (const std::string& name : products)
        if (const auto found = matrices.find(name); found != matrices.end())
          layer.working += 4 * 8 * found->second.K * found->second.K - 4 * found->second.n();
      layer.changed = 0;
      return layer;
    });
  }
  memory.working = std::max(memory.working, kept + memory.made);
  return memory;
}

}  // namespace hone
