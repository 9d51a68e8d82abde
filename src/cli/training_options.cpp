#include "cli/training_options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "cli/command.hpp"
#include "hone/pairs.hpp"

namespace hone::cli {
namespace {

// "adamw, lion or sgd"
std::string one_of(const std::vector<std::string>& names) {
  std::string text = names.front();
  for (std::size_t i = 1; i < names.size(); ++i) text += (i + 1 < names.size() ? ", " : " or ") + names[i];
  return text;
}

std::string option_of(std::string number) {
  std::replace(number.begin(), number.end(), '_', '-');
  return "--" + number;
}

// An option for each number that any optimizer takes, as the records have it: what it means, and what each
// takes where it is not typed: "... (adamw 0.9, lion 0.9)". --lr is the schedule's.
void add_scalars(Command& c, std::map<std::string, std::optional<double>>& values) {
  std::vector<std::pair<Hyperparameter, std::string>> all;  // the first that has it, and all standards
  for (const std::string& optimizer : optimizers())
    for (const Hyperparameter& h : hyperparameters(optimizer)) {
      const std::string standard = fmt::format("{} {:g}", optimizer, h.standard);
      const auto known =
          std::find_if(all.begin(), all.end(), [&](const auto& each) { return each.first.name == h.name; });
      if (known == all.end())
        all.emplace_back(h, standard);
      else
        known->second += ", " + standard;
    }
  for (const auto& [h, standards] : all)
    if (h.name != "lr")
      c.add_option(option_of(h.name), values[h.name], fmt::format("{} ({})", h.meaning, standards));
}

constexpr const char* loss_scale_values = "dynamic, or a power of two: 1024";

std::optional<float> narrowed(const std::optional<double>& value) {
  if (!value) return {};
  return static_cast<float>(*value);
}

// "a,b"
std::vector<std::string> separated(const std::string& list) {
  std::vector<std::string> words;
  for (std::size_t at = 0; at < list.size();) {
    const std::size_t end = std::min(list.find(',', at), list.size());
    words.push_back(list.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

void add_example_options(Command& c, TrainingRun& run) {
  c.add_option("--chat-template", run.chat_template,
               "of chats: a file in Jinja, instead of the model folder's template");
  c.add_flag("--train-on-prompt", run.train_on_prompt,
             "of prompts and chats: learn all of it, not only what answers");
  c.add_flag("--packing", run.packing,
             "of prompts and chats: several in a sequence of --seq, each seeing itself alone");
}

}  // namespace

void TrainingOptions::add_to(Command& c) {
  c.add_option("--model", run.model, "model folder, config.json or preset")
      ->not_empty("a model folder, a config.json or a preset")
      ->capture_default_str();
  c.add_option("--out", run.out, "folder for the model and its checkpoints");
  add_rest_to(c);
}

void TrainingOptions::add_rest_to(Command& c) {
  c.add_option("--recipe", recipe, "TOML file of these options as keys (or just FILE.toml); those typed win");
  add_samples_to(c);
  add_example_options(c, run);
  add_numbers_to(c);
  add_updates_to(c);
  add_trained_to(c);
  add_running_to(c);
}

void TrainingOptions::add_samples_to(Command& c) {
  c.add_option(
      "--data", run.data,
      "texts or shards; prompts or chats: .jsonl; pairs: .tsv, .jsonl, " + one_of(pair_task_names()));
  c.add_option("--tokenizer", run.tokenizer,
               "byte, char or a tokenizer.json (default: of the run in --out, of the model folder, byte)");
  c.add_option("--steps", run.steps, "updates of the weights")->capture_default_str();
  c.add_option("--batch", run.plan.batch, "sequences a step")->capture_default_str();
  c.add_option("--micro-batch", run.plan.micro_batch,
               "sequences computed at once (0: chosen; changes no number)")
      ->capture_default_str();
  c.add_size("--memory", run.plan.memory_bytes,
             "largest resident size (1GiB, 700M: MiB, 1.5GB: of 1000): met by what changes no number");
  c.add_option("--allow", allow, "where that is not enough: optimizer (8-bit states), master (bf16 weights)")
      ->not_empty("optimizer, master, or both: optimizer,master");
  c.add_option("--seq", run.plan.seq,
               "tokens a sequence (0: 256; of pairs and examples, as many as the longest takes)")
      ->capture_default_str();
  c.add_option("--source-seq", run.source_seq, "tokens of a pair's source (0: as many as the longest takes)")
      ->capture_default_str();
  c.add_option("--too-long", too_long, "pairs and examples that are longer: error, drop or cut")
      ->capture_default_str();
  c.add_option("--source-field", run.source_field, "of pairs in JSON lines (default: source, src or input)");
  c.add_option("--target-field", run.target_field, "(default: target, tgt or output)");
}

void TrainingOptions::add_numbers_to(Command& c) {
  c.add_option("--precision", precision, "f32, bf16 or fp16 (products; weights stay f32)")
      ->capture_default_str();
  c.add_option("--loss-scale", loss_scale,
               "of fp16: dynamic (default; a step that overflows is skipped) or a power of two")
      ->not_empty(loss_scale_values);
  c.add_option("--master", master,
               "what weights are kept in: f32, or bf16, rounded by drawn numbers (--precision bf16)")
      ->capture_default_str();
}

void TrainingOptions::add_updates_to(Command& c) {
  c.add_option("--optimizer", run.plan.optimizer, one_of(optimizers()))->capture_default_str();
  c.add_option("--lr", lr, "highest learning rate")->capture_default_str();
  c.add_option("--adamw-lr", adamw_lr,
               "with muon: highest rate of tables, head and vectors, which AdamW updates (default: --lr)");
  c.add_option("--min-lr", min_lr, "learning rate at the last step")->capture_default_str();
  c.add_option("--schedule", schedule, one_of(schedules()) + ", after the warmup")->capture_default_str();
  add_pruning_to(c);
  add_qat_to(c);
  c.add_option("--decay-steps", run.decay_steps, "of wsd, at the end (0: a fifth of --steps)")
      ->capture_default_str();
  c.add_option("--warmup", run.warmup, "steps over which the learning rate rises")->capture_default_str();
  add_scalars(c, scalars);
  c.add_option("--clip", clip, "largest norm of all gradients (0: none)")->capture_default_str();
  c.add_option("--dropout", dropout, "everywhere that the model has it (default: the config's)");
  c.add_option("--label-smoothing", label_smoothing,
               "share of each label that is spread over all (default: the model's, mostly 0)");
}

void TrainingOptions::add_qat_to(Command& c) {
  c.add_option("--qat-bits", qat_bits,
               "quantization-aware: weights are read as if quantized to 2, 3, 4 or 8 bits")
      ->capture_default_str();
  c.add_option("--qat-group", qat.group, "as --group of hone quantize")->capture_default_str();
  c.add_option("--qat-table-bits", qat.table_bits, "as its --table-bits")->capture_default_str();
  c.add_flag("--qat-symmetric", qat_symmetric, "as its --symmetric (given, where zeros stay)");
}

std::optional<QatOptions> TrainingOptions::quantization_aware() const {
  const QatOptions usual;
  if (qat_bits == 0 && (qat_symmetric || qat.group != usual.group || qat.table_bits != usual.table_bits))
    throw Error(ErrorKind::usage, {.what = "options of quantization-aware training, and no bits",
                                   .where = "qat_bits",
                                   .expected = "2, 3, 4 or 8",
                                   .found = "none"});
  if (qat_bits == 0) return {};
  QatOptions o = qat;
  o.bits = qat_bits;
  if (qat_symmetric) o.symmetric = true;
  return o;
}

void TrainingOptions::add_pruning_to(Command& c) {
  c.add_flag("--keep-zeros", run.plan.keep_zeros,
             "a pruned model's zeros stay: its other weights are trained on (not with muon)");
  c.add_option("--sparsity", sparsity,
               "prune while training: the share of each matrix that is zero at the end");
  c.add_option("--pattern", pruning.pattern, "of the zeros: unstructured, 2:4, 4x1 or 16x1")
      ->capture_default_str();
  c.add_option("--prune-start", pruning.start, "pruning begins before this step, counted from 0")
      ->capture_default_str();
  c.add_option("--prune-end", pruning.end, "it ends before this one (0: three quarters of --steps)")
      ->capture_default_str();
  c.add_option("--prune-every", pruning.every, "steps from one pruning to the next")->capture_default_str();
}

void TrainingOptions::add_trained_to(Command& c) {
  c.add_option("--lora-rank", lora_rank,
               "train an adapter of this rank, which --out then holds, beside a frozen model (0: none)")
      ->capture_default_str();
  c.add_option("--lora-alpha", lora_alpha,
               "an adapter's part is multiplied by alpha / rank (default: twice the rank)");
  c.add_option("--lora-dropout", lora_dropout, "of what an adapter reads (default: 0)");
  c.add_option("--lora-targets", lora_targets,
               "modules that have one, by the ends of their names: q_proj,v_proj (default: all-linear)");
  c.add_flag("--lora-rslora", lora_rslora, "alpha over the root of the rank");
  c.add_option("--train", run.trained,
               "all, or corrections: those of a model made with --correction-rank, and nothing else")
      ->capture_default_str();
}

void TrainingOptions::add_running_to(Command& c) {
  c.add_option("--threads", run.plan.threads, "0: all cores; changes no number")->capture_default_str();
  add_isa(c, run.plan.isa);
  c.add_option("--seed", seed, "of initial weights, order of the text, dropout")->capture_default_str();
  c.add_option("--resume", resume, "auto: go on from the last checkpoint; never: begin anew")
      ->capture_default_str();
  c.add_option("--save-every", run.save_every, "steps between checkpoints (0: at the end only)")
      ->capture_default_str();
  c.add_option("--keep", run.keep_checkpoints, "checkpoints that stay, the newest ones")
      ->capture_default_str();
  c.add_flag("--compress-checkpoints", run.compress_checkpoints,
             "the optimizer's state without loss in fewer bytes, for more time");
  c.add_size("--max-shard-size", run.saving.max_shard_bytes,
             "of the finished model: weights beyond it are cut into shards (default: 5GB)");
  c.add_option("--eval-every", run.eval_every, "steps between evaluations (0: at the end only)")
      ->capture_default_str();
}

namespace {

LossScaling scaling(const std::string& text, Precision precision) {
  if (text.empty()) return {};
  if (precision != Precision::fp16)
    throw Error(ErrorKind::usage, {.what = "only fp16 scales its losses",
                                   .where = "loss-scale",
                                   .hint = "leave it out, or ask for --precision fp16"});
  if (text == "dynamic") return {};
  LossScaling fixed{.growth = 1, .backoff = 1};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), fixed.init);
  if (error != std::errc() || end != text.data() + text.size())
    throw Error(ErrorKind::usage, {.what = "impossible value",
                                   .where = "loss-scale",
                                   .expected = loss_scale_values,
                                   .found = "'" + text + "'"});
  fixed.min = std::min(fixed.min, fixed.init);
  return fixed;
}

}  // namespace

std::optional<LoraOptions> TrainingOptions::lora() const {
  const bool asked = lora_alpha || lora_dropout || !lora_targets.empty() || lora_rslora;
  if (lora_rank == 0 && asked)
    throw Error(ErrorKind::usage, {.what = "options of an adapter, and no rank",
                                   .where = "lora-rank",
                                   .expected = "1 or more",
                                   .found = "0"});
  if (lora_rank == 0) return {};
  LoraOptions o{.rank = lora_rank, .alpha = lora_alpha, .rslora = lora_rslora};
  if (lora_dropout) o.dropout = static_cast<float>(*lora_dropout);
  if (!lora_targets.empty()) o.targets = separated(lora_targets);
  return o;
}

std::optional<GradualPruning> TrainingOptions::gradual_pruning() const {
  if (!sparsity && pruning != GradualPruning())
    throw Error(ErrorKind::usage, {.what = "options of pruning, and no share of zeros",
                                   .where = "sparsity",
                                   .expected = "0.5, say",
                                   .found = "none"});
  if (!sparsity) return {};
  GradualPruning o = pruning;
  o.sparsity = *sparsity;
  return o;
}

TrainingRun TrainingOptions::finished() const {
  TrainingRun r = run;
  r.lora = lora();
  r.prune = gradual_pruning();
  r.plan.qat = quantization_aware();
  r.plan.precision = precision_from_name(precision);
  r.plan.loss_scaling = scaling(loss_scale, r.plan.precision);
  r.plan.master = precision_from_name(master);
  r.plan.seed = seed;
  r.schedule = schedule_from_name(schedule);
  if (resume != "auto" && resume != "never")
    throw Error(ErrorKind::usage, {.what = "impossible value",
                                   .where = "resume",
                                   .expected = "auto or never",
                                   .found = "'" + resume + "'"});
  r.resume = resume == "auto";
  r.dropout = narrowed(dropout);
  r.label_smoothing = narrowed(label_smoothing);
  r.too_long = too_long_from_name(too_long);
  r.plan.allow = separated(allow);
  r.min_lr = static_cast<float>(min_lr);
  r.adamw = {.lr = static_cast<float>(lr), .clip = static_cast<float>(clip), .adamw_lr = narrowed(adamw_lr)};
  for (const auto& [name, value] : scalars)
    if (value) r.adamw.scalars[name] = static_cast<float>(*value);
  return r;
}

}  // namespace hone::cli
