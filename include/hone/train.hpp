// Training: plan, then run. The plan is a value that knows memory and time before anything is allocated; the
// trainer takes exactly that memory and is ready from its first line to its destructor.
//
//   hone::TrainPlan plan(hone::preset("nano"), {.batch = 32, .seq = 256});
//   std::printf("%ld MiB\n", long(plan.forecast().peak_bytes >> 20));
//   hone::Trainer trainer(plan);
//   const hone::Cosine lr{.peak = 1e-3f, .warmup = 100, .steps = 2000};
//   for (auto n = trainer.steps(); n < 2000; n = trainer.steps())
//     trainer.step(text.batch(n, 32, 256), {.lr = lr(n), .clip = 1});
//
// Weights after n steps have the same bits for any number of threads and any split of the batch into
// micro-batches. One thread uses a trainer at a time; a second one gets an Error(usage).
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "hone/forecast.hpp"
#include "hone/model.hpp"
#include "hone/optimizer.hpp"
#include "hone/precision.hpp"
#include "hone/samples.hpp"
#include "hone/schedule.hpp"
#include "hone/text.hpp"

namespace hone {

// How fp16 scales its losses, so that gradients do not vanish below 2^-24 (torch.amp.GradScaler's rule and
// numbers): a loss is multiplied by the scale, the gradients are divided by it before anyone looks at them. A
// step whose loss or gradients overflow is skipped and lowers the scale; `interval` good steps in a row raise
// it. All factors are powers of two, so the scale rounds nothing.
struct LossScaling {
  float init = 65536;            // the scale at first
  float growth = 2;              // times this after `interval` good steps; 1: it never grows
  float backoff = 0.5f;          // times this after a step that overflowed; 1: it stays
  std::int64_t interval = 2000;  // steps
  float min = 0x1p-14f;          // below this the run is given up with an Error(failed)
  std::int64_t most_skips = 50;  // so many steps in a row that overflow: the same
};

// Quantization-aware training: products and tables read each weight as rounding to nearest would leave it
// (codes of so many bits, each group's scale and minimum from its own numbers, anew at each update), and
// gradients go to the weight behind it as if nothing were rounded (Bengio et al., arXiv 1308.3432; Jacob et
// al., arXiv 1712.05877). What is saved is the weights behind: quantize() by the method rtn with these
// options has what training and its evaluation have read.
struct QatOptions {
  int bits = 4;                     // as QuantizeOptions has them: 2, 3, 4 or 8
  std::int64_t group = 64;          // 1 or more, or whole_row (-1)
  std::optional<bool> symmetric{};  // none: where zeros are to stay
  int table_bits = 8;               // of the table of tokens and the head; 0: they are read as they are
};

struct TrainPlanOptions {
  std::int64_t batch = 32;       // sequences a step
  std::int64_t micro_batch = 0;  // computed at once; 0: chosen to fit the caches. Changes no bit
  std::int64_t seq = 256;        // positions a sequence
  Precision precision = Precision::f32;
  std::string optimizer = "adamw";  // of optimizers()
  int threads = 0;                  // 0: all cores
  std::uint64_t seed = 0;           // of dropout
  std::string isa{};                // of instruction_sets(); empty: the best that this CPU has
  bool decay_all = false;           // weight decay on biases and norms too
  // What shall be readable after a step: gradients, by the weights' names, and activations, by the names that
  // hone/builder.hpp gives them at `named`. The forecast counts their copies; nothing else changes.
  std::vector<std::string> keep{};
  // Text::memory_bytes() and reading_bytes() of what it trains on: the forecast counts them too.
  std::int64_t text_bytes = 0, reading_bytes = 0;
  std::int64_t teacher_bytes = 0;  // Teacher::memory_bytes() of one that computes beside it
  Objective objective{};           // what it is trained for; none: the model's own
  // What Builder::size says, else as ModelOptions has it: "source_seq", positions of a source, is one of
  // families that read one. Error(usage) for a name that neither the network nor the objective asks for.
  std::map<std::string, std::int64_t, std::less<>> sizes{};
  // Shorter lengths than seq and sizes, the cheapest first: what step() and evaluate() are given stays of seq
  // and sizes, and each sample is computed at the first of these that holds its lengths and all of its labels
  // that count, so what lies behind them must be padding that nobody sees. A step's samples go by bucket,
  // then in order; no micro-batch has two. Of shorter ones as many more are computed at once as have no more
  // positions. No update stands inside of backward, and no activation is kept.
  std::vector<LengthBucket> buckets{};
  // What peak_bytes of the forecast may be; 0: no limit. Within it the fastest way is chosen of those that
  // change no bit: activations made again instead of kept, smaller chunks of the loss, copies of weights in
  // low precision made where they are read, and, where micro_batch is 0, smaller micro-batches.
  std::int64_t memory_bytes = 0;
  // What else may be chosen where nothing of that fits, and changes results, in this order: "optimizer"
  // (AdamW with 8-bit states), "master" (weights in bf16).
  std::vector<std::string> allow{};
  // Will gradients be clipped? If not (every StepOptions::clip is 0) and a step is one micro-batch, weights
  // are updated inside of backward and no full gradient is kept: less memory, the same bits.
  bool clipping = true;
  // What weights are kept in. bf16: trained matrices and tables in bf16 alone, rounded at each update by
  // drawn numbers (of seed, step, weight and element), so that small steps add up; with precision bf16 and
  // the optimizers adamw and adamw8bit.
  Precision master = Precision::f32;
  LossScaling loss_scaling{};  // of fp16
  bool hits = false;           // evaluation counts which labels the model predicts, too
  // Weights of matrices that are zero stay zero, but for tables of tokens: a pruned model is trained on with
  // its mask. With every optimizer but muon.
  bool keep_zeros = false;
  std::optional<QatOptions> qat{};  // with f32 weights that are all trained
  // Trainer::prune() will be called: implies keep_zeros, and the forecast counts what it needs on the way.
  bool prunes = false;
};

class HONE_API TrainPlan {
 public:
  // Error(usage) for options that contradict the model, one another or this CPU, and for a name in `keep`
  // that the model lacks; Error(budget) where nothing fits in memory_bytes, with what each choice needs.
  // Takes no memory but its own few kilobytes.
  TrainPlan(const Model& model, TrainPlanOptions options);
  TrainPlan(const TrainPlan&) = default;  // a move copies
  TrainPlan(TrainPlan&& other) noexcept { impl_ = other.impl_; }
  TrainPlan& operator=(const TrainPlan&) = default;

  // Memory costs nothing to tell; the first call measures this machine for step_ms (half a second, and
  // for that time no more memory than the run itself will take).
  const Forecast& forecast() const;
  std::int64_t peak_bytes() const;  // of the forecast, without measuring anything
  const Model& model() const;
  // The options with every default decided: micro_batch, threads, isa.
  const TrainPlanOptions& options() const;
  std::int64_t batch() const { return options().batch; }
  std::int64_t seq() const { return options().seq; }
  // Multiply-adds of a step, each counted as two; what the CPU's limit is compared with.
  double step_flops() const;
  // The programs as text: one line a node, with kernels.
  std::string print() const;

  struct Impl;
  const Impl& impl() const { return *impl_; }

 private:
  std::shared_ptr<const Impl> impl_;
};

struct StepOptions {
  float lr = 1e-3f;
  float clip = 0;  // of the gradients' global norm; 0: none
  // None: what hyperparameters() of the optimizer says. Error(usage) for one that the optimizer does not
  // have.
  std::optional<float> beta1{}, beta2{}, epsilon{}, weight_decay{}, momentum{};
  // Asked before each node of a micro-batch's program, so within milliseconds, and last before the update. A
  // step that it stops has changed nothing.
  std::stop_token stop{};
  // Beside "muon": the learning rate of what it leaves to AdamW (tables, head, vectors); none: lr.
  std::optional<float> adamw_lr{};
  // Any of the optimizer's numbers by its name, as hyperparameters() has it; the members above are for those
  // that most optimizers share. Error(usage) for one that is given both ways with two values.
  std::map<std::string, float> scalars{};
};

struct StepResult {
  double loss = 0;       // mean over the step's tokens, nats a token; of several terms the weighted sum
  double grad_norm = 0;  // before clipping
  std::int64_t tokens = 0;
  bool stopped = false;  // by StepOptions::stop: nothing was updated, and steps() stays what it was
  // fp16: the loss or a gradient overflowed. steps() counts the step, so that its batch is behind, but no
  // weight, no moment and no count of updates has changed.
  bool skipped = false;
  float loss_scale = 1;    // that this step had
  std::string overflow{};  // where f16 overflowed first: "linear @h.3.mlp.c_fc"; looked for at the 1st
                           // skipped step of a run, the 2nd, 4th, 8th, ..
};

struct EvalResult {
  double loss = 0;  // nats a token; of several terms the weighted sum
  std::int64_t tokens = 0;
  std::map<std::string, double> terms{};  // the mean of each term's losses, by its name
  // With TrainPlanOptions::hits: labels that have the largest logit, as greedy decoding takes it, and samples
  // of which every label has. Those are the samples that greedy decoding gets right from end to end: as long
  // as what it wrote is right, it has read what the labels say.
  std::int64_t hits = 0, exact = 0;
};

// What a checkpoint has beside the trainer's own state.
struct CheckpointOptions {
  std::map<std::string, std::string> notes{};  // UTF-8; resume() returns them
  // Texts by file name, so that the folder is a whole model's: a tokenizer.json.
  std::map<std::string, std::string> files{};
  // The optimizer's state without loss in fewer bytes; the weights stay safetensors that any tool reads.
  bool compress = false;
  std::function<void()> published{};  // called when it is on disk; by the thread that writes
};

class HONE_API Trainer {
 public:
  // Error(budget) where the system refuses the memory, Error(input) for a weight that is not finite.
  explicit Trainer(const TrainPlan& plan);
  ~Trainer();
  Trainer(Trainer&&) noexcept;
  Trainer& operator=(Trainer&&) noexcept;

  // One step over `batch` (plan.batch() x plan.seq()): micro-batches, then the update. Complete, or nothing
  // has changed: when it is stopped, and when it throws. Error(usage) for a batch of another shape,
  // Error(input) for an id outside the vocabulary, Error(failed) for a loss that is not finite, naming the
  // first op at fault (in fp16 an overflow skips the step instead, see LossScaling), Error(usage) for
  // impossible options, Error(input) where no label counts. Should an update itself end halfway, every
  // further call says so with an Error(failed) until resume().
  StepResult step(const BatchView& batch, const StepOptions& options);
  // The same over samples by the names of the network's inputs: plan.batch() of them.
  StepResult step(const Samples& batch, const StepOptions& options);

  // The same in two verbs. accumulate: forward, loss and backward of the next micro-batch of the step (as
  // many sequences as the plan has a program for: micro_batch, or the ragged rest; with buckets any number,
  // which are put in order among themselves, so that other parts may round otherwise); returns the sum of its
  // losses, nats. Gradients are divided by step_tokens, by default the plan's batch * seq: where some labels
  // are -100 that would not be what step() does, so without step_tokens (Batch::tokens() of the whole step)
  // they are an Error(usage). Fewer sequences than the plan's batch may make a step, more are an
  // Error(usage). update: clip, the optimizer, cast.
  double accumulate(const BatchView& micro_batch, std::int64_t step_tokens = 0);
  // counts: how many labels of each input of labels count in the whole step, as label_counts() has it; none:
  // all that there are in batch(), and then each of them has to count.
  double accumulate(const Samples& micro_batch, const std::map<std::string, std::int64_t>& counts = {});
  std::map<std::string, std::int64_t> label_counts(const Samples& step) const;  // that are not -100, by input
  StepResult update(const StepOptions& options);
  // Forgets what was accumulated since the last update: the next accumulate() begins a step.
  void discard();

  // Mean loss over any number of windows of plan.seq(), without dropout; weights are untouched.
  EvalResult evaluate(const BatchView& batch);
  EvalResult evaluate(const Samples& samples);  // any number of them

  std::int64_t steps() const;          // complete ones, and skipped ones
  std::int64_t skipped_steps() const;  // of them; those resumed from count too
  float loss_scale() const;            // of the next step
  const TrainPlan& plan() const;
  Model model() const;  // a snapshot: a copy of the weights, in f32, which no forecast counts
  std::string weights_hash() const;
  void save(const std::string& folder, const SaveOptions& options = {}) const;  // as a model folder

  // Copies of weights, or with `keep` of the last step's gradients (before clipping), in f32 and in the
  // layout of files, into a span of Model::size() values; before an update of what was accumulated so far; or
  // with `keep` of an activation [batch, seq,
  // width], in f32, of the sequences that this step has computed. write() also renews what is derived from
  // the weight. Error(usage) for a name that is not there or not kept, and for a span of another size.
  void read(const std::string& weight, std::span<float> values) const;
  void read_gradient(const std::string& weight, std::span<float> values) const;
  void read_activation(const std::string& name, std::span<float> values) const;
  void write(const std::string& weight, std::span<const float> values);

  // Sets to zero, of each matrix that hone/prune.hpp takes, the share that is smallest, in a shape of
  // prune_patterns() (not parts), and what the optimizer keeps of them: as they are zero, the steps behind
  // leave them so. Called with growing shares it prunes little by little; what is zero already goes first. Of
  // 2:4 a share below 0.5 is that of groups where it costs least. Returns the share of zeros that came out.
  // Error(usage) for a plan without `prunes`, a share or pattern that there is not, and in the middle of a
  // step whose updates are inside of backward.
  double prune(double sparsity, const std::string& pattern = "unstructured");

  // Everything that the next step depends on, as a folder that appears whole or not at all: a model folder
  // with the optimizer's state beside it. One that is there already must be empty or a checkpoint: it is
  // replaced. resume() returns the notes; a file that is missing, cut short or altered is Error(input), a
  // whole checkpoint of another model, optimizer or task, or one of fp16 where the plan is not (its loss
  // scale would be lost), Error(usage), and neither changes a thing.
  void save_checkpoint(const std::string& folder, const CheckpointOptions& options = {}) const;
  std::map<std::string, std::string> resume(const std::string& folder);

  // The same save beside the training: returns at once, and a thread of the trainer's writes the state as it
  // is now. Steps go on meanwhile, forward and backward; an update waits until the state is copied to the
  // files (not until the disk has it), so there is no second copy in memory. One save at a time: another one,
  // await_checkpoint() and the destructor wait for it. What ended a save is thrown by the next step(),
  // accumulate(), save or await_checkpoint(), before they do anything.
  void save_checkpoint_async(const std::string& folder, CheckpointOptions options = {});
  void await_checkpoint();

  // Times every node from here on: milliseconds by op.
  void profile(bool on);
  std::map<std::string, double> profile_ms() const;

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace hone
