#include "hone/eval.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "base/float_mode.hpp"
#include "exec/feed.hpp"
#include "model/model_weights.hpp"
#include "model/vocabulary.hpp"
#include "pass/passes.hpp"
#include "run/measured_jobs.hpp"
#include "run/text_windows.hpp"
#include "train/hits.hpp"
#include "train/micro_batches.hpp"
#include "train/step_program.hpp"
#include "train/training_data.hpp"

namespace hone {
namespace {

constexpr std::int64_t micro_batch_positions = 2048;              // as in training: more gain nothing
constexpr std::int64_t sorted_positions = std::int64_t{1} << 19;  // of pairs: 6 MB of ids and labels

void check_stride(const EvalOptions& o, std::int64_t seq) {
  if (o.stride == 0 || (o.stride > 0 && o.stride <= seq && seq > 1)) return;
  throw Error(ErrorKind::usage,
              {.what = "the windows would leave tokens out, or predict none",
               .where = "stride",
               .expected = "1 to " + std::to_string(seq) + ", the window's tokens, at least 2",
               .found = std::to_string(o.stride)});
}

// Of each length the program's shape, the whole length last.
std::vector<StepProgramOptions> shapes_of(const Model& model, const EvalOptions& o, std::int64_t samples,
                                          StepProgramOptions shape,
                                          const std::vector<LengthBucket>& shorter = {}) {
  shape.products = dtype_of(o.precision);
  shape.hits = true;
  shape.int8 = o.int8;
  shape.stored_only = true;
  std::vector<StepProgramOptions> all;
  for (const LengthBucket& bucket : shorter) {
    all.push_back(shape);
    all.back().seq = bucket.seq, all.back().sizes = bucket.sizes;
  }
  all.push_back(shape);
  const std::int64_t positions = std::min(micro_batch_positions, largest_positions(model));
  for (StepProgramOptions& one : all)
    one.micro_batch = std::clamp<std::int64_t>(positions / one.seq, 1, samples);
  return all;
}

std::vector<Program> programs_of(const Model& model, const std::vector<StepProgramOptions>& shapes) {
  std::vector<Program> programs;
  for (const StepProgramOptions& shape : shapes) programs.push_back(write_evaluation_program(model, shape));
  return programs;
}

JobPlan job_of(const std::vector<Program>& whole, const EvalOptions& o) {
  std::vector<Program> programs;
  std::set<std::string> weights;
  for (const Program& one : whole) {
    programs.push_back(cut(one, Phase::micro));
    weights.merge(weight_names(programs.back()));
  }
  return JobPlan(std::move(programs), exec_options(o.threads, o.isa), weights);
}

// Programs of a micro-batch over one memory: of the whole length, and in front of it of those that shorter
// samples are computed at. `samples`: how many there are.
class Evaluation {
 public:
  Evaluation(const Model& model, const EvalOptions& o, std::int64_t samples, const StepProgramOptions& shape,
             const std::vector<LengthBucket>& shorter = {})
      : shapes_(shapes_of(model, o, samples, shape, shorter)),
        whole_(programs_of(model, shapes_)),
        terms_(terms_of(whole_.back())),
        job_(job_of(whole_, o)),
        weights_(model, whole_, job_),
        executor_(job_, weights_.tensors()) {}

  std::int64_t together() const { return shapes_.back().micro_batch; }  // of the whole length

  // Adds samples of the whole length to the sums, each by the first program that holds it.
  void add(const Samples& samples) {
    const Program& all = job_.programs().back();
    check_samples(all, samples);
    std::vector<std::vector<std::int64_t>> rows(shapes_.size());
    for (std::int64_t i = 0; i < samples.count(); ++i) rows[program_of(samples, i)].push_back(i);
    for (std::size_t program = 0; program < rows.size(); ++program)
      for (std::span<const std::int64_t> left = rows[program]; !left.empty();) {
        const auto some =
            left.first(std::min(left.size(), static_cast<std::size_t>(shapes_[program].micro_batch)));
        run(program, samples, some);
        left = left.subspan(some.size());
      }
    for (const auto& labels : count_labels(all, samples)) tokens += labels.second;
  }

  EvalReport report(std::int64_t seq) const {
    const auto all = static_cast<double>(tokens);
    return {.loss = loss_sum / all,
            .perplexity = std::exp(loss_sum / all),
            .accuracy = static_cast<double>(hits.labels) / all,
            .tokens = tokens,
            .seq = seq};
  }

  double loss_sum = 0;
  std::int64_t tokens = 0;
  Hits hits;

 private:
  std::size_t program_of(const Samples& samples, std::int64_t sample) const {
    std::size_t program = 0;
    while (program + 1 < shapes_.size() && !fits(job_, program, samples, sample)) ++program;
    return program;
  }

  void run(std::size_t program, const Samples& samples, std::span<const std::int64_t> rows) {
    feed(executor_, program, samples, {}, rows);
    executor_.run(program);
    for (const Term& term : terms_)
      for (const float loss : executor_.output_view<float>(program, term.name))
        loss_sum += static_cast<double>(loss);
    if (!std::isfinite(loss_sum)) {
      const auto culprit = executor_.first_not_finite(program);
      throw Error(ErrorKind::input, {.what = std::string("the loss is not finite (") +
                                             (std::isnan(loss_sum) ? "NaN)" : "infinite)"),
                                     .where = culprit ? "first in " + culprit->where : "",
                                     .hint = "the weights are damaged, or the model diverged in training"});
    }
    const Hits found = count_hits(executor_, program, terms_, samples, rows);
    hits.labels += found.labels, hits.samples += found.samples;
  }

  std::vector<StepProgramOptions> shapes_;
  std::vector<Program> whole_;
  std::vector<Term> terms_;
  JobPlan job_;
  ModelWeights weights_;
  Executor executor_;
};

// `some(first, count)` are samples [first, first + count) of `all`, so many at once.
template <class Some>
void add_all(Evaluation& evaluation, const EvalOptions& o, std::int64_t all, std::int64_t together,
             const Some& some) {
  for (std::int64_t first = 0; first < all; first += together) {
    const std::int64_t count = std::min(together, all - first);
    const auto batch = some(first, count);
    evaluation.add(batch.samples());
    if (o.progress) o.progress(first + count, all);
  }
}

struct Reading {
  TextPart part;
  TextWindows windows;
};
Reading reading_of(const Model& model, const Text& text, const EvalOptions& o) {
  const TextPart part = part_of(text, o.held_out_only, o.max_tokens);
  const std::int64_t seq = decided_seq(model, part, o.seq);
  check_stride(o, seq);
  return {part, TextWindows(part, seq, o.stride)};
}

// As the model goes: what is longer is refused, dropped or cut as the pairs say.
Pairs within_context(const Pairs& pairs, const Model& model) {
  const std::int64_t most = model.context();
  if (most == 0 || (pairs.source_seq() <= most && pairs.seq() <= most)) return pairs;
  return pairs.with_lengths(std::min(pairs.source_seq(), most), std::min(pairs.seq(), most));
}

}  // namespace

JobPlan evaluated_job(const Model& model, const Text& text, const EvalOptions& o) {
  const TextWindows windows = reading_of(model, text, o).windows;
  return job_of(programs_of(model, shapes_of(model, o, windows.count(), {.seq = windows.seq()})), o);
}

EvalReport evaluate(const Model& model, const Text& text, const EvalOptions& o) {
  const FloatModeGuard guard;
  require_language_model(model);
  require_vocabulary(model, text.tokenizer(), text.path());
  const Reading reading = reading_of(model, text, o);
  const std::int64_t seq = reading.windows.seq(), all = reading.windows.count();
  Evaluation evaluation(model, o, all, {.seq = seq});
  add_all(evaluation, o, all, evaluation.together(), [&](std::int64_t first, std::int64_t count) {
    return batch_of(text, reading.part, reading.windows, first, count);
  });
  const double bytes_per_token =
      o.held_out_only
          ? static_cast<double>(text.held_out_bytes()) / static_cast<double>(text.held_out_tokens())
          : static_cast<double>(text.all_bytes()) / static_cast<double>(text.all_tokens());
  EvalReport report = evaluation.report(seq);
  report.stride = o.stride;
  report.bits_per_byte = report.loss / std::numbers::ln2 / bytes_per_token;
  return report;
}

EvalReport evaluate(const Model& model, const Pairs& given, const EvalOptions& o) {
  const FloatModeGuard guard;
  check_max_tokens(o.max_tokens);
  check_pairs(model, given.tokenizer(), given.path());
  require_vocabulary(model, given.tokenizer(), given.path());
  const Pairs pairs = within_context(given, model);
  const bool held_out = o.held_out_only || pairs.endless();
  std::int64_t all = held_out ? pairs.held_out_pairs() : pairs.train_pairs() + pairs.held_out_pairs();
  if (all == 0)
    throw Error(ErrorKind::input, {.what = held_out ? "no pair is held out" : "no pair is left to evaluate",
                                   .where = pairs.path(),
                                   .hint = "a longer model takes those that were dropped"});
  if (o.max_tokens > 0) all = std::clamp<std::int64_t>(o.max_tokens / pairs.seq(), 1, all);
  Evaluation evaluation(model, o, all, {.seq = pairs.seq(), .sizes = {{source_size, pairs.source_seq()}}},
                        pairs.buckets());
  // By lengths, micro-batches are filled from many pairs.
  const std::int64_t together =
      std::max(evaluation.together(), sorted_positions / (pairs.seq() + pairs.source_seq()));
  add_all(evaluation, o, all, together, [&](std::int64_t first, std::int64_t count) {
    return held_out ? pairs.held_out(first, count) : pairs.all(first, count);
  });
  EvalReport report = evaluation.report(pairs.seq());
  report.bits_per_byte = std::numeric_limits<double>::quiet_NaN();  // a token is no part of a text
  report.pairs = all;
  report.exact_match = static_cast<double>(evaluation.hits.samples) / static_cast<double>(all);
  return report;
}

}  // namespace hone
