// A trainer's numbers at the border: weights out and in, snapshots.
#include <algorithm>

#include "file/atomic.hpp"
#include "ir/values.hpp"
#include "model/model_impl.hpp"
#include "pass/passes.hpp"
#include "store/save_weights.hpp"
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
  to_file_layout(spec, std::as_bytes(from), std::as_writable_bytes(to));
}

}  // namespace

std::span<const std::byte> Trainer::Impl::bytes(const std::string& name) const {
  return const_cast<Impl*>(this)->executor.bytes(name);  // reads only
}

std::vector<ParameterSpec> Trainer::Impl::own() const {
  std::vector<ParameterSpec> own = saved();
  if (planned().model.impl().frozen_base)
    std::erase_if(own, [](const ParameterSpec& spec) { return !spec.trained; });
  return own;
}

std::vector<ParameterSpec> Trainer::Impl::filed() const {
  const Model& model = planned().model;
  std::vector<ParameterSpec> specs = saved();
  const auto types = model.impl().store.stored_types();
  for (ParameterSpec& spec : specs)
    if (const auto kept = types.find(spec.name);
        model.impl().frozen_base && !spec.trained && kept != types.end())
      spec.dtype = kept->second;
  // What is trained is dense, however it was stored.
  const auto others =
      std::stable_partition(specs.begin(), specs.end(), [](const ParameterSpec& s) { return s.trained; });
  const std::vector<ParameterSpec> parts = filed_weights(model, {others, specs.end()});
  specs.erase(others, specs.end());
  specs.insert(specs.end(), parts.begin(), parts.end());
  return specs;
}

WeightReader Trainer::Impl::reader(TurnedWeight& turned) const {
  return [this, &turned](const ParameterSpec& spec) -> std::span<const std::byte> {
    const auto held = planned().job.shared().find(spec.name);
    // Frozen: only what is derived from it is there, or it is there in another type than its file's.
    if (held == planned().job.shared().end() || held->second.tensor.type.dtype != spec.dtype) {
      const auto read = turned.of(static_cast<std::size_t>(TensorType{spec.shape, spec.dtype}.bytes()));
      planned().model.impl().store.read_as_filed(spec, read);
      return read;
    }
    const std::span<const std::byte> from = bytes(spec.name);
    if (!is_turned(spec)) return from;
    const std::span<std::byte> to = turned.of(from.size());
    to_file_layout(spec, from, to);
    return to;
  };
}

const ParameterSpec& Trainer::Impl::spec(const std::string& weight) const {
  const Model::Impl& model = planned().model.impl();
  return planned().specs[static_cast<std::size_t>(&model.spec(weight) - model.specs.data())];
}

const std::string& Trainer::Impl::gradient_state(const std::string& weight) const {
  for (const auto& [name, s] : planned().job.shared())  // the first use's comes first
    if (s.tensor.purpose == Purpose::gradient && s.tensor.of == weight) return name;
  throw Error(ErrorKind::usage,
              {.what = "the weight is not trained, so it has no gradient", .where = weight});
}

// The sums of a tied weight's uses are added for good only behind the last micro-batch: until then what that
// writes is put back.
void Trainer::Impl::with_whole_gradients(const std::function<void()>& read) {
  if (joined) return read();
  std::map<std::string, std::vector<std::byte>> before;
  const Program& norm = planned().job.programs()[planned().norm];
  for (const Node& node : norm.nodes)
    for (const TensorId id : node.outputs) {
      const TensorDef& t = norm[norm.root(id)];
      if (t.purpose != Purpose::gradient) continue;
      const auto bytes = executor.bytes(t.name);
      before[t.name].assign(bytes.begin(), bytes.end());
    }
  run(planned().norm);
  read();
  for (const auto& [name, bytes] : before)
    std::copy(bytes.begin(), bytes.end(), executor.bytes(name).begin());
}

Model Trainer::model() const {
  const Exclusive guard(impl_.get());
  impl_->require_whole();
  std::map<std::string, std::vector<std::byte>> values;
  TurnedWeight turned;
  const auto read = impl_->reader(turned);
  for (const ParameterSpec& spec : impl_->own()) {
    const auto from = read(spec);
    std::vector<std::byte>& to = values[spec.name];
    to.resize(static_cast<std::size_t>(spec.shape.elements()) * sizeof(float));
    widen_as_filed(spec, from, {reinterpret_cast<float*>(to.data()), to.size() / sizeof(float)});
  }
  const Model& model = impl_->planned().model;
  const WeightStore& store = model.impl().store;
  if (model.impl().adapter) return with_weights(model, store.with(std::move(values)));
  if (!model.impl().frozen_base) return with_weights(model, WeightStore::snapshot(std::move(values)));
  std::map<std::string, StoredWeight> made;  // in the place of what the base's files have of these
  for (auto& [name, bytes] : values)
    made[name] = made_weight({model.impl().spec(name).shape, DType::f32}, std::move(bytes));
  return with_weights(model, store.with_stored(std::move(made)));
}

std::string Trainer::weights_hash() const {
  const Exclusive guard(impl_.get());
  impl_->require_whole();
  TurnedWeight turned;
  return hash_weights(impl_->planned().specs, impl_->reader(turned));
}

void Trainer::save(const std::string& folder, const SaveOptions& options) const {
  const Exclusive guard(impl_.get());
  impl_->require_whole();
  make_folders(folder);
  TurnedWeight turned;
  save_folder(impl_->planned().model, folder, impl_->filed(), impl_->reader(turned), options);
}

void Trainer::read(const std::string& weight, std::span<float> values) const {
  const Exclusive guard(impl_.get());
  impl_->require_whole();
  const ParameterSpec& spec = impl_->spec(weight);
  require_size(weight, static_cast<std::size_t>(spec.shape.elements()), values.size());
  TurnedWeight turned;
  widen_as_filed(spec, impl_->reader(turned)(spec), values);
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
  const std::string& state = impl_->gradient_state(weight);
  const DType kept = impl_->planned().job.shared().at(state).tensor.type.dtype;
  std::vector<float> sums(static_cast<std::size_t>(spec.shape.elements()));
  impl_->with_whole_gradients([&] { widen(impl_->executor.bytes(state), kept, sums); });
  in_file_layout(spec, sums, values);
  for (float& value : values) value /= impl_->scaled_by;
}

void Trainer::read_activation(const std::string& name, std::span<float> values) const {
  const Exclusive guard(impl_.get());
  impl_->require_kept(name);
  const auto found = impl_->planned().job.shared().find(kept_name(name));
  if (found == impl_->planned().job.shared().end())
    throw Error(ErrorKind::usage, {.what = "a weight is no activation",
                                   .where = name,
                                   .hint = "read() reads the weight, read_gradient() its gradient"});
  const TensorType& type = found->second.tensor.type;
  require_size(name, static_cast<std::size_t>(type.shape.elements()), values.size());
  widen(impl_->executor.bytes(kept_name(name)), type.dtype, values);
}

void Trainer::write(const std::string& weight, std::span<const float> values) {
  const Exclusive guard(impl_.get());
  impl_->require_whole();
  impl_->require_no_half_backward("write()");
  const ParameterSpec& spec = impl_->spec(weight);
  require_size(weight, static_cast<std::size_t>(spec.shape.elements()), values.size());
  if (impl_->planned().model.impl().frozen_base && !spec.trained)
    throw Error(ErrorKind::usage, {.what = "a weight of the base, which training leaves as it is",
                                   .where = weight,
                                   .hint = "write() takes what is trained: " + impl_->own().front().name});
  const std::span<std::byte> to = impl_->executor.bytes(weight);
  impl_->saver.await_copied();
  const std::vector<std::byte> before(to.begin(), to.end());
  std::vector<std::byte> kept(to.size());
  narrow(values, spec.dtype, kept);
  from_file_layout(spec, kept, to);
  try {
    impl_->derive();
  } catch (...) {
    std::ranges::copy(before, to.begin());
    impl_->derive();
    throw;
  }
}

}  // namespace hone
