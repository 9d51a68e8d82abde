#include "train/checkpoint.hpp"

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "base/utf8.hpp"
#include "file/atomic.hpp"
#include "file/hash.hpp"
#include "file/json.hpp"
#include "train/trainer_impl.hpp"

namespace hone {
namespace {

constexpr std::int64_t checkpoint_format = 1;
constexpr const char* state_file = "state.json";
constexpr const char* tensors_file = "state.safetensors";

// What a checkpoint holds: weights and what the optimizer keeps, under the names that the arena has for them.
std::vector<std::string> saved_names(const JobPlan& job) {
  std::vector<std::string> names;
  for (const auto& [name, s] : job.shared())
    if (s.tensor.role == Role::parameter || s.tensor.lifetime == Lifetime::saved) names.push_back(name);
  return names;
}

std::vector<SafetensorsSpec> saved_specs(const JobPlan& job) {
  std::vector<SafetensorsSpec> specs;
  for (const std::string& name : saved_names(job)) {
    const TensorType& type = job.shared().at(name).tensor.type;
    specs.push_back({name, safetensors_dtype(type.dtype), type.shape.sizes()});
  }
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

}  // namespace

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
  nlohmann::json state{{"format", checkpoint_format},
                       {"steps", impl_->steps},
                       {"optimizer", impl_->planned().optimizer->name},
                       {"notes", notes}};
  if (const LossScaler::State& s = impl_->scaler.state(); impl_->scales_losses() || s.skipped > 0)
    state["loss_scaling"] = {{"log2_scale", std::ilogb(s.scale)},
                             {"good_steps", s.good_steps},
                             {"overflows", s.overflows},
                             {"skipped", s.skipped}};
  state["hash"] = hash_file(out.file(tensors_file));
  write_file(out.file(state_file), state.dump(2) + "\n");
  out.publish();
}

namespace {

LossScaler::State scaling_state(const nlohmann::json& json, std::int64_t steps, const std::string& where) {
  const auto whole = [&](const char* key) { return json_integer(json, key, where); };
  const LossScaler::State s{.scale = std::ldexp(1.0f, static_cast<int>(whole("log2_scale"))),
                            .good_steps = whole("good_steps"),
                            .overflows = whole("overflows"),
                            .skipped = whole("skipped")};
  if (!std::isnormal(s.scale) || s.good_steps < 0 || s.overflows < 0 || s.skipped < 0 || s.skipped > steps)
    throw Error(ErrorKind::input, {.what = "the state of the loss scaling is impossible",
                                   .where = where,
                                   .expected = "log2_scale from -126 to 127, counts from 0 to steps"});
  return s;
}

}  // namespace

CheckpointState read_checkpoint_state(const std::string& folder) {
  const std::string where = folder + "/" + state_file;
  const auto json = read_json(where);
  CheckpointState state{.steps = json_integer(json, "steps", where), .notes = {}, .hash = {}};
  // Those of before it was said were AdamW's.
  state.optimizer = json.contains("optimizer") ? json_string(json, "optimizer", where) : "adamw";
  if (state.steps < 0 || json_integer(json, "format", where) != checkpoint_format)
    throw Error(ErrorKind::input, {.what = "not a checkpoint that this version reads",
                                   .where = where,
                                   .expected = "format 1, steps from 0"});
  if (json.contains("loss_scaling"))
    state.scaling = scaling_state(json_member(json, "loss_scaling", where), state.steps, where);
  const auto& notes = json_member(json, "notes", where);
  for (const auto& item : notes.items())
    state.notes[item.key()] = json_string(notes, item.key().c_str(), where);
  state.hash = json_string(json, "hash", where);
  return state;
}

Checkpoint open_checkpoint(const std::string& folder) {
  CheckpointState state = read_checkpoint_state(folder);
  const std::string tensors = folder + "/" + tensors_file;
  SafetensorsFile file(tensors);
  if (const std::string hash = hash_file(tensors); hash != state.hash)
    throw Error(ErrorKind::input, {.what = "the checkpoint was altered or damaged",
                                   .where = tensors,
                                   .expected = "hash " + state.hash,
                                   .found = hash});
  return {std::move(state), std::move(file)};
}

std::map<std::string, std::string> Trainer::resume(const std::string& folder) {
  const Exclusive guard(impl_.get());
  const Checkpoint checkpoint = open_checkpoint(folder);
  const SafetensorsFile& file = checkpoint.tensors;
  if (const std::string own = impl_->planned().optimizer->name; checkpoint.state.optimizer != own)
    throw Error(ErrorKind::input, {.what = "the checkpoint is of a run with another optimizer",
                                   .where = folder,
                                   .expected = own,
                                   .found = checkpoint.state.optimizer});
  require_same_tensors(file, saved_specs(impl_->planned().job));
  impl_->broken = "a resume ended halfway";  // until derive() returns
  for (const std::string& name : saved_names(impl_->planned().job))
    file.read(file.at(name), impl_->executor.bytes(name));
  impl_->steps = checkpoint.state.steps;
  impl_->restore_scaling(checkpoint.state.scaling);
  impl_->computed = false;
  impl_->abandon_step();
  impl_->derive();
  return checkpoint.state.notes;
}

}  // namespace hone
