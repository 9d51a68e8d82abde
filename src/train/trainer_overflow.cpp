// Steps whose losses or gradients are not finite: in fp16 they are skipped, else reported.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/number.hpp"
#include "train/micro_batches.hpp"
#include "train/trainer_impl.hpp"

namespace hone {

void Trainer::Impl::report_not_finite(std::optional<NotFinite> first, double value, const char* what) {
  abandon_step();
  throw Error(
      ErrorKind::failed,
      {.what = std::string(what) + " is not finite (" + (std::isnan(value) ? "NaN" : "infinite") + ")",
       .where = "step " + std::to_string(steps + 1) + (first ? ", first in " + first->where : ""),
       .hint = "nothing of this step is kept; lower the learning rate, clip at a lower norm, or warm up "
               "longer"});
}

// What an earlier micro-batch left in them is not this one's.
void Trainer::Impl::begin_sums(std::size_t program) {
  for (const TensorId id : planned().job.inputs(program)) {
    if (planned().job.programs()[program][id].input.meaning != Meaning::step) continue;
    const auto input = executor.input(program, id);
    op::StepInfo step;
    std::memcpy(&step, input.data(), sizeof step);
    step.micro = 0;
    std::memcpy(input.data(), &step, sizeof step);
  }
}

std::optional<NotFinite> Trainer::Impl::find_not_finite(const Samples* batch) {
  if (overflow) return overflow;
  if (!batch) {
    begin_sums(last_program);
    return executor.first_not_finite(last_program);
  }
  samples = 0;
  for (const MicroBatch& part : micro_batches(planned(), *batch, ForUse::training)) {
    const std::size_t program = part.program->train;
    feed(executor, program, *batch, {.step = step_info(), .counts = counted, .loss_scale = scaled_by},
         part.rows);
    begin_sums(program);
    if (auto found = executor.first_not_finite(program)) return found;
    samples += std::ssize(part.rows);
  }
  return {};
}

namespace {

// Looking for what overflowed costs a step or two, so it is done ever more rarely.
bool worth_a_look(std::int64_t skipped) { return std::has_single_bit(static_cast<std::uint64_t>(skipped)); }

}  // namespace

StepResult Trainer::Impl::skip_step(double norm, const Samples* batch) {
  StepResult result{.loss = loss(sums, counted),
                    .grad_norm = norm,
                    .tokens = tokens,
                    .skipped = true,
                    .loss_scale = scaled_by};
  LossScaler next = scaler;
  const bool goes_on = next.overflowed();
  if (!goes_on || worth_a_look(next.state().skipped))
    if (const auto first = find_not_finite(batch)) result.overflow = first->where;
  abandon_step();
  if (!goes_on)
    throw Error(
        ErrorKind::failed,
        {.what = (next.state().scale < scaled_by ? "the loss scale fell to nothing: " : "") +
                 std::to_string(next.state().overflows) +
                 " steps in a row overflowed in fp16, the last at a scale of " + to_text(scaled_by),
         .where = "step " + std::to_string(steps + 1) +
                  (result.overflow.empty() ? "" : ", first in " + result.overflow),
         .hint = "these steps changed no weight; bf16 reaches as far as f32 and needs no scale, or lower "
                 "the learning rate"});
  scaler = next;
  ++steps;
  return result;
}

void Trainer::Impl::restore_scaling(const std::optional<LossScaler::State>& state) {
  scaler = scales_losses() ? LossScaler(planned().options.loss_scaling) : LossScaler();
  if (!state) return;
  scaler.restore(scales_losses() ? *state : LossScaler::State{.skipped = state->skipped});
}

}  // namespace hone
