#include "hone/eval.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/float_mode.hpp"
#include "base/types.hpp"
#include "exec/feed.hpp"
#include "kernel/cross_entropy.hpp"
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

// What is evaluated of a text: so many tokens, each predicted from those before it, the first from
// ids(first).
struct Part {
  std::int64_t first, predicted;
};

Part part_of(const Text& text, const EvalOptions& o) {
  if (o.max_tokens < 0)
    throw Error(ErrorKind::usage, {.what = "the number of tokens is out of range",
                                   .where = "max_tokens",
                                   .expected = "0 (the whole text) or more",
                                   .found = std::to_string(o.max_tokens)});
  const std::int64_t tokens = o.held_out_only ? text.held_out_tokens() : text.all_tokens();
  if (tokens < 2)
    throw Error(ErrorKind::input, {.what = "the text has no token that follows another",
                                   .where = text.path() + (o.held_out_only ? ", held-out part" : ""),
                                   .expected = "2 tokens or more",
                                   .found = std::to_string(tokens)});
  const std::int64_t most = o.max_tokens > 0 ? o.max_tokens : tokens;
  return {text.all_tokens() - tokens, std::min(most, tokens - 1)};
}

std::int64_t decided_seq(const Model& model, const Part& part, std::int64_t wanted) {
  if (wanted != 0) {
    if (wanted < 0 || wanted > model.context())
      throw Error(ErrorKind::usage, {.what = "it does not fit the model's context",
                                     .where = "seq",
                                     .expected = "1 to " + std::to_string(model.context()),
                                     .found = std::to_string(wanted)});
    return wanted;
  }
  std::int64_t seq = 1024;
  while (seq > 256 && seq > largest_positions(model)) seq /= 2;
  return std::min({seq, model.context(), part.predicted});
}

void check_vocabulary(const Model& model, const Text& text) {
  if (text.vocab_size() > model.vocab_size())
    throw Error(ErrorKind::input,
                {.what = "the text's vocabulary exceeds the model's",
                 .where = text.path(),
                 .expected = "at most " + std::to_string(model.vocab_size()) + " ids",
                 .found = std::to_string(text.vocab_size()),
                 .hint = "read the text with the tokenizer that the model was trained with"});
}

// Windows [first, first + count); where the part ends within the last one, the rest of that counts for
// nothing.
Batch windows_of(const Text& text, const Part& part, std::int64_t first, std::int64_t count,
                 std::int64_t seq) {
  Batch batch{.batch = count, .seq = seq};
  for (std::int64_t w = first; w < first + count; ++w) {
    const std::int64_t tokens = std::min(seq, part.predicted - w * seq);
    const std::vector<std::int32_t> ids = text.ids(part.first + w * seq, tokens + 1);
    batch.ids.insert(batch.ids.end(), ids.begin(), ids.end() - 1);
    batch.labels.insert(batch.labels.end(), ids.begin() + 1, ids.end());
  }
  batch.ids.resize(static_cast<std::size_t>(count * seq), 0);
  batch.labels.resize(static_cast<std::size_t>(count * seq), kernel::ignored_label);
  return batch;
}

// The program of a micro-batch, with its memory.
class Evaluation {
 public:
  Evaluation(const Model& model, const EvalOptions& o, std::int64_t windows, std::int64_t seq)
      : windows_(std::clamp<std::int64_t>(std::min(micro_batch_positions, largest_positions(model)) / seq, 1,
                                          windows)),
        seq_(seq),
        whole_(write_evaluation_program(model, program_options(o), {"logits"})),
        job_(plan(o)),
        weights_(model, whole_, job_),
        executor_(job_, weights_.tensors()) {}

  std::int64_t windows() const { return windows_; }

  // Adds a batch of at most windows() to the sums.
  void add(const Batch& batch) {
    const Samples samples = batch.samples();
    check_samples(program(), samples);
    feed(executor_, 0, samples, {});
    executor_.run(0);
    for (const float loss : executor_.output_view<float>(0, "loss")) loss_sum += static_cast<double>(loss);
    if (!std::isfinite(loss_sum)) {
      const auto culprit = executor_.first_not_finite(0);
      throw Error(ErrorKind::input, {.what = std::string("the loss is not finite (") +
                                             (std::isnan(loss_sum) ? "NaN)" : "infinite)"),
                                     .where = culprit ? "first in " + culprit->where : "",
                                     .hint = "the weights are damaged, or the model diverged in training"});
    }
    tokens += batch.tokens();
    count_correct(batch);
  }

  double loss_sum = 0;
  std::int64_t tokens = 0, correct = 0;

 private:
  StepProgramOptions program_options(const EvalOptions& o) const {
    return {.micro_batch = windows_, .seq = seq_, .products = dtype_of(o.precision)};
  }
  JobPlan plan(const EvalOptions& o) const {
    Program p = cut(whole_, Phase::micro);
    const std::set<std::string> weights = weight_names(p);
    return JobPlan({std::move(p)}, exec_options(o.threads, o.isa), weights);
  }
  const Program& program() const { return job_.programs()[0]; }

  void count_correct(const Batch& batch) {
    const DType dtype = program()[program().output("logits")].type.dtype;
    if (dtype == DType::bf16) return count_correct(batch, executor_.output_view<bf16>(0, "logits"));
    if (dtype == DType::f16) return count_correct(batch, executor_.output_view<f16>(0, "logits"));
    count_correct(batch, executor_.output_view<float>(0, "logits"));
  }
  static float value(float x) { return x; }
  static float value(bf16 x) { return to_f32(x); }
  static float value(f16 x) { return to_f32(x); }

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
  Program whole_;
  JobPlan job_;
  ModelWeights weights_;
  Executor executor_;
  std::vector<char> hits_;
};

}  // namespace

EvalReport evaluate(const Model& model, const Text& text, const EvalOptions& o) {
  const FloatModeGuard guard;
  require_language_model(model);
  check_vocabulary(model, text);
  const Part part = part_of(text, o);
  const std::int64_t seq = decided_seq(model, part, o.seq), all = (part.predicted + seq - 1) / seq;
  Evaluation evaluation(model, o, all, seq);
  for (std::int64_t first = 0; first < all; first += evaluation.windows()) {
    const std::int64_t count = std::min(evaluation.windows(), all - first);
    evaluation.add(windows_of(text, part, first, count, seq));
    if (o.progress) o.progress(first + count, all);
  }
  const auto tokens = static_cast<double>(evaluation.tokens);
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
