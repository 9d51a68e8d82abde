// A trainer's numbers at the border: weights out and in, snapshots.
#include <algorithm>

#include "base/types.hpp"
#include "file/atomic.hpp"
#include "model/model_impl.hpp"
#include "op/gradient_context.hpp"
#include "pass/passes.hpp"
#include "train/trainer_impl.hpp"

namespace hone {
namespace {

void require_size(const std::string& name, std::size_t expected, std::size_t found) {
  if (found != expected)
    throw Error(ErrorKind::usage, {.what = "the span does not fit what it is for",
                                   .where = name,
                                   .expected = std::to_string(expected) + " values",
                                   .found = std::to_string(found)});
}

void in_file_layout(const ParameterSpec& spec, std::span<const float> from, std::span<float> to) {
  require_size(spec.name, from.size(), to.size());
  if (spec.transposed)
    transpose(from, spec.shape[0], spec.shape[1], to);
  else
    std::copy(from.begin(), from.end(), to.begin());
}

}  // namespace

WeightReader Trainer::Impl::reader(std::vector<float>& buffer) const {
  auto* self = const_cast<Impl*>(this);  // reads only
  return [self, &buffer](const ParameterSpec& spec) -> std::span<const float> {
    const auto from = self->weight(spec.name);
    if (!spec.transposed) return from;
    buffer.resize(from.size());
    in_file_layout(spec, from, buffer);
    return buffer;
  };
}

Model Trainer::model() const {
  const Exclusive guard(impl_.get());
  impl_->require_whole();
  std::map<std::string, std::vector<float>> values;
  std::vector<float> buffer;
  const auto read = impl_->reader(buffer);
  for (const ParameterSpec& spec : impl_->planned().model.impl().specs) {
    const auto from = read(spec);
    values[spec.name].assign(from.begin(), from.end());
  }
  return with_weights(impl_->planned().model, WeightStore::snapshot(std::move(values)));
}

std::string Trainer::weights_hash() const {
  const Exclusive guard(impl_.get());
  impl_->require_whole();
  std::vector<float> buffer;
  return hash_weights(impl_->planned().model.impl().specs, impl_->reader(buffer));
}

void Trainer::save(const std::string& folder) const {
  const Exclusive guard(impl_.get());
  impl_->require_whole();
  make_folders(folder);
  std::vector<float> buffer;
  write_weights(folder + "/model.safetensors", impl_->planned().model.impl().specs, impl_->reader(buffer));
  write_file(folder + "/config.json", impl_->planned().model.config_json());
}

void Trainer::read(const std::string& weight, std::span<float> values) const {
  const Exclusive guard(impl_.get());
  impl_->require_whole();
  const ParameterSpec& spec = impl_->planned().model.impl().spec(weight);
  in_file_layout(spec, impl_->weight(weight), values);
}

void Trainer::Impl::require_kept(const std::string& name) const {
  const auto& keep = planned().options.keep;
  if (std::find(keep.begin(), keep.end(), name) == keep.end())
    throw Error(ErrorKind::usage, {.what = "the plan does not keep '" + name + "'",
                                   .where = "Trainer",
                                   .hint = "name it in TrainPlanOptions::keep"});
  if (!computed)
    throw Error(ErrorKind::usage, {.what = "nothing has been computed yet that could be read",
                                   .where = name,
                                   .hint = "it is there after step() or accumulate()"});
}

void Trainer::read_gradient(const std::string& weight, std::span<float> values) const {
  const Exclusive guard(impl_.get());
  const ParameterSpec& spec = impl_->planned().model.impl().spec(weight);
  impl_->require_kept(weight);
  in_file_layout(spec, impl_->executor.view<float>(gradient_name(weight, 0)), values);
}

void Trainer::read_activation(const std::string& name, std::span<float> values) const {
  const Exclusive guard(impl_.get());
  impl_->require_kept(name);
  const auto found = impl_->planned().job.shared().find(kept_name(name));
  if (found == impl_->planned().job.shared().end())
    throw Error(ErrorKind::usage, {.what = "a weight is no activation",
                                   .where = name,
                                   .hint = "read() reads the weight, read_gradient() its gradient"});
  const TensorType& type = found->second.type;
  require_size(name, static_cast<std::size_t>(type.shape.elements()), values.size());
  if (type.dtype == DType::bf16)
    std::ranges::transform(impl_->executor.view<bf16>(kept_name(name)), values.begin(),
                           [](bf16 x) { return to_f32(x); });
  else
    std::ranges::copy(impl_->executor.view<float>(kept_name(name)), values.begin());
}

void Trainer::write(const std::string& weight, std::span<const float> values) {
  const Exclusive guard(impl_.get());
  impl_->require_whole();
  const ParameterSpec& spec = impl_->planned().model.impl().spec(weight);
  const auto to = impl_->weight(weight);
  require_size(weight, to.size(), values.size());
  if (spec.transposed)
    transpose(values, spec.shape[1], spec.shape[0], to);
  else
    std::copy(values.begin(), values.end(), to.begin());
  impl_->derive();
}

}  // namespace hone
