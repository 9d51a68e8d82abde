// A whole training run, as `hone train` does it: text in, model folder out, checkpoints on the way.
//
//   hone::TrainingRun run;
//   run.model = "nano"; run.data = "book.txt"; run.out = "out/book"; run.steps = 1000;
//   run.on_step = [](const hone::StepEvent& e) { std::printf("%ld %.3f\n", long(e.step), e.loss); };
//   const hone::RunSummary done = hone::train(run);
//
// Started again, a run goes on from its last checkpoint to the same bits (where that is damaged, from the one
// before, which on_message hears); a finished one does no step. Checkpoints are written beside the steps.
// Only a run of the same model, text, tokenizer and options does: contents are compared, not paths. Other
// `steps`, and what changes no bit, may be asked for, and on_message says what changes. A folder with another
// model is refused, and so is the one of `model` itself. One process at a time works in a folder. Nothing is
// printed: what happens arrives in the callbacks.
#pragma once
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "hone/distill.hpp"
#include "hone/examples.hpp"
#include "hone/lora.hpp"
#include "hone/pairs.hpp"
#include "hone/train.hpp"

namespace hone {

// Pruning on the way (Trainer::prune), on the schedule of CubicSparsity: before step `start`, every `every`
// steps behind it, and before step `end`, of steps counted from 0. The steps that are left heal.
struct GradualPruning {
  double sparsity = 0.5;
  std::string pattern = "unstructured";
  std::int64_t start = 0, end = 0;  // end 0: three quarters of the steps
  std::int64_t every = 10;
  bool operator==(const GradualPruning&) const = default;
};

struct StepEvent {
  std::int64_t step = 0;  // counted from 1
  double loss = 0;
  float lr = 0, grad_norm = 0;
  double tokens_per_s = 0;
  std::int64_t tokens = 0;
  bool skipped = false;  // see StepResult
  float loss_scale = 1;
  double sparsity = 0;  // of a run that prunes: of the matrices that it prunes, so far
};

struct EvalEvent {
  std::int64_t step = 0;
  double val_loss = 0, bits_per_byte = 0;
  // Of a run over pairs, else unknown, and so are bits a byte of one: the share of target tokens, and of
  // targets from end to end, that greedy decoding gets right.
  double accuracy = 0, exact_match = 0;
};

struct RunSummary {
  static constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

  std::int64_t steps = 0;
  double seconds = 0;             // of the steps of this start
  double tokens_per_s = unknown;  // where this start did none
  double loss = unknown;          // of the last step; before the first there is none
  double val_loss = 0, bits_per_byte = 0;
  std::int64_t peak_bytes = 0, forecast_bytes = 0;
  std::string weights_hash{};
  bool stopped = false;                   // by the stop token; what steps there are, a checkpoint has
  std::map<std::string, double> op_ms{};  // of the whole run, where profile was set
  std::int64_t skipped_steps = 0;         // of `steps`: fp16 overflowed in them
  double accuracy = unknown, exact_match = unknown;  // as EvalEvent has them
};

struct TrainingRun {
  // A preset, a config.json or a model folder; a folder of an adapter: that is trained on.
  std::string model = "nano";
  // A text file, a folder of them, or token shards; JSON lines with prompts or messages (hone/examples.hpp);
  // for a model that reads a source: pairs (hone/pairs.hpp).
  std::string data{};
  std::string out{};  // the model folder to make
  // byte, char or a tokenizer.json; empty: that of the run in `out` which goes on, the model folder's, else
  // byte
  std::string tokenizer{};
  std::optional<Tokenizer> made_tokenizer{};  // one in memory, in place of `tokenizer`
  std::int64_t steps = 1000;
  // batch, micro_batch, precision, threads, seed, ...; seq 0: 256, or the longest pair's
  TrainPlanOptions plan{.seq = 0};
  StepOptions adamw{.lr = 1e-3f, .clip = 1};  // lr and adamw_lr are the schedule's peaks
  ScheduleKind schedule = ScheduleKind::cosine;
  float min_lr = 0;
  std::int64_t warmup = 100;
  std::int64_t eval_every = 0;  // 0: at the end only
  std::int64_t save_every = 0;  // 0: at the end only
  bool resume = true;           // from the folder's last whole checkpoint; false: begin anew
  std::optional<float> dropout{};
  bool profile = false;
  std::int64_t decay_steps = 0;            // of ScheduleKind::wsd; 0: a fifth of the steps
  std::optional<float> label_smoothing{};  // none: the model's own
  // Of pairs, as PairOptions has them.
  std::int64_t source_seq = 0;
  TooLong too_long = TooLong::error;  // of examples too
  std::string source_field{}, target_field{};
  // Of examples: a file in Jinja in place of the model folder's template; whether the loss looks at prompts
  // too.
  std::string chat_template{};
  bool train_on_prompt = false;
  bool packing = false;  // several in a row of seq; attention keeps within each, and drops nothing
  std::int64_t keep_checkpoints = 2;  // the newest ones that stay; 1 or more
  bool compress_checkpoints = false;  // CheckpointOptions::compress
  SaveOptions saving{};               // of the finished model
  // An adapter is trained in place of the model, which must be a folder, and `out` becomes the adapter's.
  // seed and base are the run's own.
  std::optional<LoraOptions> lora{};
  // "all", or "corrections" (hone/correction.hpp): these alone, beside a model that stays in few bits.
  std::string trained = "all";
  // It learns from a teacher besides; the tokenizer is the teacher's where none is named.
  std::optional<DistillOptions> distill{};
  std::optional<GradualPruning> prune{};

  // Asked before each node of a step: the step under way is dropped, and the last complete one saved. Gone on
  // with, the run comes to the same bits.
  std::stop_token stop{};
  std::function<void(const TrainPlan&, std::int64_t first_step)> on_start{};
  std::function<void(const StepEvent&)> on_step{};
  std::function<void(const EvalEvent&)> on_eval{};
  std::function<void(const std::string&)> on_message{};  // what is worth saying: resumed, saved, a slow path
};

// The plan of that run; what `hone plan` prints. Without `data` it has no memory of a text, and the
// vocabulary of the tokenizer that is named, of the model's or of bytes; on_message hears so.
HONE_API TrainPlan plan_of(const TrainingRun& run);
// What is worth saying of the run before it starts, a line each: what its files have without effect, what
// its schedule cannot do as asked, what bf16 or fp16 costs on this CPU. train() says it through on_message.
HONE_API std::vector<std::string> run_notes(const TrainingRun& run, const TrainPlan& plan);
HONE_API RunSummary train(const TrainingRun& run);
// The first examples that the run's data has, as its model will see them. Error(usage) for data of another
// kind.
HONE_API std::vector<ShownExample> show_examples(const TrainingRun& run, std::int64_t count);

}  // namespace hone
