#include "train/run_files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "base/number.hpp"
#include "file/atomic.hpp"
#include "file/hash.hpp"
#include "file/mapped.hpp"
#include "file/weight_files.hpp"
#include "model/model_impl.hpp"
#include "train/checkpoint.hpp"
#include "train/qat.hpp"
#include "train/run_schedule.hpp"
#include "train/step_options.hpp"

namespace hone {
namespace {

constexpr const char* checkpoint_prefix = "step-";
constexpr const char* config_key = "config";
constexpr const char* dropout_key = "dropout";
constexpr const char* tokenizer_file = "tokenizer.json";

// Of what each id stands for. How a text becomes ids shows in the text's own digest.
std::string digest(const Tokenizer& tokenizer) {
  Digest digest;
  for (std::int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    const std::string_view token = tokenizer.token(id);
    const std::string head = fmt::format("{}{}:", token.size(), tokenizer.is_special(id) ? "s" : "");
    digest.add(std::as_bytes(std::span(head)));
    digest.add(std::as_bytes(std::span(token)));
  }
  return digest.hex();
}

// The first key whose value is another one, with both: two whole files tell a reader little.
std::string config_difference(const std::string& was, const std::string& now) {
  const auto before = nlohmann::json::parse(was, nullptr, false), after = nlohmann::json::parse(now);
  for (const auto& item : after.items()) {
    const auto old = before.is_object() ? before.value(item.key(), nlohmann::json()) : nlohmann::json();
    if (old != item.value())
      return fmt::format("{} was {} and is {}", item.key(), old.dump(), item.value().dump());
  }
  return "a key is gone";
}

std::string dropout_of(const TrainingRun& run) {
  return run.dropout ? to_text(*run.dropout) : "the config's own";
}

// What an adapter is made of; where its base lies does not matter.
std::string adapter_of(const TrainingRun& run, const Model& model) {
  const auto& adapter = model.impl().adapter;
  if (!adapter) return "none";
  std::string text = fmt::format("dropout {}", to_text(adapter->dropout));
  for (const LoraModule& m : adapter->modules)
    text += fmt::format("; {} rank {} scale {}", m.name, m.rank, to_text(m.scale));
  return (run.lora ? "new: " : "trained on: ") + text;
}

bool same_rates(const TrainingRun& a, const TrainingRun& b, std::int64_t steps) {
  for (std::int64_t n = 0; n < steps; ++n)
    if (learning_rate(a, n) != learning_rate(b, n)) return false;
  return true;
}

std::string text_of(const LossScaling& s) {
  if (s.growth == 1 && s.backoff == 1) return to_text(s.init);
  return fmt::format("dynamic from {}, x{} after {} steps, x{} to {}", s.init, s.growth, s.interval,
                     s.backoff, s.min);
}

// By the folder's tokenizer.json, where it has one; a file that hone cannot read is another tokenizer's.
bool has_other_tokenizer(const std::string& folder, const Tokenizer& tokenizer) {
  if (!is_file(folder + "/" + tokenizer_file)) return false;
  try {
    return Tokenizer::open(folder) != tokenizer;
  } catch (const Error&) {
    return true;
  }
}

// "source_seq" as it is typed, without its dashes.
std::string option(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

[[noreturn]] void refuse(const TrainingRun& run, const std::string& what, const std::string& expected,
                         const std::string& found) {
  throw Error(ErrorKind::usage, {.what = "the run in this folder was started with another " + what,
                                 .where = run.out,
                                 .expected = expected,
                                 .found = found,
                                 .hint = "use --resume never to begin anew, or another " + out_name(run)});
}

}  // namespace

std::string out_name(const TrainingRun& run) { return run.distill ? "OUT" : "--out"; }

RunIdentity::RunIdentity(const TrainingRun& run, const Trainer& trainer, const TrainingData& data)
    : run_(run), isa_(name(same_bits_as(isa_from_name(trainer.plan().options().isa)))) {
  const auto& o = trainer.plan().options();
  const Kept data_kept{"data", data.kind == text_kind ? data.kind : "set of " + data.kind,
                       data.identity(trainer.plan())};
  const Kept tokenizer_kept{"tokenizer", "tokenizer", "digest " + digest(data.tokenizer)};
  // Of a char tokenizer, and of one that was made of the data, other data are the cause; else a text's
  // digest, which is of its ids, follows from the tokenizer. A preset's config follows from all of them.
  const bool made_of_data = run.made_tokenizer || run.tokenizer == "char" || data.of_its_own;
  const bool named = made_of_data || !run.tokenizer.empty();
  if (made_of_data) kept_.push_back(data_kept);
  if (named) kept_.push_back(tokenizer_kept);
  add_sizes(o.sizes);  // a preset's config follows from them, too
  kept_.push_back({config_key, "model", trainer.plan().model().config_json()});
  kept_.push_back({"adapter", "adapter", adapter_of(run, trainer.plan().model())});
  kept_.push_back({"trained", "--train", run.trained});
  if (!named) kept_.push_back(tokenizer_kept);
  if (!made_of_data) kept_.push_back(data_kept);
  add_options(run, trainer.plan());
  kept_.push_back({"weights", "base model: its weights differ", "digest " + trainer.weights_hash()});
}

void RunIdentity::add_sizes(const std::map<std::string, std::int64_t, std::less<>>& sizes) {
  for (const auto& [size, length] : sizes)
    kept_.push_back({option(size), "--" + option(size), std::to_string(length)});
}

void RunIdentity::add_options(const TrainingRun& run, const TrainPlan& plan) {
  const auto& o = plan.options();
  const std::vector<Kept> always{{"batch", "--batch", std::to_string(o.batch)},
                                 {"seq", "--seq", std::to_string(o.seq)},
                                 {"label-smoothing", "--label-smoothing",
                                  run.label_smoothing ? to_text(*run.label_smoothing) : "the model's own"},
                                 {"precision", "--precision", name(o.precision)},
                                 {"seed", "--seed", std::to_string(o.seed)},
                                 {"lr", "--lr", to_text(run.adamw.lr)},
                                 {"min-lr", "--min-lr", to_text(run.min_lr)},
                                 {"schedule", "--schedule", name(run.schedule)},
                                 {"warmup", "--warmup", std::to_string(run.warmup)},
                                 {"optimizer", "--optimizer", o.optimizer},
                                 {"clip", "--clip", to_text(run.adamw.clip)}};
  kept_.insert(kept_.end(), always.begin(), always.end());
  // What a run may have or not is said of one that has not, too: so that leaving it out is met.
  kept_.push_back({"teacher", "teacher: its weights or its config differ",
                   run.distill ? "digest " + open(run.distill->teacher).identity(o.seq) : "none"});
  if (run.distill) add_teaching(*run.distill);
  kept_.push_back({"sparsity", "--sparsity", run.prune ? to_text(run.prune->sparsity) : "none"});
  if (run.prune) add_pruning(*run.prune, run.steps);
  kept_.push_back({"keep-zeros", "--keep-zeros", o.keep_zeros ? "given" : "not given"});
  kept_.push_back({"qat", "--qat-bits", o.qat ? quantize_options(*o.qat) : "none"});
  kept_.push_back({"master", "--master", name(o.master)});
  if (schedule_record(run.schedule).has_decay)
    kept_.push_back({"decay-steps", "--decay-steps", std::to_string(run.decay_steps)});
  if (run.adamw.adamw_lr) kept_.push_back({"adamw-lr", "--adamw-lr", to_text(*run.adamw.adamw_lr)});
  if (o.precision == Precision::fp16)
    kept_.push_back({"loss-scale", "--loss-scale", text_of(o.loss_scaling)});
  const OptimizerRecord& chosen = optimizer_record(o.optimizer);
  std::set<std::string> known{"lr"};
  for (const OptimizerRecord* record = &chosen; record; record = record->others) {
    const std::vector<float> scalars = scalars_of(run.adamw, chosen, *record);
    for (std::size_t i = 0; i < scalars.size(); ++i) {
      const std::string key = option(record->scalars[i].name);
      if (known.insert(key).second) kept_.push_back({key, "--" + key, to_text(scalars[i])});
    }
  }
}

void RunIdentity::add_teaching(const DistillOptions& o) {
  kept_.push_back({"temperature", "--temperature", to_text(o.loss.temperature)});
  kept_.push_back({"alpha", "--alpha", to_text(o.loss.alpha)});
  kept_.push_back({"top-k", "--top-k", std::to_string(o.loss.top_k)});
  kept_.push_back({"hidden", "--hidden", to_text(o.loss.hidden)});
  kept_.push_back({"attention", "--attention", to_text(o.loss.attention)});
  kept_.push_back({"relation-heads", "--relation-heads", std::to_string(o.loss.relation_heads)});
  kept_.push_back({"map", "--map", o.map.empty() ? "even" : o.map});
}

void RunIdentity::add_pruning(const GradualPruning& o, std::int64_t steps) {
  kept_.push_back({"pattern", "--pattern", o.pattern});
  kept_.push_back({"prune-start", "--prune-start", std::to_string(o.start)});
  kept_.push_back({"prune-end", "--prune-end", std::to_string(prune_end(o, steps))});
  kept_.push_back({"prune-every", "--prune-every", std::to_string(o.every)});
}

RunIdentity::Notes RunIdentity::notes() const {
  Notes notes{{"steps", std::to_string(run_.steps)}, {"isa", isa_}, {dropout_key, dropout_of(run_)}};
  for (const Kept& k : kept_) notes[k.key] = k.value;
  return notes;
}

// The option that makes a config another one is named itself.
void RunIdentity::refuse_config(const Notes& notes, const std::string& was, const std::string& now) const {
  const auto dropout = notes.find(dropout_key);
  if (dropout != notes.end() && dropout->second != dropout_of(run_))
    refuse(run_, "--dropout", dropout->second, dropout_of(run_));
  refuse(run_, "model", "the same config.json", config_difference(was, now));
}

void RunIdentity::require_same(const Notes& notes) const {
  for (const Kept& k : kept_) {
    const auto was = notes.find(k.key);
    if (was == notes.end() || was->second == k.value) continue;
    if (k.key == config_key) refuse_config(notes, was->second, k.value);
    refuse(run_, k.what, was->second, k.value);
  }
}

std::vector<std::string> RunIdentity::changes(const Notes& notes, std::int64_t step) const {
  std::vector<std::string> lines;
  const auto was = [&](const char* key) {
    const auto found = notes.find(key);
    return found == notes.end() ? std::string() : found->second;
  };
  TrainingRun before = run_;
  if (!was("steps").empty()) before.steps = std::atoll(was("steps").c_str());
  if (run_.steps < step)
    lines.push_back(fmt::format("step {} is done already, so --steps {} asks for nothing", step, run_.steps));
  else if (before.steps != run_.steps && !schedule_record(run_.schedule).falls)
    lines.push_back(fmt::format("--steps {} -> {}: the schedule stays", before.steps, run_.steps));
  else if (before.steps != run_.steps) {
    const float now = learning_rate(run_, step), then = learning_rate(before, step);
    lines.push_back(fmt::format(
        "--steps {} -> {}: the learning rate at step {} is {}{}{}", before.steps, run_.steps, step + 1,
        to_text(now), now == then ? "" : ", not " + to_text(then),
        same_rates(run_, before, step)
            ? ""
            : fmt::format("; a run of {} steps from its beginning would have other weights", run_.steps)));
  }
  const std::string isa = was("isa");
  const bool portable = isa == "portable" || isa_ == "portable";
  if (!isa.empty() && isa != isa_ && (portable || run_.plan.precision == Precision::bf16))
    lines.push_back(
        fmt::format("the checkpoint was made on {}, this goes on on {}: from here on the bits differ "
                    "from an undisturbed run's",
                    isa, isa_));
  return lines;
}

namespace {

constexpr std::size_t step_digits = 8;
constexpr const char* damaged_suffix = ".damaged";

// "step-00000020", then what is behind it: nothing of a checkpoint; ".tmp", ".removed" of a save that was
// killed,
// ".damaged" of what was set aside.
struct CheckpointName {
  std::string step, suffix;
};

std::optional<CheckpointName> parse_name(const std::string& name) {
  const std::size_t prefix = std::string_view(checkpoint_prefix).size();
  if (!name.starts_with(checkpoint_prefix)) return {};
  std::size_t end = prefix;
  while (end < name.size() && name[end] >= '0' && name[end] <= '9') ++end;
  if (end - prefix < step_digits) return {};
  return CheckpointName{name.substr(0, end), name.substr(end)};
}

std::vector<CheckpointName> names_in(const std::string& folder) {
  std::vector<CheckpointName> names;
  std::error_code ignored;  // no folder, no checkpoints
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored))
    if (auto name = parse_name(entry.path().filename().string())) names.push_back(std::move(*name));
  return names;
}

// Of two steps, by their numbers: more than eight digits are a later one.
bool before(const std::string& a, const std::string& b) {
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

}  // namespace

std::vector<std::string> RunFolder::checkpoints() const {
  std::vector<std::string> steps;
  for (const CheckpointName& name : names_in(folder()))
    if (name.suffix.empty()) steps.push_back(name.step);
  std::sort(steps.begin(), steps.end(), before);
  for (std::string& step : steps) step = folder() + "/" + step;
  return steps;
}

std::optional<std::string> RunFolder::last_checkpoint() const {
  const auto all = checkpoints();
  return all.empty() ? std::nullopt : std::optional(all.back());
}

std::optional<std::string> RunFolder::tokenizer() const {
  const auto all = checkpoints();
  for (auto one = all.rbegin(); one != all.rend(); ++one)
    if (auto file = whole_file_of(*one, tokenizer_file)) return file;
  return {};
}

void RunFolder::require_own(const TrainingRun& run, const Tokenizer& tokenizer) const {
  std::error_code absent;
  const auto require_no = [&](const std::string& model, const std::string& whose) {
    if (std::filesystem::equivalent(model, path_, absent))
      throw Error(ErrorKind::usage, {.what = "it is the folder of " + whose + ", which would be replaced",
                                     .where = path_,
                                     .hint = "name another " + out_name(run)});
  };
  if (run.distill) require_no(run.distill->teacher, "the teacher");
  require_no(base_of(run), run.distill ? "the student" : "--model");
  if (last_checkpoint()) return;
  std::string found = model_file_in(path_);
  if (found.empty() && has_other_tokenizer(path_, tokenizer)) found = "tokenizer.json of another tokenizer";
  if (!found.empty())
    throw Error(ErrorKind::usage, {.what = "the folder holds another model, which would be replaced",
                                   .where = path_,
                                   .expected = "no folder, or one without a model but this run's",
                                   .found = found,
                                   .hint = "name another " + out_name(run) + ", or move what is there away"});
}

void RunFolder::save(Trainer& trainer, CheckpointOptions options, std::int64_t keep) const {
  const std::string name = fmt::format("{}{:0{}}", checkpoint_prefix, trainer.steps(), step_digits);
  options.published = [*this, name, keep] { tidy(name, keep); };
  make_folders(folder());
  trainer.save_checkpoint_async(folder() + "/" + name, std::move(options));
}

void RunFolder::tidy(const std::string& newest, std::int64_t keep) const {
  for (const CheckpointName& name : names_in(folder()))
    if (!name.suffix.empty() && (name.suffix != damaged_suffix || !before(newest, name.step)))
      remove_folder(folder() + "/" + name.step + name.suffix);
  const auto all = checkpoints();
  for (std::size_t i = 0; i + static_cast<std::size_t>(keep) < all.size(); ++i) remove_folder(all[i]);
}

void RunFolder::keep_newest(std::int64_t keep) const {
  if (const auto last = last_checkpoint()) tidy(std::filesystem::path(*last).filename().string(), keep);
}

std::optional<std::string> RunFolder::resume(Trainer& trainer,
                                             const std::function<void(const RunIdentity::Notes&)>& check,
                                             const std::function<void(const std::string&)>& say) const {
  auto all = checkpoints();
  std::vector<std::pair<std::string, Error>> damaged;
  for (; !all.empty(); all.pop_back()) {
    try {
      check(read_checkpoint_state(all.back()).notes);
      trainer.resume(all.back());
      break;
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::input) throw;
      damaged.emplace_back(all.back(), e);
    }
  }
  if (all.empty() && damaged.empty()) return {};
  if (all.empty()) {
    ErrorText text = damaged.front().second.text();
    text.hint = "no other checkpoint is whole: use --resume never to begin anew";
    throw Error(ErrorKind::input, std::move(text));
  }
  for (const auto& [path, error] : damaged) {
    say(fmt::format("note: {}; set aside as {}{}, the run goes on from the checkpoint before", error.what(),
                    path.substr(folder().size() + 1), damaged_suffix));
    remove_folder(path + damaged_suffix);
    rename_path(path, path + damaged_suffix);
  }
  return all.back();
}

void RunFolder::remove_checkpoints() const {
  for (const CheckpointName& name : names_in(folder()))
    remove_folder(folder() + "/" + name.step + name.suffix);
}

}  // namespace hone
