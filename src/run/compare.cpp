#include "hone/compare.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/float_mode.hpp"
#include "exec/feed.hpp"
#include "ir/values.hpp"
#include "kernel/cross_entropy.hpp"
#include "model/model_weights.hpp"
#include "model/vocabulary.hpp"
#include "run/measured_jobs.hpp"
#include "run/text_windows.hpp"
#include "train/step_program.hpp"

namespace hone {
namespace {

Program logits_program(const Model& model, const CompareOptions& o, std::int64_t windows, std::int64_t seq) {
  return write_evaluation_program(
      model, {.micro_batch = windows, .seq = seq, .products = dtype_of(o.precision), .stored_only = true},
      {"logits"});
}

// What is read, and how many windows at a time.
struct Reading {
  TextPart part;
  TextWindows windows;
  std::int64_t together;
};
Reading reading_of(const Model& before, const Model& after, const Text& text, const CompareOptions& o) {
  const TextPart part = part_of(text, o.held_out_only, o.max_tokens);
  const std::int64_t seq = std::min(decided_seq(before, part, o.seq), decided_seq(after, part, o.seq));
  const TextWindows windows(part, seq, 0);
  // Two models' logits exist whole, so windows go one by one where these are large.
  const std::int64_t at_once = std::min(o.positions, largest_positions(before)) / seq;
  return {part, windows, std::clamp<std::int64_t>(at_once, 1, windows.count())};
}

// A model's logits of some windows at a time.
class Logits {
 public:
  Logits(const Model& model, const CompareOptions& o, std::int64_t windows, std::int64_t seq)
      : program_(logits_program(model, o, windows, seq)),
        job_({program_}, exec_options(o.threads, o.isa), weight_names(program_)),
        weights_(model, {&program_, 1}, job_),
        executor_(job_, weights_.tensors()),
        logits_(job_.programs()[0].output("logits")) {}

  void run(const Samples& samples) {
    feed(executor_, 0, samples, {});
    executor_.run(0);
  }
  // Row `row` of [B*T,V], in f32; in `wide` where it must be widened. Valid until the next run.
  std::span<const float> row(std::int64_t row, std::vector<float>& wide) const {
    const TensorType& type = job_.programs()[0][logits_].type;
    const auto columns = static_cast<std::size_t>(type.shape.last());
    const std::size_t bytes = columns * static_cast<std::size_t>(size_bytes(type.dtype));
    const auto stored = executor_.output(0, logits_).subspan(static_cast<std::size_t>(row) * bytes, bytes);
    if (type.dtype == DType::f32) return {reinterpret_cast<const float*>(stored.data()), columns};
    wide.resize(columns);
    widen(stored, type.dtype, wide);
    return wide;
  }
  ThreadPool& pool() { return executor_.pool(); }

 private:
  Program program_;
  JobPlan job_;
  ModelWeights weights_;
  Executor executor_;
  TensorId logits_;
};

struct Position {
  double before = 0, after = 0, kl = 0;  // losses, nats
  bool flipped = false;
};

// log of the sum of exp(x); x from the largest down, so that nothing overflows.
double log_sum(std::span<const float> x, float largest) {
  double sum = 0;
  for (const float v : x) sum += std::exp(static_cast<double>(v) - static_cast<double>(largest));
  return std::log(sum) + static_cast<double>(largest);
}

// KL(p || q) = sum p (log p - log q) = E_p[a - b] - log_sum(a) + log_sum(b), of logits a and b of the same
// ids.
Position compared_alike(std::span<const float> a, std::span<const float> b, std::size_t label) {
  const auto most_a = std::max_element(a.begin(), a.end()), most_b = std::max_element(b.begin(), b.end());
  const auto largest = static_cast<double>(*most_a);
  double sum = 0, difference = 0;
  for (std::size_t v = 0; v < a.size(); ++v) {
    const double weight = std::exp(static_cast<double>(a[v]) - largest);
    sum += weight;
    difference += weight * (static_cast<double>(a[v]) - static_cast<double>(b[v]));
  }
  const double log_a = std::log(sum) + largest, log_b = log_sum(b, *most_b);
  const double kl = difference / sum - log_a + log_b;
  return {.before = log_a - static_cast<double>(a[label]),
          .after = log_b - static_cast<double>(b[label]),
          .kl = kl < 0 ? 0 : kl,  // what is below is rounding
          .flipped = most_a - a.begin() != most_b - b.begin()};
}

double loss_of(std::span<const float> x, std::size_t label) {
  return log_sum(x, *std::max_element(x.begin(), x.end())) - static_cast<double>(x[label]);
}

// Each loss is of all that the model has; what is compared is what both have.
Position compared(std::span<const float> a, std::span<const float> b, std::size_t label) {
  const std::size_t both = std::min(a.size(), b.size());
  Position p = compared_alike(a.first(both), b.first(both), label);
  if (a.size() > both) p.before = loss_of(a, label);
  if (b.size() > both) p.after = loss_of(b, label);
  return p;
}

// The positions of a window, added in order.
struct WindowSums {
  double tokens = 0, before = 0, after = 0, kl = 0, flipped = 0;

  void add(const Position& p) {
    ++tokens, before += p.before, after += p.after, kl += p.kl, flipped += p.flipped;
  }
};

// Cochran, "Sampling Techniques", 6.3: of the ratio of sums over windows, whose sizes may differ.
Predicted predicted(const std::vector<WindowSums>& windows, double WindowSums::*losses) {
  double tokens = 0, sum = 0, squares = 0;
  for (const WindowSums& w : windows) tokens += w.tokens, sum += w.*losses;
  const double mean = sum / tokens;
  for (const WindowSums& w : windows) squares += std::pow(w.*losses - mean * w.tokens, 2);
  const auto n = static_cast<double>(windows.size());
  constexpr double two_sided = 1.959963984540054;  // 95 % of a normal distribution lie within
  const double half = n > 1 ? two_sided * std::sqrt(squares * n / (n - 1)) / tokens
                            : std::numeric_limits<double>::quiet_NaN();
  return {mean, std::exp(mean), std::exp(mean - half), std::exp(mean + half)};
}

class Comparison {
 public:
  Comparison(const Model& before, const Model& after, const CompareOptions& o, std::int64_t together,
             std::int64_t seq)
      : seq_(seq), before_(before, o, together, seq), after_(after, o, together, seq) {}

  void add(const Batch& batch) {
    const Samples samples = batch.samples();
    before_.run(samples);
    after_.run(samples);
    std::vector<Position> positions(batch.labels.size());
    struct Wide {
      std::vector<float> before, after;
    };
    std::vector<Wide> wide(static_cast<std::size_t>(before_.pool().threads()));
    before_.pool().run(std::ssize(positions), [&](std::int64_t row, int worker) {
      const std::int32_t label = batch.labels[static_cast<std::size_t>(row)];
      if (label == kernel::ignored_label) return;
      Wide& own = wide[static_cast<std::size_t>(worker)];
      positions[static_cast<std::size_t>(row)] =
          compared(before_.row(row, own.before), after_.row(row, own.after), static_cast<std::size_t>(label));
    });
    for (std::int64_t w = 0; w < batch.batch; ++w) {
      WindowSums& sums = windows_.emplace_back();
      for (auto i = static_cast<std::size_t>(w * seq_); i < static_cast<std::size_t>((w + 1) * seq_); ++i)
        if (batch.labels[i] != kernel::ignored_label) sums.add(positions[i]);
    }
  }

  CompareReport report() const {
    WindowSums all;
    for (const WindowSums& w : windows_) all.tokens += w.tokens, all.kl += w.kl, all.flipped += w.flipped;
    return {.before = predicted(windows_, &WindowSums::before),
            .after = predicted(windows_, &WindowSums::after),
            .kl = all.kl / all.tokens,
            .flipped = all.flipped / all.tokens,
            .tokens = static_cast<std::int64_t>(all.tokens),
            .seq = seq_};
  }

 private:
  std::int64_t seq_;
  Logits before_, after_;
  std::vector<WindowSums> windows_;
};

}  // namespace

ComparedJobs compared_jobs(const Model& before, const Model& after, const Text& text,
                           const CompareOptions& o) {
  const Reading reading = reading_of(before, after, text, o);
  const auto job = [&](const Model& model) {
    const Program program = logits_program(model, o, reading.together, reading.windows.seq());
    return JobPlan({program}, exec_options(o.threads, o.isa), weight_names(program));
  };
  return {job(before), job(after)};
}

CompareReport compare(const Model& before, const Model& after, const Text& text, const CompareOptions& o) {
  const FloatModeGuard guard;
  for (const Model* model : {&before, &after}) {
    require_language_model(*model);
    require_vocabulary(*model, text.tokenizer(), text.path());
  }
  const auto [part, windows, together] = reading_of(before, after, text, o);
  const std::int64_t seq = windows.seq(), all = windows.count();
  Comparison comparison(before, after, o, together, seq);
  for (std::int64_t first = 0; first < all; first += together) {
    const std::int64_t count = std::min(together, all - first);
    comparison.add(batch_of(text, part, windows, first, count));
    if (o.progress) o.progress(first + count, all);
  }
  const CompareReport report = comparison.report();
  if (!std::isfinite(report.before.loss))
    throw Error(ErrorKind::input, {.what = "the loss of the model is not finite",
                                   .hint = "its weights are damaged, or it diverged in training"});
  return report;
}

}  // namespace hone
