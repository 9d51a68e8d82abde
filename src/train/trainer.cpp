#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include "base/number.hpp"
#include "base/random.hpp"
#include "kernel/cross_entropy.hpp"
#include "kernel/optimizer.hpp"
#include "model/model_impl.hpp"
#include "op/common.hpp"
#include "op/gradient_context.hpp"
#include "op/inputs.hpp"
#include "train/step_program.hpp"
#include "train/trainer_impl.hpp"

namespace hone {

namespace {

[[noreturn]] void refuse_shape(std::int64_t sequences, std::int64_t seq, const BatchView& found) {
  throw Error(ErrorKind::usage, {.what = "a batch of the wrong shape",
                                 .where = "Trainer",
                                 .expected = to_string(Shape{sequences, seq}),
                                 .found = to_string(Shape{found.batch, found.seq}),
                                 .hint = "the shape is part of the plan; make another plan for another one"});
}

}  // namespace

Trainer::Impl::Impl(const TrainPlan& p) : plan(p), executor(p.impl().job) {
  load_weights();
  derive();
}

void Trainer::Impl::load_weights() {
  const Model::Impl& model = planned().model.impl();
  for (const ParameterSpec& spec : model.specs) {
    model.store.read(spec, weight(spec.name));
    model.store.require_finite(spec, weight(spec.name));
  }
}

void Trainer::Impl::derive() { run_writing(planned().prepare); }

void Trainer::Impl::require_whole() const {
  if (!broken.empty())
    throw Error(ErrorKind::failed, {.what = "this trainer's weights are of no step: " + broken,
                                    .where = "Trainer",
                                    .hint = "resume() from a checkpoint, or make a new trainer"});
}

void Trainer::Impl::run_writing(std::size_t program) {
  broken = "an update ended halfway";  // unless it returns
  executor.run(program);
  broken.clear();
}

const MicroProgram& Trainer::Impl::program_for(const BatchView& batch, std::size_t* index) const {
  const auto& micro = planned().micro;
  for (std::size_t i = 0; i < micro.size(); ++i)
    if (micro[i].sequences == batch.batch && batch.seq == planned().options.seq) {
      *index = i;
      return micro[i];
    }
  refuse_shape(micro[0].sequences, planned().options.seq, batch);
}

namespace {

// Before anything cuts the batch into micro-batches.
void check_filled(const BatchView& batch) {
  if (batch.batch <= 0 || batch.seq <= 0)
    throw Error(ErrorKind::usage, {.what = "a batch of nothing",
                                   .where = "Trainer",
                                   .expected = "one sequence or more, of one token or more",
                                   .found = to_string(Shape{batch.batch, batch.seq})});
  const auto expected = static_cast<std::size_t>(batch.batch * batch.seq);
  if (batch.ids.size() != expected || batch.labels.size() != expected)
    throw Error(ErrorKind::usage,
                {.what = "a batch whose ids or labels do not fill its shape",
                 .where = "Trainer",
                 .expected = std::to_string(expected) + " of each",
                 .found = std::to_string(batch.ids.size()) + " and " + std::to_string(batch.labels.size())});
}

void check_ids(std::span<const std::int32_t> ids, std::int64_t seq, std::int64_t vocab_size, bool labels) {
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] >= 0 && ids[i] < vocab_size) continue;
    if (labels && ids[i] == kernel::ignored_label) continue;
    const auto at = static_cast<std::int64_t>(i);
    throw Error(ErrorKind::input,
                {.what = "a token id outside the vocabulary",
                 .where = std::string(labels ? "label" : "token") + " [" + std::to_string(at / seq) + "," +
                          std::to_string(at % seq) + "] of the batch",
                 .expected = "0 to " + std::to_string(vocab_size - 1),
                 .found = std::to_string(ids[i]),
                 .hint = "the tokenizer does not fit the model"});
  }
}

// Everything that can be wrong with a batch, before it is cut and anything runs.
void check_batch(const BatchView& batch, std::int64_t vocab_size) {
  check_filled(batch);
  check_ids(batch.ids, batch.seq, vocab_size, false);
  check_ids(batch.labels, batch.seq, vocab_size, true);
}

[[noreturn]] void refuse_no_labels() {
  throw Error(ErrorKind::input, {.what = "no label counts, so there is no loss",
                                 .where = "Trainer",
                                 .expected = "one label or more that is not -100"});
}

void check(const StepOptions& o) {
  const auto require = [](bool good, const char* option, const char* expected, float found) {
    if (!good || !std::isfinite(found))
      throw Error(ErrorKind::usage, {.what = "impossible value",
                                     .where = std::string("StepOptions::") + option,
                                     .expected = expected,
                                     .found = to_text(found),
                                     .hint = "nothing was changed"});
  };
  require(o.lr >= 0, "lr", "0 or more, finite", o.lr);
  require(o.clip >= 0, "clip", "0 (none) or more, finite", o.clip);
  require(o.beta1 >= 0 && o.beta1 < 1, "beta1", "0 <= beta1 < 1", o.beta1);
  require(o.beta2 >= 0 && o.beta2 < 1, "beta2", "0 <= beta2 < 1", o.beta2);
  require(o.epsilon > 0, "epsilon", "above 0, finite", o.epsilon);  // an unused row divides 0 by it
  require(o.weight_decay >= 0, "weight_decay", "0 or more, finite", o.weight_decay);
}

}  // namespace

void Trainer::Impl::set_inputs(const BatchView& batch, std::size_t micro, std::int64_t step_tokens) {
  const std::string rest = micro == 0 ? "" : ".rest";
  const auto copy = [&](const char* name, std::span<const std::int32_t> from) {
    if (planned().job.shared().contains(name + rest))  // an architecture need not read every input
      std::copy(from.begin(), from.end(), executor.view<std::int32_t>(name + rest).begin());
  };
  copy(input::tokens, batch.ids);
  copy(input::labels, batch.labels);
  if (const std::string name = input::positions + rest; planned().job.shared().contains(name))
    fill_positions(executor.view<std::int32_t>(name), batch.seq, 0);
  executor.view<float>(input::loss_scale)[0] =
      1.0f / static_cast<float>(std::max<std::int64_t>(1, step_tokens));
  const std::uint64_t key = stream_key("step " + std::to_string(steps), planned().options.seed);
  const op::StepInfo info{.seed_low = static_cast<std::int32_t>(key),
                          .seed_high = static_cast<std::int32_t>(key >> 32),
                          .first_sample = static_cast<std::int32_t>(samples),
                          .micro = samples > 0};
  std::memcpy(executor.bytes(input::step).data(), &info, sizeof info);
}

void Trainer::Impl::abandon_step() {
  samples = 0;
  tokens = 0;
  loss_sum = 0;
}

void Trainer::Impl::report_not_finite(const MicroProgram& program, double value, const char* what) {
  const std::string culprit = executor.first_not_finite(program.train);
  abandon_step();
  throw Error(
      ErrorKind::failed,
      {.what = std::string(what) + " is not finite (" + (std::isnan(value) ? "NaN" : "infinite") + ")",
       .where = "step " + std::to_string(steps + 1) + (culprit.empty() ? "" : ", first in " + culprit),
       .hint = "nothing of this step is kept; lower the learning rate, clip at a lower norm, or warm up "
               "longer"});
}

Trainer::Trainer(const TrainPlan& plan) : impl_(std::make_unique<Impl>(plan)) {}
Trainer::~Trainer() = default;
Trainer::Trainer(Trainer&&) noexcept = default;
Trainer& Trainer::operator=(Trainer&&) noexcept = default;

namespace {

// The sum of the losses; none where it was stopped, and what the step had summed is half written.
std::optional<double> run_micro(Trainer::Impl& t, const BatchView& batch, std::int64_t step_tokens,
                                const std::stop_token& stop) {
  t.require_whole();
  std::size_t micro = 0;
  const MicroProgram& program = t.program_for(batch, &micro);
  if (t.samples + batch.batch > t.plan.batch())  // what is kept of a step has room for so many
    throw Error(ErrorKind::usage, {.what = "more sequences than the plan's batch",
                                   .where = "Trainer::accumulate",
                                   .expected = "at most " + std::to_string(t.plan.batch()) + " a step",
                                   .found = std::to_string(t.samples + batch.batch),
                                   .hint = "update() or discard() first, or plan a larger batch"});
  t.set_inputs(batch, micro, step_tokens);
  t.computed = true;
  try {
    if (!t.executor.run(program.train, stop)) return {};
  } catch (...) {
    t.abandon_step();  // the gradients' sums are half written
    throw;
  }
  const Program& p = t.planned().job.programs()[program.train];
  double sum = 0;
  for (const float loss : t.executor.output_view<float>(program.train, losses_of(p))) {
    sum += static_cast<double>(loss);
    t.loss_sum += static_cast<double>(loss);
  }
  if (!std::isfinite(sum)) t.report_not_finite(program, sum, "the loss");
  t.samples += batch.batch;
  t.tokens += batch.tokens();
  t.counted = step_tokens;
  return sum;
}

StepResult stopped(Trainer::Impl& t) {
  t.abandon_step();
  return {.stopped = true};
}

StepResult run_update(Trainer::Impl& t, const StepOptions& o) {
  check(o);
  if (t.samples == 0)
    throw Error(ErrorKind::usage, {.what = "update() without accumulate()",
                                   .where = "Trainer",
                                   .hint = "after an update, a stop or an error a step begins anew"});
  if (t.tokens == 0) {
    t.abandon_step();
    refuse_no_labels();
  }
  const auto count = static_cast<double>(t.steps + 1);
  const kernel::AdamWStep hyper{
      .lr = o.lr,
      .beta1 = o.beta1,
      .beta2 = o.beta2,
      .epsilon = o.epsilon,
      .weight_decay = o.weight_decay,
      .correction1 = static_cast<float>(1 - std::pow(static_cast<double>(o.beta1), count)),
      .correction2 = static_cast<float>(1 - std::pow(static_cast<double>(o.beta2), count))};
  std::memcpy(t.executor.bytes(input::hyper).data(), &hyper, sizeof hyper);
  t.executor.view<float>(input::clip)[0] = o.clip;
  if (!t.executor.run(t.planned().norm, o.stop)) return stopped(t);
  const auto norm = static_cast<double>(t.executor.view<float>("grad_norm")[0]);
  if (!std::isfinite(norm)) t.report_not_finite(t.planned().micro[0], norm, "the gradients' norm");
  t.run_writing(t.planned().update);
  const StepResult result{.loss = t.loss_sum / static_cast<double>(std::max<std::int64_t>(1, t.counted)),
                          .grad_norm = norm,
                          .tokens = t.tokens};
  t.abandon_step();
  ++t.steps;
  return result;
}

// A part that is short, filled up with its own first sequence, which does not count.
Batch filled_up(const BatchView& part, std::int64_t sequences) {
  Batch whole{
      sequences, part.seq, {part.ids.begin(), part.ids.end()}, {part.labels.begin(), part.labels.end()}};
  for (std::int64_t b = part.batch; b < sequences; ++b)
    whole.ids.insert(whole.ids.end(), part.ids.begin(), part.ids.begin() + part.seq);
  whole.labels.resize(whole.ids.size(), kernel::ignored_label);
  return whole;
}

}  // namespace

double Trainer::accumulate(const BatchView& micro_batch, std::int64_t step_tokens) {
  const Exclusive guard(impl_.get());
  if (step_tokens < 0)
    throw Error(ErrorKind::usage, {.what = "the tokens of a step cannot be negative",
                                   .where = "Trainer::accumulate",
                                   .expected = "0 (batch * seq) or more",
                                   .found = std::to_string(step_tokens)});
  impl_->require_whole();
  check_batch(micro_batch, impl_->plan.model().vocab_size());
  return *run_micro(*impl_, micro_batch, step_tokens ? step_tokens : impl_->plan.batch() * impl_->plan.seq(),
                    {});
}

StepResult Trainer::update(const StepOptions& options) {
  const Exclusive guard(impl_.get());
  return run_update(*impl_, options);
}

void Trainer::discard() {
  const Exclusive guard(impl_.get());
  impl_->abandon_step();
}

StepResult Trainer::step(const BatchView& batch, const StepOptions& options) {
  const Exclusive guard(impl_.get());
  Impl& t = *impl_;
  if (t.samples != 0)
    throw Error(ErrorKind::usage, {.what = "step() in the middle of accumulate()",
                                   .where = "Trainer::step",
                                   .expected = "no sequences accumulated",
                                   .found = std::to_string(t.samples),
                                   .hint = "update() or discard() first"});
  if (batch.batch != t.plan.batch() || batch.seq != t.plan.seq())
    refuse_shape(t.plan.batch(), t.plan.seq(), batch);
  check(options);
  check_batch(batch, t.plan.model().vocab_size());
  const std::int64_t tokens = batch.tokens();
  if (tokens == 0) refuse_no_labels();
  try {
    for (std::int64_t first = 0; first < batch.batch; first += t.plan.options().micro_batch) {
      const BatchView part = batch.rows(first, std::min(t.plan.options().micro_batch, batch.batch - first));
      if (!run_micro(t, part, tokens, options.stop)) return stopped(t);
    }
  } catch (...) {
    t.abandon_step();
    throw;
  }
  return run_update(t, options);
}

EvalResult Trainer::evaluate(const BatchView& batch) {
  const Exclusive guard(impl_.get());
  Impl& t = *impl_;
  t.require_whole();
  check_batch(batch, t.plan.model().vocab_size());
  if (batch.tokens() == 0) refuse_no_labels();
  EvalResult result;
  double sum = 0;
  const std::int64_t size = t.planned().micro[0].sequences;
  for (std::int64_t first = 0; first < batch.batch; first += size) {
    const Batch whole = filled_up(batch.rows(first, std::min(size, batch.batch - first)), size);
    const BatchView part = whole;
    std::size_t micro = 0;
    const MicroProgram& program = t.program_for(part, &micro);
    t.set_inputs(part, micro, 1);
    t.executor.run(program.evaluate);
    const Program& p = t.planned().job.programs()[program.evaluate];
    for (const float loss : t.executor.output_view<float>(program.evaluate, losses_of(p)))
      sum += static_cast<double>(loss);
    result.tokens += part.tokens();
  }
  result.loss = sum / static_cast<double>(std::max<std::int64_t>(1, result.tokens));
  return result;
}

std::int64_t Trainer::steps() const {
  const Exclusive guard(impl_.get());
  return impl_->steps;
}
const TrainPlan& Trainer::plan() const { return Exclusive::there(impl_.get()).plan; }
void Trainer::profile(bool on) {
  const Exclusive guard(impl_.get());
  impl_->executor.profile(on);
}
std::map<std::string, double> Trainer::profile_ms() const {
  const Exclusive guard(impl_.get());
  return impl_->executor.profile_ms();
}

}  // namespace hone
