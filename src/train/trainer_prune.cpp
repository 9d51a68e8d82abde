// Pruning between two steps: the weights that are least go to zero, and so does what the optimizer keeps of
// them. From there on pass/keep_zeros holds them there, so that no mask is kept anywhere: a checkpoint has it
// in its weights.
#include <algorithm>
#include <cmath>

#include "ir/values.hpp"
#include "store/mask.hpp"
#include "train/pruned_matrices.hpp"
#include "train/trainer_impl.hpp"

namespace hone {

namespace {

std::vector<float> sizes_of(std::span<const std::byte> weight, DType dtype, std::int64_t count) {
  std::vector<float> values(static_cast<std::size_t>(count));
  widen(weight, dtype, values);
  for (float& x : values) x = std::abs(x);
  return values;
}

// All bytes zero are a zero of every type that states have: adamw8bit's codes too.
void clear(std::span<std::byte> values, std::span<const std::uint8_t> mask) {
  const std::size_t width = values.size() / mask.size();
  for (std::size_t i = 0; i < mask.size(); ++i)
    if (!mask[i]) std::fill_n(values.begin() + static_cast<std::ptrdiff_t>(i * width), width, std::byte{0});
}

// Returns how many are zero.
std::int64_t prune_matrix(Trainer::Impl& t, const ParameterSpec& spec, const Sparsity& wanted) {
  const std::span<std::byte> weight = t.executor.bytes(spec.name);
  const std::vector<std::uint8_t> mask = kept(sizes_of(weight, spec.dtype, spec.shape.elements()),
                                              spec.shape[0], spec.shape[1], wanted.pattern, wanted.share);
  clear(weight, mask);
  for (const auto& [name, s] : t.planned().job.shared())
    if (s.tensor.purpose == Purpose::optimizer && s.tensor.of == spec.name &&
        s.tensor.type.shape == spec.shape)
      clear(t.executor.bytes(name), mask);
  return std::ranges::count(mask, std::uint8_t{0});
}

}  // namespace

double Trainer::prune(double sparsity, const std::string& pattern) {
  const Exclusive guard(impl_.get());
  Impl& t = *impl_;
  t.require_whole();
  t.require_no_half_backward("prune()");
  if (!t.planned().options.prunes)
    throw Error(ErrorKind::usage, {.what = "the plan is one without pruning",
                                   .where = "Trainer::prune",
                                   .hint = "plan with TrainPlanOptions::prunes"});
  const Sparsity wanted = sparsity_of(pattern, sparsity, pattern_names(), true);
  t.saver.await_copied();
  std::int64_t zeros = 0, all = 0;
  for (const std::string& name : pruned_matrices(t.planned().model)) {
    const ParameterSpec& spec = t.spec(name);
    if (!spec.trained) continue;
    zeros += prune_matrix(t, spec, wanted);
    all += spec.shape.elements();
  }
  t.derive();
  return all > 0 ? static_cast<double>(zeros) / static_cast<double>(all) : 0;
}

}  // namespace hone
