// A trainer's numbers at the border: weights out and in, snapshots, checkpoints.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/types.hpp"
#include "base/utf8.hpp"
#include "file/atomic.hpp"
#include "file/hash.hpp"
#include "file/json.hpp"
#include "file/safetensors.hpp"
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

// What a checkpoint holds: weights and what the optimizer keeps, under the names that the arena has for them.
std::vector<std::string> saved_names(const JobPlan& job) {
  std::vector<std::string> names;
  for (const auto& [name, s] : job.shared())
    if (s.role == Role::parameter || s.lifetime == Lifetime::saved) names.push_back(name);
  return names;
}

std::vector<SafetensorsSpec> saved_specs(const JobPlan& job) {
  std::vector<SafetensorsSpec> specs;
  for (const std::string& name : saved_names(job))
    specs.push_back({name, "F32", job.shared().at(name).type.shape.sizes()});
  return specs;
}

void require_same_tensors(const SafetensorsFile& file, const std::vector<SafetensorsSpec>& specs) {
  const auto refuse = [&](const std::string& name, const std::string& expected, const std::string& found) {
    throw Error(ErrorKind::input, {.what = "the checkpoint is of another model",
                                   .where = file.path() + ", tensor " + name,
                                   .expected = expected,
                                   .found = found});
  };
  std::set<std::string> known;
  for (const SafetensorsSpec& spec : specs) {
    known.insert(spec.name);
    const SafetensorsEntry* entry = file.find(spec.name);
    const std::string expected = type_text(spec.dtype, spec.shape);
    if (!entry) refuse(spec.name, expected, "none");
    if (const std::string found = type_text(entry->dtype, entry->shape); found != expected)
      refuse(spec.name, expected, found);
  }
  for (const SafetensorsEntry& entry : file.entries())
    if (!known.contains(entry.name)) refuse(entry.name, "none", "a weight or moment that this model lacks");
}

constexpr std::int64_t checkpoint_format = 1;
constexpr const char* state_file = "state.json";
constexpr const char* tensors_file = "state.safetensors";

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

void Trainer::save_checkpoint(const std::string& folder,
                              const std::map<std::string, std::string>& notes) const {
  const Exclusive guard(impl_.get());
  impl_->require_whole();
  for (const auto& [key, note] : notes)
    if (!valid_utf8(key) || !valid_utf8(note))
      throw Error(ErrorKind::usage,
                  {.what = "a note is not UTF-8 text", .where = "Trainer::save_checkpoint"});
  AtomicFolder out(folder, state_file);
  {
    SafetensorsWriter writer(out.file(tensors_file), saved_specs(impl_->planned().job));
    for (const std::string& name : saved_names(impl_->planned().job))
      writer.write(name, impl_->executor.bytes(name));
    writer.commit();
  }
  nlohmann::json state{{"format", checkpoint_format}, {"steps", impl_->steps}, {"notes", notes}};
  state["hash"] = hash_file(out.file(tensors_file));
  write_file(out.file(state_file), state.dump(2) + "\n");
  out.publish();
}

std::map<std::string, std::string> Trainer::resume(const std::string& folder) {
  const Exclusive guard(impl_.get());
  const std::string where = folder + "/" + state_file, tensors = folder + "/" + tensors_file;
  const auto state = read_json(where);
  const std::int64_t steps = json_integer(state, "steps", where);
  if (steps < 0 || json_integer(state, "format", where) != checkpoint_format)
    throw Error(ErrorKind::input, {.what = "not a checkpoint that this version reads",
                                   .where = where,
                                   .expected = "format 1, steps from 0"});
  std::map<std::string, std::string> notes;
  for (const auto& [key, value] : json_member(state, "notes", where).items())
    notes[key] = json_string(state["notes"], key.c_str(), where);
  const SafetensorsFile file(tensors);
  if (const std::string hash = hash_file(tensors); hash != json_string(state, "hash", where))
    throw Error(ErrorKind::input, {.what = "the checkpoint was altered or damaged",
                                   .where = tensors,
                                   .expected = "hash " + json_string(state, "hash", where),
                                   .found = hash,
                                   .hint = "remove " + folder + " to go on from the checkpoint before it"});
  require_same_tensors(file, saved_specs(impl_->planned().job));
  impl_->broken = "a resume ended halfway";  // until derive() returns
  for (const std::string& name : saved_names(impl_->planned().job))
    file.read(file.at(name), impl_->executor.bytes(name));
  impl_->steps = steps;
  impl_->computed = false;
  impl_->abandon_step();
  impl_->derive();
  return notes;
}

}  // namespace hone
