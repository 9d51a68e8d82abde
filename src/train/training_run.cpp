#include "hone/training_run.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <numbers>
#include <optional>

#include "base/float_mode.hpp"
#include "base/number.hpp"
#include "file/atomic.hpp"
#include "file/gguf.hpp"
#include "file/mapped.hpp"
#include "hone/convert.hpp"
#include "hone/machine.hpp"
#include "machine/memory.hpp"
#include "model/companions.hpp"
#include "model/low_rank.hpp"
#include "model/model_impl.hpp"
#include "model/model_output.hpp"
#include "model/vocabulary.hpp"
#include "text/vocabulary_folder.hpp"
#include "train/pruned_matrices.hpp"
#include "train/run_files.hpp"
#include "train/run_schedule.hpp"
#include "train/step_options.hpp"
#include "train/teaching.hpp"
#include "train/training_data.hpp"

namespace hone {
namespace {

constexpr const char *all_weights = "all", *corrections_alone = "corrections";

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Does the run begin with weights, not with a config or a preset?
bool has_weights(const std::string& base) { return is_folder(base) || is_gguf(base); }

// Whoever names another one may mean it: a vocabulary is exchanged that way.
void note_another_tokenizer(const TrainingRun& run, const Tokenizer& used) {
  if (!run.on_message) return;
  const std::string base = base_of(run);
  if (used.kind() == TokenizerKind::byte && run.tokenizer.empty() && !has_tokenizer(base) &&
      has_weights(base) &&
      find_model(base, {.tokenizer_size = used.vocab_size()}).vocab_size() != used.vocab_size())
    run.on_message("note: " + base +
                   " has no tokenizer: the text's bytes are its ids (--tokenizer names one)");
  if (const auto own = readable_tokenizer(base); own && *own != used)
    run.on_message("note: the tokenizer is another one than " + base +
                   " was trained with: its weights know these ids by other meanings");
}

TrainingData heard(const TrainingRun& run) {
  TrainingData data = open_data(run);
  if (run.on_message)
    for (const std::string& note : data.notes) run.on_message("note: " + note);
  note_another_tokenizer(run, data.tokenizer);
  return data;
}

// Its files say where the base is, from wherever they will be read.
Model with_new_adapter(const TrainingRun& run, const Model& base) {
  LoraOptions options = *run.lora;
  std::error_code ignored;
  const auto path = std::filesystem::weakly_canonical(run.model, ignored);
  const bool there = is_folder(run.model) || is_file(run.model);
  options.base = ignored || !there ? run.model : path.string();
  options.seed = run.plan.seed;
  return with_lora(base, options);
}

// A preset is as long as its samples; what a config or a folder says stays.
Model open_model(const TrainingRun& run, const Tokenizer& tokenizer, const SequenceTokens& frame,
                 const Lengths& lengths, const std::optional<Model>& teacher) {
  if (teacher && run.distill->layers > 0)
    return student_of(*teacher, {.layers = run.distill->layers, .dropout = run.dropout});
  const std::int64_t vocab_size = tokenizer.vocab_size();
  ModelOptions options{.tokenizer_size = vocab_size, .dropout = run.dropout, .seed = run.plan.seed};
  options.sequence_tokens = frame;
  const bool preset = !is_file(run.model) && !is_folder(run.model);
  if (preset) options.vocab_size = teacher ? teacher->vocab_size() : vocab_size;
  if (preset) options.context = lengths.seq;
  for (const auto& size : lengths.sizes)
    if (preset) options.context = std::max(options.context, size.second);
  Model model = find_model(run.model, options);
  if (run.lora) model = with_new_adapter(run, model);
  if (run.trained == corrections_alone) model = with_corrections_trained(model);
  require_vocabulary(model, tokenizer, run.data.empty() ? run.model : run.data);
  return model;
}

void check(const TrainingRun& run) {
  const auto require = [](bool good, const char* option, const char* expected, const std::string& found) {
    if (!good)
      throw Error(ErrorKind::usage,
                  {.what = "impossible value", .where = option, .expected = expected, .found = found});
  };
  const auto count = [&](std::int64_t value, const char* option) {
    require(value >= 0, option, "0 or more", std::to_string(value));
  };
  const auto real = [&](float value, bool good, const char* option, const char* expected) {
    require(std::isfinite(value) && good, option, expected, to_text(value));
  };
  const StepOptions& o = run.adamw;
  count(run.steps, "steps");
  count(run.warmup, "warmup");
  count(run.eval_every, "eval_every");
  count(run.save_every, "save_every");
  count(run.decay_steps, "decay_steps");
  require(run.keep_checkpoints >= 1, "keep", "1 or more", std::to_string(run.keep_checkpoints));
  check_step_options(o, optimizer_record(run.plan.optimizer), "");
  real(run.min_lr, run.min_lr >= 0 && run.min_lr <= o.lr, "min_lr", "0 to lr");
  const auto share = [&](const std::optional<float>& value, const char* option, const char* expected) {
    if (value) real(*value, *value >= 0 && *value < 1, option, expected);
  };
  share(run.dropout, "dropout", "0 <= dropout < 1");
  share(run.label_smoothing, "label_smoothing", "0 <= label_smoothing < 1");
  require(run.trained == all_weights || (run.trained == corrections_alone && !run.lora), "train",
          run.lora ? "all, with an adapter" : "all or corrections", run.trained);
  require(run.trained == all_weights || !run.distill || run.distill->layers == 0, "train",
          "all, of a student that is cut from its teacher", run.trained);
  if (run.distill) check_teaching(run);
  if (run.prune) check_pruning(*run.prune, run.steps);
  count(run.plan.seq, "seq");
  count(run.source_seq, "source_seq");
}

void check_out(const TrainingRun& run, const Tokenizer& tokenizer) {
  if (!run.out.empty()) RunFolder(run.out).require_own(run, tokenizer);
}

// Is it the tokenizer of the model that the run begins with?
bool is_of_base(const Tokenizer& tokenizer, const TrainingRun& run) {
  const auto own = readable_tokenizer(base_of(run));
  return own && *own == tokenizer;
}

class Run {
 public:
  Run(const TrainingRun& options, const TrainingData& data, SampleSet samples, const TrainPlan& plan)
      : options_(options),
        tokenizer_(data.tokenizer),
        has_base_tokenizer_(is_of_base(tokenizer_, options)),
        samples_(std::move(samples)),
        folder_(options.out),
        trainer_(plan),
        identity_(options, trainer_, data) {}

  RunSummary go() {
    start();
    trainer_.profile(options_.profile);
    if (options_.on_start) options_.on_start(trainer_.plan(), trainer_.steps());
    const auto begin = Clock::now();
    const std::int64_t first = trainer_.steps();
    while (trainer_.steps() < options_.steps && !stopping()) one_step();
    finish(seconds_since(begin), first);
    return summary_;
  }

 private:
  bool stopping() const { return options_.stop.stop_requested(); }

  void say(const std::string& what) const {
    if (options_.on_message) options_.on_message(what);
  }

  void start() {
    for (const std::string& note : run_notes(options_, trainer_.plan())) say("note: " + note);
    for (const std::string& note : samples_.notes) say("note: " + note);
    if (!options_.resume) return folder_.remove_checkpoints();
    RunIdentity::Notes kept;
    const auto check = [&](const RunIdentity::Notes& notes) {
      identity_.require_same(notes);
      kept = notes;
    };
    const auto from = folder_.resume(trainer_, check, [this](const std::string& note) { say(note); });
    if (!from) return;
    saved_step_ = trainer_.steps();
    summary_.loss = from_text(kept["last loss"]);
    say("resumed from " + *from);
    for (const std::string& change : identity_.changes(kept, trainer_.steps())) say("note: " + change);
  }

  // With where the run could go on from.
  [[noreturn]] void give_up(ErrorText text) {
    try {
      trainer_.await_checkpoint();
    } catch (const Error&) {  // what ended the run comes first
    }
    const auto last = folder_.last_checkpoint();
    text.hint += text.hint.empty() ? "" : "; ";
    text.hint +=
        last ? "the last checkpoint is " + *last : "no checkpoint was saved, --save-every makes them";
    throw Error(ErrorKind::failed, std::move(text));
  }

  StepResult complete(const HeldSamples& batch, const StepOptions& step) {
    try {
      return trainer_.step(batch.samples, step);
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::failed) throw;
      give_up(e.text());
    }
  }

  void tell_overflow(const StepResult& done) const {
    if (done.overflow.empty()) return;
    const std::string before = to_text(done.loss_scale), now = to_text(trainer_.loss_scale());
    say("note: step " + std::to_string(trainer_.steps()) + " is skipped: fp16 overflowed, first in " +
        done.overflow + "; the loss scale " +
        (before == now ? "stays " + now : "goes from " + before + " to " + now));
  }

  void prune_before(std::int64_t step) {
    const auto& prune = options_.prune;
    if (prune && prunes_before(*prune, step, options_.steps))
      trainer_.prune(sparsity_at(*prune, step, options_.steps), prune->pattern);
  }

  void one_step() {
    const std::int64_t n = trainer_.steps();
    prune_before(n);
    StepOptions step = options_.adamw;
    step.lr = learning_rate(options_, n);
    if (step.adamw_lr && options_.adamw.lr > 0) *step.adamw_lr *= step.lr / options_.adamw.lr;
    step.stop = options_.stop;
    const auto begin = Clock::now();
    const StepResult done = complete(samples_.batch(n), step);
    if (done.stopped) return;
    if (!done.skipped || std::isfinite(done.loss)) summary_.loss = done.loss;
    tokens_ += done.tokens;
    tell_overflow(done);
    if (options_.on_step)
      options_.on_step({.step = n + 1,
                        .loss = done.loss,
                        .lr = step.lr,
                        .grad_norm = static_cast<float>(done.grad_norm),
                        .tokens_per_s = static_cast<double>(done.tokens) / seconds_since(begin),
                        .tokens = done.tokens,
                        .skipped = done.skipped,
                        .loss_scale = done.loss_scale,
                        .sparsity = options_.prune ? sparsity_at(*options_.prune, n, options_.steps) : 0});
    const bool last = n + 1 == options_.steps;
    if (options_.eval_every && (n + 1) % options_.eval_every == 0 && !last) evaluate();
    // A skipped step changed no weight. Were it saved, a run that only overflows would push out those before.
    if (options_.save_every && (n + 1) % options_.save_every == 0 && !last && !done.skipped) save();
  }

  // False where it was stopped: a part of the samples tells nothing.
  bool evaluate() {
    const TrainPlanOptions& plan = trainer_.plan().options();
    // By lengths, a micro-batch is filled from as many as a step has.
    const std::int64_t together = plan.buckets.empty() ? plan.micro_batch : plan.batch;
    double sum = 0;
    std::int64_t tokens = 0, hits = 0, exact = 0;
    for (std::int64_t i = 0; i < samples_.evaluated; i += together) {
      if (stopping()) return false;
      const HeldSamples some = samples_.held_out(i, std::min(together, samples_.evaluated - i));
      const EvalResult part = trainer_.evaluate(some.samples);
      sum += part.loss * static_cast<double>(part.tokens);
      tokens += part.tokens;
      hits += part.hits;
      exact += part.exact;
    }
    summary_.val_loss = sum / static_cast<double>(tokens);
    if (!std::isfinite(sum))
      give_up({.what = "the validation loss is not finite",
               .where = "step " + std::to_string(trainer_.steps()),
               .hint = "lower the learning rate, clip at a lower norm, or warm up longer"});
    const auto share = [](std::int64_t of, std::int64_t all) {
      return static_cast<double>(of) / static_cast<double>(all);
    };
    const auto& text = samples_.held_out_text;
    summary_.bits_per_byte = RunSummary::unknown;
    if (text)
      summary_.bits_per_byte = summary_.val_loss / std::numbers::ln2 * static_cast<double>(text->tokens) /
                               static_cast<double>(std::max<std::int64_t>(1, text->bytes));
    if (trainer_.plan().options().hits) {
      summary_.accuracy = share(hits, tokens);
      summary_.exact_match = share(exact, samples_.evaluated);
    }
    if (options_.on_eval)
      options_.on_eval({.step = trainer_.steps(),
                        .val_loss = summary_.val_loss,
                        .bits_per_byte = summary_.bits_per_byte,
                        .accuracy = summary_.accuracy,
                        .exact_match = summary_.exact_match});
    return true;
  }

  void save() {
    auto notes = identity_.notes();
    notes["last loss"] = to_text(summary_.loss);
    folder_.save(trainer_,
                 {.notes = std::move(notes),
                  .files = {{"tokenizer.json", tokenizer_.json()}},
                  .compress = options_.compress_checkpoints},
                 options_.keep_checkpoints);
    saved_step_ = trainer_.steps();
  }

  void finish(double seconds, std::int64_t first) {
    const bool did_steps = trainer_.steps() > first;
    if (saved_step_ != trainer_.steps() && (did_steps || !stopping())) save();
    if (did_steps) summary_.seconds = seconds;
    if (did_steps) summary_.tokens_per_s = static_cast<double>(tokens_) / seconds;
    if (options_.profile) summary_.op_ms = trainer_.profile_ms();
    summary_.stopped = stopping() || !evaluate();
    trainer_.await_checkpoint();
    if (!did_steps)
      folder_.keep_newest(options_.keep_checkpoints);  // a finished run, started again with fewer
    if (!summary_.stopped) {
      trainer_.save(options_.out, options_.saving);
      tokenizer_.save(options_.out);
      copy_companions();
    }
    summary_.steps = trainer_.steps();
    summary_.skipped_steps = trainer_.skipped_steps();
    summary_.weights_hash = trainer_.weights_hash();
    summary_.peak_bytes = peak_rss_bytes();
    summary_.forecast_bytes = trainer_.plan().peak_bytes();
  }

  // Of the model that the run began with, which may have got another tokenizer.
  void copy_companions() const {
    const std::string base = base_of(options_);
    if (has_base_tokenizer_)
      copy_tokenizer(base, options_.out);  // what is to be said of it, its reading has said
    else
      copy_chat_files(base, options_.out);
  }

  const TrainingRun& options_;
  Tokenizer tokenizer_;
  bool has_base_tokenizer_;  // found out before the arena is taken: a second vocabulary may be 25 MiB
  SampleSet samples_;
  RunFolder folder_;
  Trainer trainer_;
  RunIdentity identity_;
  RunSummary summary_;
  std::int64_t tokens_ = 0;
  std::optional<std::int64_t> saved_step_;  // of the newest checkpoint
};

// Opened anew where it is wanted: its files are mapped, and nothing of them is read.
std::optional<Model> teacher_of(const TrainingRun& run, const Tokenizer& tokenizer) {
  if (!run.distill) return {};
  return open_teacher(run, tokenizer);
}

TrainPlanOptions plan_options(const TrainingRun& run, Lengths lengths,
                              const std::optional<DistillLoss>& loss) {
  TrainPlanOptions options = run.plan;
  options.clipping = run.adamw.clip > 0;
  options.prunes |= run.prune.has_value();
  options.seq = lengths.seq;
  options.sizes = std::move(lengths.sizes);
  if (run.label_smoothing) options.objective = next_token({.label_smoothing = *run.label_smoothing});
  if (loss) options.objective = distillation(*loss);
  return options;
}

TrainPlan plan_for(const TrainingRun& run, const TrainingData& data, const std::optional<Model>& teacher) {
  const Model model = open_model(run, data.tokenizer, data.frame, data.lengths(0), teacher);
  if (teacher) require_same_ids(*teacher, model, run.distill->teacher);
  if (data.kind == pairs_kind) check_pairs(model, data.tokenizer, run.data);
  const Lengths lengths = data.lengths(model.context());
  std::optional<DistillLoss> loss;
  if (teacher) loss = loss_of(*run.distill, *teacher, model);
  TrainPlanOptions options = plan_options(run, lengths, loss);
  if (data.buckets) options.buckets = data.buckets(lengths);
  options.text_bytes = data.memory_bytes + companions_bytes(base_of(run));
  options.reading_bytes = std::max(options.reading_bytes, data.reading_bytes);
  options.hits = data.counts_hits;
  if (teacher) add_teacher(options, *run.distill, *loss, *teacher);
  return TrainPlan(model, std::move(options));
}

Tokenizer tokenizer_without_text(const TrainingRun& run) {
  if (run.made_tokenizer) return *run.made_tokenizer;
  const std::string name = tokenizer_of(run);
  if (name == "char")
    throw Error(ErrorKind::usage, {.what = "a char tokenizer has the characters of a text, and none is named",
                                   .where = "tokenizer",
                                   .hint = "--data takes a text file or a folder"});
  return name.empty() || name == "byte" ? Tokenizer::bytes() : Tokenizer::open(name);
}

// Of a text, a plan wants the size of its vocabulary and the memory that it takes.
TrainPlan plan_without_text(const TrainingRun& run) {
  const bool pairs = learns_from_pairs(run);
  Tokenizer tokenizer = tokenizer_without_text(run);
  if (pairs) tokenizer = tokenizer.with_sequence_tokens();
  note_another_tokenizer(run, tokenizer);
  check_out(run, tokenizer);
  Lengths lengths{run.plan.seq ? run.plan.seq : usual_seq, run.plan.sizes};
  if (pairs) lengths.sizes[source_size] = run.source_seq ? run.source_seq : lengths.seq;
  const std::optional<Model> teacher = teacher_of(run, tokenizer);
  const Model model =
      open_model(run, tokenizer, pairs ? tokenizer.sequence_tokens() : SequenceTokens(), lengths, teacher);
  std::optional<DistillLoss> loss;
  if (teacher) loss = loss_of(*run.distill, *teacher, model);
  TrainPlan plan(model, plan_options(run, lengths, loss));
  if (run.on_message)
    run.on_message("note: no --data: planned without the memory that a text takes, for a tokenizer of " +
                   std::to_string(tokenizer.vocab_size()) + " ids" +
                   (tokenizer.kind() == TokenizerKind::byte ? " (byte)" : ""));
  return plan;
}

// A pruned model that is trained as any other is none at the end.
void note_lost_zeros(const TrainingRun& run, const Model& model) {
  const bool stay = run.plan.keep_zeros || run.prune || model.impl().adapter || model.impl().frozen_base;
  if (stay || !run.on_message || !has_weights(base_of(run))) return;
  if (const double share = share_of_zeros(model); share >= pruned_from)
    run.on_message("note: " + to_text(100 * share, 3) +
                   " % of the products' weights are zero, and will not stay so: --keep-zeros keeps them");
}

}  // namespace

std::vector<std::string> run_notes(const TrainingRun& run, const TrainPlan& plan) {
  std::vector<std::string> notes = plan.model().notes();
  for (std::string& note : schedule_notes(run)) notes.push_back(std::move(note));
  if (!run.plan.allow.empty() && run.plan.memory_bytes == 0)
    notes.emplace_back("--allow has no effect without --memory");
  if (run.distill)
    for (std::string& note : teaching_notes(run, plan.model())) notes.push_back(std::move(note));
  const TrainPlanOptions& o = plan.options();
  if (const std::string note = precision_note(o.precision, o.isa); !note.empty()) notes.push_back(note);
  return notes;
}

TrainPlan plan_of(const TrainingRun& run) {
  check(run);
  if (run.data.empty()) return plan_without_text(run);
  const TrainingData data = heard(run);
  check_out(run, data.tokenizer);
  return plan_for(run, data, teacher_of(run, data.tokenizer));
}

RunSummary train(const TrainingRun& run) {
  const FloatModeGuard guard;
  check(run);
  if (run.out.empty())
    throw Error(ErrorKind::usage,
                {.what = "no folder to write the model to", .hint = out_name(run) + " names it"});
  require_folder_name(run.out);
  if (run.lora && !has_weights(run.model))
    throw Error(ErrorKind::usage, {.what = "an adapter needs a model that has been trained",
                                   .where = "model",
                                   .expected = "a model folder",
                                   .found = run.model});
  const TrainingData data = heard(run);
  check_out(run, data.tokenizer);
  const std::optional<Model> teacher = teacher_of(run, data.tokenizer);
  const TrainPlan plan = plan_for(run, data, teacher);
  SampleSet samples = teacher ? taught(data, run, plan, *teacher) : data.samples(plan);
  if (run.stop.stop_requested()) return {.stopped = true};
  note_lost_zeros(run, plan.model());
  const FolderLock lock(run.out);
  return Run(run, data, std::move(samples), plan).go();
}

}  // namespace hone
