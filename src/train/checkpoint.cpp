#include "train/checkpoint.hpp"

#include <fmt/format.h>

#include <optional>
#include <set>
#include <vector>

#include "base/utf8.hpp"
#include "file/atomic.hpp"
#include "file/checksums.hpp"
#include "file/hash.hpp"
#include "file/mapped.hpp"
#include "file/safetensors.hpp"
#include "model/model_impl.hpp"

namespace hone {
namespace {

constexpr const char* state_file = "state.json";
constexpr const char* optimizer_file = "optimizer.safetensors";
constexpr const char* packed_optimizer_file = "optimizer.safetensors.packed";

// What an optimizer keeps, and what is trained beside the model, under the names that the arena has for it.
std::vector<SafetensorsSpec> state_specs(const JobPlan& job) {
  std::vector<SafetensorsSpec> specs;
  for (const auto& [name, s] : job.shared())
    if ((s.tensor.role == Role::state && s.tensor.lifetime == Lifetime::saved) ||
        (s.tensor.role == Role::parameter && s.tensor.parameter->of_objective))
      specs.push_back({name, safetensors_dtype(s.tensor.type.dtype), s.tensor.type.shape.sizes()});
  return specs;
}

// What the numbers of a batch mean and what is made small: "tokens ids below 256, labels ...; loss".
std::string task_of(const TrainPlan::Impl& plan) {
  static constexpr const char* meanings[] = {"ids", "labels", "lengths",
                                             "values"};  // in the order of Meaning
  const Program& program = plan.job.programs()[plan.micro[0].train];
  std::string text;
  for (const TensorId id : plan.job.inputs(plan.micro[0].train)) {
    const TensorDef& t = program[id];
    if (!of_batch(t.input.meaning)) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", t.name.substr(1),
                        meanings[static_cast<std::size_t>(t.input.meaning)]);
    if (t.input.below) text += fmt::format(" below {}", t.input.below);
  }
  for (const Term& term : plan.terms) text += fmt::format("; {} x {}", term.name, term.weight);
  return text;
}

bool valid_file_name(const std::string& name) {
  static const std::set<std::string> own{
      state_file,    checksums_file,      optimizer_file,        packed_optimizer_file,
      "config.json", "model.safetensors", "adapter_config.json", "adapter_model.safetensors"};
  return valid_utf8(name) && !name.empty() && name[0] != '.' &&
         name.find_first_of(std::string_view("/\n\\\0", 4)) == std::string::npos && !own.contains(name);
}

}  // namespace

CheckpointTexts checkpoint_texts(const Trainer::Impl& trainer, CheckpointOptions options) {
  const auto refuse = [](const char* what, const std::string& found) {
    throw Error(ErrorKind::usage, {.what = what, .where = "Trainer::save_checkpoint", .found = found});
  };
  for (const auto& [key, note] : options.notes)
    if (!valid_utf8(key) || !valid_utf8(note)) refuse("a note is not UTF-8 text", key);
  for (const auto& file : options.files)
    if (!valid_file_name(file.first)) refuse("no name for a file of a checkpoint", file.first);
  const TrainPlan::Impl& plan = trainer.planned();
  CheckpointTexts texts = std::move(options.files);
  const Model::Impl& model = plan.model.impl();
  texts[model.config_file()] = saved_config(plan.model, trainer.filed());
  CheckpointState state{
      .steps = trainer.steps,
      .optimizer = plan.optimizer->name,
      .task = task_of(plan),
      .files = {model.weights_file(), options.compress ? packed_optimizer_file : optimizer_file},
      .notes = std::move(options.notes)};
  for (const auto& text : texts) state.files.insert(text.first);
  if (const LossScaler::State& s = trainer.scaler.state(); trainer.scales_losses() || s.skipped > 0)
    state.scaling = s;
  texts[state_file] = checkpoint_state_text(state);
  return texts;
}

void write_checkpoint(const Trainer::Impl& trainer, const std::string& folder, const CheckpointTexts& texts,
                      bool compress, const Saver::Copying& copying) {
  AtomicFolder out(folder, state_file);
  std::optional<TurnedWeight> turned(std::in_place);
  const char* const weights_file = trainer.planned().model.impl().weights_file();
  SafetensorsWriter weights = written_weights(out.file(weights_file), trainer.filed(),
                                              trainer.reader(*turned), {.hurry = copying.awaited});
  const auto states = state_specs(trainer.planned().job);
  const char* const states_file = compress ? packed_optimizer_file : optimizer_file;
  SafetensorsWriter optimizer(out.file(states_file), states, {{"format", "pt"}},
                              {.packed = compress, .hurry = copying.awaited});
  for (const SafetensorsSpec& state : states) optimizer.write(state.name, trainer.bytes(state.name));
  optimizer.finish();
  turned.reset();
  copying.done();
  Checksums digests{{weights_file, weights.digest()}, {states_file, optimizer.digest()}};
  weights.commit();
  optimizer.commit();
  for (const auto& [name, text] : texts) {
    write_file(out.file(name), text);
    digests[name] = hash_text(text);
  }
  write_file(out.file(checksums_file), checksum_lines(digests));
  out.publish();
}

namespace {

// state.json, when it has been looked at against its digest.
CheckpointState read_state(const std::string& folder, Checksums& digests) {
  const std::string where = folder + "/" + state_file;
  if (!is_file(folder + "/" + checksums_file) && is_file(where) && is_file(folder + "/state.safetensors"))
    throw Error(ErrorKind::input, {.what = "not a checkpoint that this version reads",
                                   .where = where,
                                   .found = "an earlier format",
                                   .hint = "the hone that wrote it can finish the run"});
  digests = read_checksums(folder);
  require_checksum(where, digests[state_file]);
  return parse_checkpoint_state(read_file(where), where);
}

}  // namespace

CheckpointState read_checkpoint_state(const std::string& folder) {
  Checksums digests;
  return read_state(folder, digests);
}

std::optional<std::string> whole_file_of(const std::string& folder, const std::string& name) {
  const std::string path = folder + "/" + name;
  try {
    if (read_checksums(folder)[name] == hash_file(path)) return path;
  } catch (const Error&) {  // damaged: its checkpoint will say so
  }
  return {};
}

void require_whole_checkpoint(const std::string& folder) {
  Checksums digests;
  std::set<std::string> expected = read_state(folder, digests).files, found;
  expected.insert(state_file);
  for (const auto& digest : digests) found.insert(digest.first);
  if (expected != found)
    refuse_altered(folder + "/" + checksums_file, fmt::format("{}", fmt::join(expected, ", ")),
                   fmt::format("{}", fmt::join(found, ", ")));
  for (const auto& [name, digest] : digests) require_checksum(folder + "/" + name, digest);
}

namespace {

[[noreturn]] void refuse_other(const char* of, const std::string& where, const std::string& expected,
                               const std::string& found) {
  throw Error(ErrorKind::usage, {.what = std::string("the checkpoint is of another ") + of,
                                 .where = where,
                                 .expected = expected,
                                 .found = found});
}

void require_same_tensors(const SafetensorsFile& file, const std::vector<SafetensorsSpec>& specs) {
  std::set<std::string> known;
  for (const SafetensorsSpec& spec : specs) {
    known.insert(spec.name);
    const std::string where = file.path() + ", tensor " + spec.name;
    const SafetensorsEntry* entry = file.find(spec.name);
    const std::string expected = type_text(spec.dtype, spec.shape);
    if (!entry) refuse_other("model", where, expected, "none");
    if (const std::string found = type_text(entry->dtype, entry->shape); found != expected)
      refuse_other("model", where, expected, found);
  }
  for (const SafetensorsEntry& entry : file.entries())
    if (!known.contains(entry.name))
      refuse_other("model", file.path() + ", tensor " + entry.name, "none",
                   "a weight or moment that this model lacks");
}

void require_same_run(const CheckpointState& state, const TrainPlan::Impl& plan, const std::string& folder) {
  if (const std::string own = plan.optimizer->name; state.optimizer != own)
    refuse_other("optimizer", folder, own, state.optimizer);
  if (state.scaling && plan.options.precision != Precision::fp16)
    refuse_other("precision", folder, name(plan.options.precision), "fp16, whose loss scale would be lost");
  if (const std::string own = task_of(plan); state.task != own) refuse_other("task", folder, own, state.task);
}

void load_weights(Trainer::Impl& trainer, const SafetensorsFile& file) {
  TurnedWeight turned;
  for (const ParameterSpec& spec : trainer.own()) {
    const std::span<std::byte> to = trainer.executor.bytes(spec.name);
    if (!is_turned(spec)) {
      file.read(file.at(spec.name), to);
      continue;
    }
    const std::span<std::byte> from = turned.of(to.size());
    file.read(file.at(spec.name), from);
    from_file_layout(spec, from, to);
  }
}

}  // namespace

void Trainer::save_checkpoint(const std::string& folder, const CheckpointOptions& options) const {
  const Exclusive guard(impl_.get());
  impl_->require_whole();
  impl_->saver.finish();
  write_checkpoint(*impl_, folder, checkpoint_texts(*impl_, options), options.compress, {[] {}});
  if (options.published) options.published();
}

void Trainer::save_checkpoint_async(const std::string& folder, CheckpointOptions options) {
  const Exclusive guard(impl_.get());
  impl_->require_whole();
  const auto published = std::move(options.published);
  const bool compress = options.compress;
  impl_->saver.start([impl = impl_.get(), folder, published, compress,
                      texts = checkpoint_texts(*impl_, std::move(options))](const Saver::Copying& copying) {
    write_checkpoint(*impl, folder, texts, compress, copying);
    if (published) published();
  });
}

void Trainer::await_checkpoint() {
  const Exclusive guard(impl_.get());
  impl_->saver.finish();
}

std::map<std::string, std::string> Trainer::resume(const std::string& folder) {
  const Exclusive guard(impl_.get());
  impl_->saver.wait();
  recover_folder(folder);
  require_whole_checkpoint(folder);
  const CheckpointState state = read_checkpoint_state(folder);
  const TrainPlan::Impl& plan = impl_->planned();
  require_same_run(state, plan, folder);
  const std::string packed = folder + "/" + packed_optimizer_file,
                    weights_file = plan.model.impl().weights_file();
  if (!is_file(folder + "/" + weights_file))
    refuse_other("kind of model", folder, weights_file, "no such file");
  const SafetensorsFile weights(folder + "/" + weights_file),
      optimizer(is_file(packed) ? packed : folder + "/" + optimizer_file);
  const auto states = state_specs(plan.job);
  require_same_tensors(weights, weight_file_specs(impl_->filed()));
  require_same_tensors(optimizer, states);
  impl_->broken = "a resume ended halfway";  // until derive() returns
  load_weights(*impl_, weights);
  for (const SafetensorsSpec& spec : states)
    optimizer.read(optimizer.at(spec.name), impl_->executor.bytes(spec.name));
  impl_->steps = state.steps;
  impl_->restore_scaling(state.scaling);
  impl_->computed = false;
  impl_->abandon_step();
  impl_->derive();
  return state.notes;
}

}  // namespace hone
