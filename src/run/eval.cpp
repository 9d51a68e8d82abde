#include "hone/eval.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/float_mode.hpp"
#include "base/types.hpp"
#include "exec/job.hpp"
#include "kernel/cross_entropy.hpp"
#include "model/model_impl.hpp"
#include "op/inputs.hpp"
#include "pass/passes.hpp"
#include "run/load.hpp"
#include "train/step_program.hpp"

namespace hone {
namespace {

// Accuracy needs a window's logits at once, unlike the loss; they are kept below this.
constexpr std::int64_t most_logits_bytes = std::int64_t{128} << 20;
constexpr std::int64_t micro_batch_positions = 2048;  // as in training: more gain nothing

std::int64_t largest_positions(const Model& model) {
  return std::max<std::int64_t>(1, most_logits_bytes / (model.vocab_size() * size_bytes(DType::f32)));
}

std::int64_t tokens_of(const Text& text, const EvalOptions& o) {
  return o.held_out_only ? text.held_out_tokens() : text.all_tokens();
}

std::int64_t decided_seq(const Model& model, const Text& text, const EvalOptions& o) {
  if (o.seq != 0) {
    if (o.seq < 0 || o.seq > model.context())
      throw Error(ErrorKind::usage, {.what = "it does not fit the model's context",
                                     .where = "seq",
                                     .expected = "1 to " + std::to_string(model.context()),
                                     .found = std::to_string(o.seq)});
    return o.seq;
  }
  std::int64_t seq = 1024;
  while (seq > 256 && seq > largest_positions(model)) seq /= 2;
  return std::min({seq, model.context(), std::max<std::int64_t>(1, tokens_of(text, o) - 1)});
}

void check(const Model& model, const Text& text, const EvalOptions& o, std::int64_t windows,
           std::int64_t seq) {
  if (o.max_tokens < 0)
    throw Error(ErrorKind::usage, {.what = "the number of tokens is out of range",
                                   .where = "max_tokens",
                                   .expected = "0 (the whole text) or more",
                                   .found = std::to_string(o.max_tokens)});
  if (text.vocab_size() > model.vocab_size())
    throw Error(ErrorKind::input,
                {.what = "the text's vocabulary exceeds the model's",
                 .expected = "at most " + std::to_string(model.vocab_size()) + " ids",
                 .found = std::to_string(text.vocab_size()),
                 .hint = "read the text with the tokenizer that the model was trained with"});
  if (windows <= 0)
    throw Error(ErrorKind::input, {.what = "the text has no whole window",
                                   .expected = "at least " + std::to_string(seq + 1) + " tokens",
                                   .found = std::to_string(tokens_of(text, o)),
                                   .hint = "lower seq"});
}

// The program of a micro-batch, with its memory.
class Evaluation {
 public:
  Evaluation(const Model& model, const EvalOptions& o, std::int64_t windows, std::int64_t seq)
      : windows_(std::clamp<std::int64_t>(std::min(micro_batch_positions, largest_positions(model)) / seq, 1,
                                          windows)),
        seq_(seq),
        job_(plan(model, o)),
        weights_(model, job_),
        executor_(job_, weights_.tensors()) {
    const auto& shared = job_.shared();
    if (shared.contains(input::positions))
      fill_positions(executor_.view<std::int32_t>(input::positions), seq, 0);
    executor_.view<float>(input::loss_scale)[0] = 1;
  }

  std::int64_t windows() const { return windows_; }

  // Adds a batch of at most windows() to the sums.
  void add(const Batch& batch) {
    const auto copy = [&](const char* name, const std::vector<std::int32_t>& from, std::int32_t rest) {
      if (!job_.shared().contains(name)) return;
      const auto to = executor_.view<std::int32_t>(name);
      std::fill(std::copy(from.begin(), from.end(), to.begin()), to.end(), rest);
    };
    copy(input::tokens, batch.ids, 0);
    copy(input::labels, batch.labels, kernel::ignored_label);
    executor_.run(0);
    const Program& p = program();
    for (const float loss : executor_.output_view<float>(0, losses_of(p)))
      loss_sum += static_cast<double>(loss);
    if (!std::isfinite(loss_sum)) {
      const std::string culprit = executor_.first_not_finite(0);
      throw Error(ErrorKind::input, {.what = std::string("the loss is not finite (") +
                                             (std::isnan(loss_sum) ? "NaN)" : "infinite)"),
                                     .where = culprit.empty() ? "" : "first in " + culprit,
                                     .hint = "the weights are damaged, or the model diverged in training"});
    }
    tokens += batch.tokens();
    count_correct(batch);
  }

  double loss_sum = 0;
  std::int64_t tokens = 0, correct = 0;

 private:
  JobPlan plan(const Model& model, const EvalOptions& o) const {
    const StepProgramOptions options{
        .micro_batch = windows_, .seq = seq_, .low_precision = o.precision == Precision::bf16};
    Program p = cut(write_evaluation_program(model.impl().architecture, options, true), Phase::micro);
    const std::set<std::string> weights = weight_names(p);
    return JobPlan({std::move(p)}, exec_options(o.threads, o.isa), weights);
  }
  const Program& program() const { return job_.programs()[0]; }

  void count_correct(const Batch& batch) {
    const TensorId logits = program().outputs.at(1);
    if (program()[logits].type.dtype == DType::bf16)
      count_correct(batch, executor_.output_view<bf16>(0, logits));
    else
      count_correct(batch, executor_.output_view<float>(0, logits));
  }
  static float value(float x) { return x; }
  static float value(bf16 x) { return to_f32(x); }

  // The first of equal maxima is what the model predicts, as in greedy decoding.
  template <class T>
  void count_correct(const Batch& batch, std::span<const T> logits) {
    hits_.assign(batch.labels.size(), 0);
    const std::size_t V = logits.size() / static_cast<std::size_t>(windows_ * seq_);
    executor_.pool().run(static_cast<std::int64_t>(batch.labels.size()), [&](std::int64_t i, int) {
      const auto at = static_cast<std::size_t>(i);
      if (batch.labels[at] < 0) return;
      const T* row = logits.data() + at * V;
      const auto label = static_cast<std::size_t>(batch.labels[at]);
      const float wanted = value(row[label]);
      bool best = true;
      for (std::size_t v = 0; v < label; ++v) best &= value(row[v]) < wanted;
      for (std::size_t v = label + 1; v < V; ++v) best &= value(row[v]) <= wanted;
      hits_[at] = best;
    });
    correct += std::count(hits_.begin(), hits_.end(), 1);
  }

  std::int64_t windows_, seq_;
  JobPlan job_;
  ModelWeights weights_;
  Executor executor_;
  std::vector<char> hits_;
};

}  // namespace

EvalReport evaluate(const Model& model, const Text& text, const EvalOptions& o) {
  const FloatModeGuard guard;
  const std::int64_t seq = decided_seq(model, text, o);
  std::int64_t all = o.held_out_only ? text.held_out_windows(seq) : text.all_windows(seq);
  check(model, text, o, all, seq);
  if (o.max_tokens > 0) all = std::clamp<std::int64_t>(o.max_tokens / seq, 1, all);
  Evaluation evaluation(model, o, all, seq);
  for (std::int64_t first = 0; first < all; first += evaluation.windows()) {
    const std::int64_t count = std::min(evaluation.windows(), all - first);
    evaluation.add(o.held_out_only ? text.held_out(first, count, seq) : text.all(first, count, seq));
    if (o.progress) o.progress(first + count, all);
  }
  const auto tokens = static_cast<double>(std::max<std::int64_t>(1, evaluation.tokens));
  const double bytes_per_token =
      o.held_out_only
          ? static_cast<double>(text.held_out_bytes()) / static_cast<double>(text.held_out_tokens())
          : static_cast<double>(text.all_bytes()) / static_cast<double>(text.all_tokens());
  EvalReport report{.loss = evaluation.loss_sum / tokens, .tokens = evaluation.tokens, .seq = seq};
  report.perplexity = std::exp(report.loss);
  report.bits_per_byte = report.loss / std::numbers::ln2 / bytes_per_token;
  report.accuracy = static_cast<double>(evaluation.correct) / tokens;
  return report;
}

}  // namespace hone
