#include "hone/prune.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/number.hpp"
#include "compress/mask.hpp"
#include "hone/nearest.hpp"
#include "ir/values.hpp"
#include "model/adapter.hpp"

namespace hone {
namespace {

constexpr const char* magnitude = "magnitude";

void check(const PruneOptions& o) {
  const auto methods = prune_methods();
  if (std::ranges::find(methods, o.method) == methods.end())
    throw Error(ErrorKind::usage, {.what = "no method '" + o.method + "'",
                                   .where = "method",
                                   .hint = "did you mean '" + nearest(o.method, methods) + "'?"});
  const bool half = pattern_named(o.pattern).of > 0;
  if (!(o.sparsity >= 0 && o.sparsity < 1) || (half && o.sparsity != 0.5))
    throw Error(ErrorKind::usage,
                {.what = "impossible value",
                 .where = "sparsity",
                 .expected = half ? "0.5: of each four weights two are zero" : "0 <= sparsity < 1",
                 .found = to_text(o.sparsity)});
}

// Each matrix by itself: how much an element matters is its own size (Han et al., 2015).
std::vector<float> magnitudes(std::span<const float> weight) {
  std::vector<float> scores(weight.size());
  std::ranges::transform(weight, scores.begin(), [](float w) { return std::abs(w); });
  return scores;
}

class Pruning {
 public:
  Pruning(const Model& model, const PruneOptions& options)
      : model_(model.impl()), options_(options), types_(model_.store.stored_types()) {}

  Pruned run(const Model& model) {
    for (const LinearModule& module : modules_of(model))
      if (!module.head) prune(model_.spec(module.name + ".weight"));
    Pruned done{with_weights(model, model_.store.with_stored(std::move(made_)))};
    if (all_ > 0) done.sparsity = static_cast<double>(zeros_) / static_cast<double>(all_);
    if (empty_rows_ > 0)
      done.notes.push_back(
          std::to_string(empty_rows_) +
          " outputs have no weight left, so that they are the same whatever is read; first in " +
          first_empty_);
    return done;
  }

 private:
  void prune(const ParameterSpec& spec) {
    std::vector<float> weight(static_cast<std::size_t>(spec.shape.elements()));  // [out,in]
    ParameterSpec wide = spec;
    wide.dtype = DType::f32;
    model_.store.read(wide, std::as_writable_bytes(std::span(weight)));
    model_.store.require_finite(spec, weight);
    const std::vector<std::uint8_t> mask = kept(magnitudes(weight), spec.shape[0], spec.shape[1],
                                                pattern_named(options_.pattern), options_.sparsity);
    for (std::size_t i = 0; i < weight.size(); ++i)
      if (!mask[i]) weight[i] = 0;
    count(spec, weight);
    write(wide, weight);
  }

  void count(const ParameterSpec& spec, std::span<const float> weight) {
    const auto columns = static_cast<std::size_t>(spec.shape[1]);
    for (std::size_t row = 0; row < weight.size(); row += columns) {
      const auto zeros = std::ranges::count(weight.subspan(row, columns), 0.0f);
      zeros_ += zeros;
      if (zeros < std::ssize(weight.subspan(row, columns))) continue;
      if (empty_rows_++ == 0) first_empty_ = spec.name;
    }
    all_ += std::ssize(weight);
  }

  // In the type that the model's file has it in: all that was kept is a value of it.
  void write(const ParameterSpec& wide, std::span<const float> weight) {
    const auto stored = types_.find(wide.name);
    const DType dtype = stored == types_.end() ? DType::f32 : stored->second;
    if (is_blocks(dtype))
      throw Error(ErrorKind::input, {.what = "the model is quantized, and zeros are no values of its codes",
                                     .where = "weight " + wide.name,
                                     .found = std::string(name(dtype)),
                                     .hint = "prune the model that it was made of, and quantize the result"});
    std::vector<float> turned(weight.size());
    to_file_layout(wide, std::as_bytes(weight), std::as_writable_bytes(std::span(turned)));
    const TensorType type{wide.shape, dtype};
    std::vector<std::byte> bytes(static_cast<std::size_t>(type.bytes()));
    narrow(turned, dtype, bytes);
    made_[wide.name] = made_weight(type, std::move(bytes));
  }

  const Model::Impl& model_;
  const PruneOptions& options_;
  std::map<std::string, DType> types_;
  std::map<std::string, StoredWeight> made_;
  std::int64_t zeros_ = 0, all_ = 0, empty_rows_ = 0;
  std::string first_empty_;
};

}  // namespace

std::vector<std::string> prune_methods() { return {magnitude}; }

std::vector<std::string> prune_patterns() {
  std::vector<std::string> names;
  for (const Pattern& p : patterns()) names.emplace_back(p.name);
  return names;
}

Pruned prune(const Model& model, const PruneOptions& options) {
  check(options);
  return Pruning(model, options).run(model);
}

}  // namespace hone
