#include "cli/training_session.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cmath>

#include "cli/terminal.hpp"
#include "hone/lora.hpp"
#include "hone/machine.hpp"

namespace hone::cli {
namespace {

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
double unix_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string steps_text(const RunSummary& d) {
  if (d.steps == 0) return "0 steps";
  const std::string time =
      d.seconds > 0 ? fmt::format("in {}, {}", human_duration(d.seconds), human_rate(d.tokens_per_s, "tok/s"))
                    : "that were done before";
  const std::string skipped = d.skipped_steps ? fmt::format(" ({} skipped)", d.skipped_steps) : "";
  return fmt::format("{} steps{} {}; loss {:.4f}", d.steps, skipped, time, d.loss);
}

// What a validation loss means: "(1.234 bits a byte)", "(99.2 % exact)", of examples only its unit.
std::string meaning(double bits_per_byte, double exact_match) {
  if (std::isnan(exact_match) && std::isnan(bits_per_byte)) return "nats a token";
  return std::isnan(exact_match) ? fmt::format("({:.3f} bits a byte)", bits_per_byte)
                                 : fmt::format("({:.2f} % exact)", 100 * exact_match);
}

// Of a run over pairs.
JsonLine& add_matches(JsonLine& line, double accuracy, double exact_match) {
  if (!std::isnan(exact_match)) line.add("accuracy", accuracy).add("exact_match", exact_match);
  return line;
}

// Of a model that reads sources: how long these are, which a step's time follows as well.
std::string of_sources(const TrainPlanOptions& o) {
  const auto length = o.sizes.find("source_seq");
  return length == o.sizes.end() ? "" : fmt::format(" from sources of {}", length->second);
}

void write(const std::string& text) {
  std::fputs(text.c_str(), stderr);
  std::fflush(stderr);
}

}  // namespace

TrainingSession::TrainingSession(TrainingRun run, bool json)
    : run_(std::move(run)), json_(json), begin_(steady_seconds()) {
  run_.stop = interruption();
  run_.on_start = [this, also = std::move(run_.on_start)](const TrainPlan& plan, std::int64_t first) {
    if (also) also(plan, first);
    started(plan, first);
  };
  run_.on_step = [this](const StepEvent& e) { stepped(e); };
  run_.on_eval = [this](const EvalEvent& e) { evaluated(e); };
  run_.on_message = [this](const std::string& text) { say(text); };
}

double TrainingSession::now() const { return steady_seconds() - begin_; }

void TrainingSession::say(const std::string& text) {
  const std::lock_guard lock(speaking_);
  if (progress_) write(progress_->interrupt());
  message(text);
}

void TrainingSession::started(const TrainPlan& plan, std::int64_t first_step) {
  const auto& o = plan.options();
  const auto trained = static_cast<double>(adapter_parameters(plan.model()));
  say(fmt::format(
      "{}: {} parameters{}, {} x {} tokens{} a step in micro-batches of {}, {}, {} threads, {}; {} of memory",
      run_.model, human_count(static_cast<double>(plan.model().parameters())),
      trained > 0 ? fmt::format(", {} of them an adapter's, which are trained", human_count(trained)) : "",
      o.batch, o.seq, of_sources(o), o.micro_batch, name(o.precision), o.threads, o.isa,
      human_bytes(static_cast<double>(plan.peak_bytes()))));
  plan_ = plan;
  begin_ = steady_seconds();
  if (first_step >= run_.steps) return;
  ProgressOptions options = progress_options();
  options.steps = run_.steps;
  options.first_step = first_step;
  const std::lock_guard lock(speaking_);
  progress_.emplace(options);
}

void TrainingSession::stepped(const StepEvent& e) {
  const double at = static_cast<double>(e.step);
  curves_.train.x.push_back(at);
  curves_.train.y.push_back(e.loss);
  if (!events_) events_.emplace(run_.out, unix_seconds(), e.step - 1);  // not for a run that does no step
  events_->scalar("train/loss", e.step, e.loss, unix_seconds());
  events_->scalar("train/lr", e.step, static_cast<double>(e.lr), unix_seconds());
  events_->scalar("train/grad_norm", e.step, static_cast<double>(e.grad_norm), unix_seconds());
  skipped_ += e.skipped;
  if (run_.plan.precision == Precision::fp16)
    events_->scalar("train/loss_scale", e.step, static_cast<double>(e.loss_scale), unix_seconds());
  if (run_.prune) events_->scalar("train/sparsity", e.step, e.sparsity, unix_seconds());
  {
    const std::lock_guard lock(speaking_);
    write(progress_->update({.step = e.step,
                             .loss = e.loss,
                             .tokens = static_cast<double>(e.tokens),
                             .seconds = now(),
                             .skipped = skipped_}));
  }
  if (!json_) return;
  JsonLine line;
  line.add("event", "step")
      .add("step", e.step)
      .add("loss", e.loss)
      .add("lr", e.lr)
      .add("grad_norm", e.grad_norm)
      .add("tokens_per_s", e.tokens_per_s)
      .add("loss_scale", e.loss_scale)
      .add("skipped", e.skipped);
  if (run_.prune) line.add("sparsity", e.sparsity);
  print(line.text());
}

void TrainingSession::evaluated(const EvalEvent& e) {
  curves_.validation.x.push_back(static_cast<double>(e.step));
  curves_.validation.y.push_back(e.val_loss);
  if (events_) events_->scalar("val/loss", e.step, e.val_loss, unix_seconds());
  say(fmt::format("step {}: validation loss {:.4f} {}", e.step, e.val_loss,
                  meaning(e.bits_per_byte, e.exact_match)));
  if (progress_) progress_->pause_until(now());
  if (!json_) return;
  JsonLine line;
  line.add("event", "eval")
      .add("step", e.step)
      .add("val_loss", e.val_loss)
      .add("bits_per_byte", e.bits_per_byte);
  print(add_matches(line, e.accuracy, e.exact_match).text());
}

RunSummary TrainingSession::to_the_end() {
  const std::stop_callback said(
      run_.stop, [this] { say("stopping: what is done is saved (a second signal ends at once, without)"); });
  RunSummary done = train(run_);
  if (events_) events_->flush();
  if (done.stopped && done.steps == 0)
    throw Error(ErrorKind::failed, {.what = "stopped before a step was done"});
  if (done.stopped)
    throw Error(ErrorKind::failed,
                {.what = fmt::format("stopped after step {}; its checkpoint is saved", done.steps),
                 .hint = "the same command goes on from there"});
  return done;
}

RunSummary TrainingSession::run(bool print_it) {
  try {
    RunSummary done = to_the_end();
    if (progress_) write(progress_->finish());
    if (print_it) print_done(done);
    return done;
  } catch (...) {
    if (progress_) write(progress_->finish());
    throw;
  }
}

void TrainingSession::print_done(const RunSummary& d, const std::string& sample,
                                 const std::vector<JsonLine>& compressed) const {
  if (json_) {
    JsonLine line;
    line.add("event", "done")
        .add("steps", d.steps)
        .add("seconds", d.seconds)
        .add("tokens_per_s", d.tokens_per_s)
        .add("loss", d.loss)
        .add("val_loss", d.val_loss)
        .add("bits_per_byte", d.bits_per_byte)
        .add("peak_bytes", d.peak_bytes)
        .add("forecast_bytes", d.forecast_bytes)
        .add("weights_hash", d.weights_hash)
        .add("skipped_steps", d.skipped_steps);
    add_matches(line, d.accuracy, d.exact_match);
    if (!sample.empty()) line.add("sample", sample);
    if (!compressed.empty()) line.add("compressed", compressed);
    print(line.text());
    return;
  }
  print(
      fmt::format("{}, validation {:.4f} {}\n"
                  "memory {} of {} forecast; weights {} in {}",
                  steps_text(d), d.val_loss, meaning(d.bits_per_byte, d.exact_match),
                  human_bytes(static_cast<double>(d.peak_bytes)),
                  human_bytes(static_cast<double>(d.forecast_bytes)), d.weights_hash, run_.out));
}

}  // namespace hone::cli
