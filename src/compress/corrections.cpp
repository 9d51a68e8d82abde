#include "compress/corrections.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "compress/factors.hpp"
#include "compress/weight_values.hpp"
#include "ir/values.hpp"
#include "model/adapter.hpp"
#include "model/low_rank.hpp"
#include "model/model_impl.hpp"

namespace hone {
namespace {

// As many bits as scales have, and the range of f32; half a thousandth of error in what is an approximation.
constexpr DType kept_in = DType::bf16;

void check_rank(const LinearModule& module, std::int64_t rank) {
  const std::int64_t most = std::min(module.in, module.out);
  if (rank > most)
    throw Error(ErrorKind::usage, {.what = "the correction's rank is above a weight's smaller side",
                                   .where = "correction_rank",
                                   .expected = fmt::format("at most {}, for {}", most, module.name),
                                   .found = std::to_string(rank)});
}

void require_like(const Model& of, const ParameterSpec& spec) {
  const ParameterSpec* const own = of.impl().find(spec.name);
  if (own && own->shape == spec.shape) return;
  throw Error(ErrorKind::usage, {.what = "the model to come back to is another one",
                                 .where = "correction_of",
                                 .expected = spec.name + " " + to_string(spec.shape),
                                 .found = own ? to_string(own->shape) : "no such weight",
                                 .hint = "name the one that IN was made of"});
}

}  // namespace

Corrections::Corrections(const Model& model, const CorrectionOptions& options)
    : model_(model), options_(options) {
  require_no_corrections(model);
  if (options.rank < 0)
    throw Error(ErrorKind::usage, {.what = "impossible value",
                                   .where = "correction_rank",
                                   .expected = "0 (none) or more",
                                   .found = std::to_string(options.rank)});
  if (options.rank == 0) {
    if (options.of)
      throw Error(ErrorKind::usage, {.what = "a model to come back to, and no rank",
                                     .where = "correction_rank",
                                     .expected = "1 or more",
                                     .found = "0"});
    return;
  }
  for (const LinearModule& module : modules_of(model)) {
    if (module.head) continue;
    check_rank(module, options.rank);
    if (options.of) require_like(*options.of, model.impl().spec(module.name + ".weight"));
    ranks_[module.name] = options.rank;
  }
}

namespace {

// "a.b.weight": "a.b".
std::string module_of(const std::string& weight) {
  constexpr std::string_view suffix = ".weight";
  return weight.ends_with(suffix) ? weight.substr(0, weight.size() - suffix.size()) : std::string();
}

// In the type in which they are kept; the values become what that holds.
StoredWeight rounded(const Shape& shape, std::span<float> values) {
  const TensorType type{shape, kept_in};
  std::vector<std::byte> bytes(static_cast<std::size_t>(type.bytes()));
  narrow(values, kept_in, bytes);
  widen(bytes, kept_in, values);
  return made_weight(type, std::move(bytes));
}

void add_product(const Factors& f, std::span<float> to) {
  const auto K = static_cast<std::size_t>(f.columns), rank = static_cast<std::size_t>(f.rank());
  for (std::size_t i = 0; i < to.size(); ++i) {
    double sum = 0;
    for (std::size_t r = 0; r < rank; ++r)
      sum += static_cast<double>(f.u[i / K * rank + r]) * static_cast<double>(f.v[r * K + i % K]);
    to[i] += static_cast<float>(sum);
  }
}

}  // namespace

void Corrections::add(const std::string& weight, std::span<const float> whole, std::span<float> compressed,
                      const Moments* moments) {
  const std::string module = module_of(weight);
  if (!ranks_.contains(module)) return;
  std::vector<float> aim;
  if (options_.of) aim = weight_values(*options_.of, weight), whole = aim;
  std::vector<double> lost(whole.size());
  for (std::size_t i = 0; i < lost.size(); ++i)
    lost[i] = static_cast<double>(whole[i]) - static_cast<double>(compressed[i]);
  const Shape shape = model_.impl().spec(weight).shape;
  Factors f = factors_of(lost, shape[0], shape[1], moments, options_.rank);
  made_[correction_u_name(module)] = rounded({shape[0], f.rank()}, f.u);
  made_[correction_v_name(module)] = rounded({f.rank(), shape[1]}, f.v);
  add_product(f, compressed);
  error_ += f.error;
  left_ += f.error * std::max(0.0, 1 - std::accumulate(f.gains.begin(), f.gains.end(), 0.0));
  elements_ += shape.elements();
  bytes_ += f.rank() * (shape[0] + shape[1]) * size_bytes(kept_in);
}

Model Corrections::added_to(const Model& compressed) {
  if (!wanted()) return compressed;
  const Model made = with_corrections(compressed, ranks_, "corrections");
  return with_weights(made, made.impl().store.with_stored(std::move(made_)));
}

std::vector<std::string> Corrections::notes() const {
  if (!wanted()) return {};
  return {fmt::format(
      "{} products have corrections of rank {}, {:.2f} bits for each of their weights, which "
      "take away {:.0f} % of the squared error",
      ranks_.size(), options_.rank, 8 * static_cast<double>(bytes_) / static_cast<double>(elements_),
      error_ > 0 ? 100 * (1 - left_ / error_) : 100.0)};
}

}  // namespace hone
