#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include "base/number.hpp"
#include "base/random.hpp"
#include "ir/values.hpp"
#include "machine/memory.hpp"
#include "model/model_impl.hpp"
#include "op/common.hpp"
#include "op/inputs.hpp"
#include "pass/passes.hpp"
#include "train/hits.hpp"
#include "train/micro_batches.hpp"
#include "train/step_counts.hpp"
#include "train/step_options.hpp"
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

[[noreturn]] void refuse_size(const std::string& expected, const Samples& found) {
  throw Error(ErrorKind::usage, {.what = "a batch of the wrong size",
                                 .where = "Trainer",
                                 .expected = expected + " samples",
                                 .found = std::to_string(found.count()),
                                 .hint = "the size is part of the plan; make another plan for another one"});
}

}  // namespace

namespace {

std::vector<bool> programs_that_write_saved(const JobPlan& job) {
  std::vector<bool> writes;
  for (const Program& p : job.programs()) writes.push_back(first_write(p) < p.nodes.size());
  return writes;
}

}  // namespace

Trainer::Impl::Impl(const TrainPlan& p)
    : plan(p),
      frozen(p.model(), {&p.impl().frozen.prepare, 1}, p.impl().job),
      executor(p.impl().job, frozen.tensors()),
      writes_saved(programs_that_write_saved(p.impl().job)) {
  restore_scaling({});
  load_weights();
  derive();
}

void Trainer::Impl::load_weights() {
  const WeightStore& store = planned().model.impl().store;
  const auto require_finite = [&](const ParameterSpec& spec, std::span<const std::byte> values, DType dtype) {
    if (all_finite(values, dtype)) return;
    std::vector<float> wide(static_cast<std::size_t>(spec.shape.elements()));
    store.read_file_layout(spec, wide);
    store.require_finite(spec, wide);
  };
  for (const ParameterSpec& spec : own()) {
    const std::span<std::byte> values = executor.bytes(spec.name);
    store.read(spec, values);
    require_finite(spec, values, spec.dtype);
  }
  for (const ParameterSpec& spec : planned().of_objective()) store.read(spec, executor.bytes(spec.name));
  for (const auto& [name, values] : frozen.tensors()) {
    const TensorDef& t = planned().job.shared().at(name).tensor;
    require_finite(spec(t.of.empty() ? name : t.of), values, t.type.dtype);
  }
}

void Trainer::Impl::derive() {
  run_writing(planned().prepare);
  broken = "a weight is too large";  // unless all fit
  for (const auto& [name, s] : planned().job.shared())
    if (s.tensor.purpose == Purpose::derived)
      require_range(s.tensor.of, s.tensor.type.dtype, executor.bytes(name));
  broken.clear();
}

void Trainer::Impl::require_whole() const {
  if (!broken.empty())
    throw Error(ErrorKind::failed, {.what = "this trainer's weights are of no step: " + broken,
                                    .where = "Trainer",
                                    .hint = "resume() from a checkpoint, or make a new trainer"});
}

bool Trainer::Impl::updates_in_backward() const {
  const MicroProgram& micro = planned().micro[0];
  return micro.first_write < planned().job.programs()[micro.train].nodes.size();
}

void Trainer::Impl::require_no_half_backward(const char* what) const {
  if (samples > 0 && updates_in_backward())
    throw Error(ErrorKind::usage, {.what = std::string(what) + " in the middle of a step whose updates are "
                                                               "inside of backward",
                                   .where = "Trainer",
                                   .hint = "update() or discard() first"});
}

bool Trainer::Impl::run(std::size_t program, const std::stop_token& stop) {
  if (writes_saved[program]) saver.await_copied();
  return executor.run(program, stop);
}

void Trainer::Impl::run_writing(std::size_t program) {
  broken = "an update ended halfway";  // unless it returns
  run(program);
  broken.clear();
}

const MicroProgram& Trainer::Impl::program_for(const Samples& batch) const {
  std::string sizes;
  for (const MicroProgram& program : planned().micro) {
    if (program.sequences == batch.count()) return program;
    sizes += (sizes.empty() ? "" : " or ") + std::to_string(program.sequences);
  }
  refuse_size(sizes, batch);
}

namespace {

// Before anything cuts the batch into micro-batches.
void check_filled(const BatchView& batch, const TrainPlan& plan) {
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
  if (batch.seq != plan.seq()) refuse_shape(batch.batch, plan.seq(), batch);
}

[[noreturn]] void refuse_no_labels() {
  throw Error(ErrorKind::input, {.what = "no label counts, so there is no loss",
                                 .where = "Trainer",
                                 .expected = "one label or more that is not -100"});
}

std::int64_t total(const LabelCounts& counts) {
  std::int64_t sum = 0;
  for (const auto& count : counts) sum += count.second;
  return sum;
}

}  // namespace

bool Trainer::Impl::has_term(std::size_t program, const Term& term) const {
  return static_cast<bool>(planned().job.programs()[program].output(term.name));
}

double Trainer::Impl::add_losses(std::size_t program, std::vector<double>& term_sums) const {
  const auto& terms = planned().terms;
  term_sums.resize(terms.size(), 0);
  double sum = 0;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    if (!has_term(program, terms[i])) continue;
    for (const float loss : executor.output_view<float>(program, terms[i].name)) {
      sum += static_cast<double>(loss);
      term_sums[i] += static_cast<double>(loss);
    }
  }
  return sum;
}

namespace {

double mean(double sum, const Term& term, const LabelCounts& counts) {
  return sum / static_cast<double>(std::max<std::int64_t>(1, counts.at(term.counts)));
}

}  // namespace

double Trainer::Impl::loss(const std::vector<double>& term_sums, const LabelCounts& counts) const {
  double sum = 0;
  for (std::size_t i = 0; i < term_sums.size(); ++i) {
    const Term& term = planned().terms[i];
    sum += static_cast<double>(term.weight) * mean(term_sums[i], term, counts);
  }
  return sum;
}

void Trainer::Impl::abandon_step() {
  samples = 0;
  tokens = 0;
  sums.clear();
  overflow.reset();
}

op::StepInfo Trainer::Impl::step_info() const {
  const std::uint64_t key = stream_key("step " + std::to_string(steps), planned().options.seed);
  return {.seed_low = static_cast<std::int32_t>(key),
          .seed_high = static_cast<std::int32_t>(key >> 32),
          .first_sample = static_cast<std::int32_t>(samples),
          .micro = samples > 0};
}

Trainer::Trainer(const TrainPlan& plan) : impl_(std::make_unique<Impl>(plan)) {
  give_back_freed_memory();  // what planning and loading took would be resident beside the arena
}
Trainer::~Trainer() = default;
Trainer::Trainer(Trainer&&) noexcept = default;
Trainer& Trainer::operator=(Trainer&&) noexcept = default;

namespace {

// The sum of the losses; none where it was stopped, and what the step had summed is half written.
std::optional<double> run_micro(Trainer::Impl& t, const Samples& batch, const MicroBatch& part,
                                const LabelCounts& step_counts, const std::stop_token& stop) {
  t.require_whole();
  const MicroProgram& program = *part.program;
  t.last_program = program.train;
  t.scaled_by = t.scaler.state().scale;
  feed(t.executor, program.train, batch,
       {.step = t.step_info(), .counts = step_counts, .loss_scale = t.scaled_by}, part.rows);
  t.computed = true;
  t.joined = false;
  try {
    if (!t.executor.run_nodes(program.train, 0, program.first_write, stop)) return {};
  } catch (...) {
    t.abandon_step();  // the gradients' sums are half written
    throw;
  }
  const double sum = t.add_losses(program.train, t.sums);
  if (!std::isfinite(sum) && !t.overflow) {
    t.overflow = t.executor.first_not_finite(program.train, program.first_write);
    const bool skips = t.scales_losses() && t.overflow && t.overflow->dtype == DType::f16;
    if (!skips) t.report_not_finite(t.overflow, sum, "the loss");  // no scale would help
  }
  t.samples += std::ssize(part.rows);
  t.tokens += total(count_labels(t.planned().job.programs()[program.train], batch, part.rows));
  t.counted = step_counts;
  return sum;
}

StepResult stopped(Trainer::Impl& t) {
  t.abandon_step();
  return {.stopped = true};
}

void check_step(const Trainer::Impl& t, const StepOptions& o) {
  check_step_options(o, *t.planned().optimizer);
  if (o.clip > 0 && !t.plan.options().clipping)
    throw Error(ErrorKind::usage, {.what = "the plan is one without clipping",
                                   .where = "StepOptions::clip",
                                   .expected = "0",
                                   .found = to_text(o.clip),
                                   .hint = "plan with TrainPlanOptions::clipping; nothing was changed"});
}

void fill_hyper(Trainer::Impl& t, const StepOptions& o) {
  const OptimizerRecord& chosen = *t.planned().optimizer;
  for (const OptimizerRecord* record = &chosen; record; record = record->others)
    if (const std::string name = hyper_input_name(chosen, *record);
        t.planned().job.shared().contains(name))  // else there is nothing for it to update
      record->fill_hyper(scalars_of(o, chosen, *record), t.updates() + 1, t.executor.view<float>(name));
}

double gradient_norm(Trainer::Impl& t) {
  return static_cast<double>(t.executor.view<float>(grad_norm_name)[0]);
}

// False where it was stopped.
bool run_norm(Trainer::Impl& t, const StepOptions& o) {
  t.executor.view<float>(input::clip)[0] = o.clip;
  if (t.scales_losses()) t.executor.view<float>(input::scaled_by)[0] = t.scaled_by;
  if (!t.run(t.planned().norm, o.stop)) return false;
  t.joined = true;
  return true;
}

// The rest of the micro-batch's program, updates among it. What is not finite shows when weights have
// changed.
double run_rest_of_backward(Trainer::Impl& t) {
  const MicroProgram& micro = t.planned().micro[0];
  t.saver.await_copied();
  t.broken = "an update ended halfway";  // unless it returns
  t.executor.run_nodes(micro.train, micro.first_write, t.planned().job.programs()[micro.train].nodes.size());
  t.executor.run(t.planned().norm);
  const double norm = gradient_norm(t);
  if (!std::isfinite(norm)) {
    t.abandon_step();
    t.broken = "a gradient was not finite, which showed behind the first updates";
    t.require_whole();
  }
  t.broken.clear();
  return norm;
}

// batch: of the whole step, where there is one.
StepResult run_update(Trainer::Impl& t, const StepOptions& o, const Samples* batch) {
  check_step(t, o);
  if (t.samples == 0)
    throw Error(ErrorKind::usage, {.what = "update() without accumulate()",
                                   .where = "Trainer",
                                   .hint = "after an update, a stop or an error a step begins anew"});
  if (t.tokens == 0) {
    t.abandon_step();
    refuse_no_labels();
  }
  fill_hyper(t, o);
  double norm = 0;
  if (t.updates_in_backward()) {
    norm = run_rest_of_backward(t);
  } else {
    if (!run_norm(t, o)) return stopped(t);
    norm = gradient_norm(t);
    if (t.scales_losses() && (t.overflow || !std::isfinite(norm))) return t.skip_step(norm, batch);
    if (!std::isfinite(norm)) t.report_not_finite(t.find_not_finite(batch), norm, "the gradients' norm");
    t.run_writing(t.planned().update);
  }
  StepResult result{
      .loss = t.loss(t.sums, t.counted), .grad_norm = norm, .tokens = t.tokens, .loss_scale = t.scaled_by};
  t.scaler.completed();
  t.abandon_step();
  ++t.steps;
  return result;
}

// Returns the program that reads them.
const Program& check_training_samples(const Trainer::Impl& t, const Samples& batch) {
  const Program& program = t.planned().job.programs()[t.planned().micro[0].train];
  check_names({&program, &t.planned().job.programs()[t.planned().micro[0].evaluate]}, batch);
  check_samples(program, batch);
  return program;
}

StepResult run_step(Trainer::Impl& t, const Samples& batch, const StepOptions& options) {
  t.saver.throw_failure();
  if (t.samples != 0)
    throw Error(ErrorKind::usage, {.what = "step() in the middle of accumulate()",
                                   .where = "Trainer::step",
                                   .expected = "no sequences accumulated",
                                   .found = std::to_string(t.samples),
                                   .hint = "update() or discard() first"});
  if (batch.count() != t.plan.batch()) refuse_size(std::to_string(t.plan.batch()), batch);
  check_step(t, options);
  const Program& program = check_training_samples(t, batch);
  const LabelCounts counts = count_labels(program, batch);
  if (total(counts) == 0) refuse_no_labels();
  try {
    for (const MicroBatch& part : micro_batches(t.planned(), batch, ForUse::training))
      if (!run_micro(t, batch, part, counts, options.stop)) return stopped(t);
  } catch (...) {
    t.abandon_step();
    throw;
  }
  return run_update(t, options, &batch);
}

EvalResult run_evaluation(Trainer::Impl& t, const Samples& batch) {
  t.require_whole();
  t.require_no_half_backward("evaluate()");
  const MicroProgram& micro = t.planned().micro[0];
  const Program& program = t.planned().job.programs()[micro.evaluate];
  check_names({&program, &t.planned().job.programs()[micro.train]}, batch);
  check_samples(program, batch);
  const LabelCounts counts = count_labels(program, batch);
  EvalResult result{.tokens = total(counts)};
  if (result.tokens == 0) refuse_no_labels();
  std::vector<double> sums;
  for (const MicroBatch& part : micro_batches(t.planned(), batch, ForUse::evaluation)) {
    const std::size_t evaluate = part.program->evaluate;
    feed(t.executor, evaluate, batch, {}, part.rows);
    t.executor.run(evaluate);
    t.add_losses(evaluate, sums);
    if (!t.plan.options().hits) continue;
    const Hits found = count_hits(t.executor, evaluate, t.planned().terms, batch, part.rows);
    result.hits += found.labels, result.exact += found.samples;
  }
  result.loss = t.loss(sums, counts);
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const Term& term = t.planned().terms[i];
    if (!t.has_term(micro.evaluate, term)) continue;
    result.terms[term.name] = mean(sums[i], term, counts);
  }
  return result;
}

double run_accumulate(Trainer::Impl& t, const Samples& batch,
                      const std::map<std::string, std::int64_t>& counts) {
  t.require_whole();
  t.saver.throw_failure();
  const Program& program = check_training_samples(t, batch);
  const LabelCounts whole = step_counts(program, t.plan.batch(), batch, counts);
  if (t.samples + batch.count() > t.plan.batch())  // what is kept of a step has room for so many
    throw Error(ErrorKind::usage, {.what = "more sequences than the plan's batch",
                                   .where = "Trainer::accumulate",
                                   .expected = "at most " + std::to_string(t.plan.batch()) + " a step",
                                   .found = std::to_string(t.samples + batch.count()),
                                   .hint = "update() or discard() first, or plan a larger batch"});
  if (t.plan.options().buckets.empty()) t.program_for(batch);
  double sum = 0;
  for (const MicroBatch& part : micro_batches(t.planned(), batch, ForUse::training))
    sum += *run_micro(t, batch, part, whole, {});
  return sum;
}

}  // namespace

double Trainer::accumulate(const BatchView& micro_batch, std::int64_t step_tokens) {
  const Exclusive guard(impl_.get());
  check_filled(micro_batch, impl_->plan);
  return run_accumulate(*impl_, micro_batch.samples(), {{"labels", step_tokens}});
}

double Trainer::accumulate(const Samples& micro_batch, const std::map<std::string, std::int64_t>& counts) {
  const Exclusive guard(impl_.get());
  return run_accumulate(*impl_, micro_batch, counts);
}

std::map<std::string, std::int64_t> Trainer::label_counts(const Samples& step) const {
  const Exclusive guard(impl_.get());
  std::map<std::string, std::int64_t> counts;
  for (const auto& [input, count] : count_labels(check_training_samples(*impl_, step), step))
    counts[input.substr(1)] = count;
  return counts;
}

StepResult Trainer::update(const StepOptions& options) {
  const Exclusive guard(impl_.get());
  return run_update(*impl_, options, nullptr);
}

void Trainer::discard() {
  const Exclusive guard(impl_.get());
  impl_->abandon_step();
}

StepResult Trainer::step(const BatchView& batch, const StepOptions& options) {
  const Exclusive guard(impl_.get());
  check_filled(batch, impl_->plan);
  if (batch.batch != impl_->plan.batch()) refuse_shape(impl_->plan.batch(), impl_->plan.seq(), batch);
  return run_step(*impl_, batch.samples(), options);
}

StepResult Trainer::step(const Samples& batch, const StepOptions& options) {
  const Exclusive guard(impl_.get());
  return run_step(*impl_, batch, options);
}

EvalResult Trainer::evaluate(const BatchView& batch) {
  const Exclusive guard(impl_.get());
  check_filled(batch, impl_->plan);
  return run_evaluation(*impl_, batch.samples());
}

EvalResult Trainer::evaluate(const Samples& samples) {
  const Exclusive guard(impl_.get());
  return run_evaluation(*impl_, samples);
}

std::int64_t Trainer::steps() const {
  const Exclusive guard(impl_.get());
  return impl_->steps;
}
std::int64_t Trainer::skipped_steps() const {
  const Exclusive guard(impl_.get());
  return impl_->scaler.state().skipped;
}
float Trainer::loss_scale() const {
  const Exclusive guard(impl_.get());
  return impl_->scaler.state().scale;
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
