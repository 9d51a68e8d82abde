#include "compress/refine.hpp"

#include <algorithm>
#include <cmath>

#include "compress/weight_values.hpp"
#include "exec/job.hpp"
#include "hone/distill.hpp"
#include "hone/train.hpp"
#include "model/coded_matrices.hpp"
#include "model/model_impl.hpp"
#include "pass/simulate_codes.hpp"

namespace hone {
namespace {

std::vector<std::byte> bytes_of(std::span<const float> values) {
  const auto bytes = std::as_bytes(values);
  return {bytes.begin(), bytes.end()};
}

// The weights themselves, where their codes allow: inside of what is rounded to each, by a hundredth of a
// step.
std::vector<float> behind(std::vector<float> w, const CodedMatrix& q) {
  constexpr float most = 0.49f;
  for (std::int64_t r = 0; r < q.rows; ++r)
    for (std::int64_t c = 0; c < q.columns; ++c) {
      const auto at = static_cast<std::size_t>(r * q.columns + c);
      const auto g = static_cast<std::size_t>(r * q.groups() + c / q.grid.group);
      const Line line{q.scales[g], q.minima[g]};
      const float middle = line.value(q.codes[at]), reach = most * std::abs(line.scale);
      w[at] = std::clamp(w[at], middle - reach, middle + reach);
    }
  return w;
}

SimulatedCodes simulated(const CodedWeights& codes) {
  SimulatedCodes all;
  for (const auto& [name, q] : codes) all[name] = {.group = q.grid.group, .levels = q.grid.levels()};
  return all;
}

// The model with weights behind codes, as programs have it; tables are as they are.
Model simulating(const Model& model, const SimulatedCodes& codes) {
  return with_pass(model, [codes](Program& p, const BuildOptions&) {
    for (TensorDef& t : p.tensors) {
      if (t.role != Role::parameter || t.alias != Alias::none || t.type.shape.rank() < 2) continue;
      if (codes.contains(t.name)) continue;
      ParameterSpec spec = *t.parameter;
      spec.trained = false;
      t.parameter = std::make_shared<const ParameterSpec>(std::move(spec));
    }
    simulate_codes(p, codes);
  });
}

Model student_of(const Model& model, const CodedWeights& codes) {
  const Model with = simulating(model, simulated(codes));
  std::map<std::string, std::vector<std::byte>> values;
  for (const auto& [name, q] : codes) {
    ParameterSpec spec = model.impl().spec(name);
    const std::vector<float> w = behind(weight_values(model, name), q);
    std::vector<std::byte>& filed = values[name];
    filed.resize(w.size() * sizeof(float));
    to_file_layout(spec, std::as_bytes(std::span(w)), filed);
    values[scales_name(name)] = bytes_of(q.scales);
    values[minima_name(name)] = bytes_of(q.minima);
  }
  return with_weights(with, with.impl().store.with(std::move(values)));
}

// Both, as a refinement runs them.
struct Runs {
  TrainPlanOptions train;
  TeacherOptions teacher;
};
Runs runs_of(const Model& model, const RefineOptions& o, const CalibrationOptions& sample, bool zeros_stay) {
  const std::int64_t seq = std::min(o.seq, model.context());
  const DistillLoss loss{.temperature = o.temperature,
                         .alpha = o.alpha,
                         .top_k = std::min<std::int64_t>(64, model.vocab_size())};
  const Isa isa = exec_options(sample.threads, sample.isa).isa;
  const Precision precision = o.precision.value_or(has_bf16_products(isa) ? Precision::bf16 : Precision::f32);
  return {.train = {.batch = o.batch,
                    .seq = seq,
                    .precision = precision,
                    .optimizer = "adamw8bit",
                    .threads = sample.threads,
                    .isa = sample.isa,
                    .objective = distillation(loss),
                    .clipping = false,
                    .keep_zeros = zeros_stay},
          .teacher = {.batch = o.batch,
                      .seq = seq,
                      .loss = loss,
                      .precision = precision,
                      .threads = sample.threads,
                      .isa = sample.isa}};
}

}  // namespace

Refined refine(const Model& model, const Text& text, CodedWeights codes, const RefineOptions& o,
               const CalibrationOptions& sample, bool zeros_stay) {
  const Runs runs = runs_of(model, o, sample, zeros_stay);
  const std::int64_t seq = runs.train.seq;
  const Model student = student_of(model, codes);
  Trainer trainer(TrainPlan(student, runs.train));
  Teacher teacher(model, runs.teacher);
  const Cosine lr{.peak = o.lr, .warmup = std::max<std::int64_t>(1, o.steps / 20), .steps = o.steps};
  for (std::int64_t n = 0; n < o.steps; ++n) {
    const Batch batch = text.batch(n, o.batch, seq);
    const SoftLabels soft = teacher.soft_labels(batch.samples());
    const StepResult done = trainer.step(soft.beside(batch.samples()), {.lr = lr(n), .weight_decay = 0.0f});
    if (o.progress) o.progress({.step = n + 1, .steps = o.steps, .loss = done.loss, .tokens = done.tokens});
  }
  const Model after = trainer.model();
  Refined refined{.codes = std::move(codes)};
  ThreadPool pool(exec_options(sample.threads, sample.isa).threads);
  for (auto& [name, q] : refined.codes) round_to_lines(weight_values(after, name), q, pool);
  for (const ParameterSpec& spec : model.impl().specs)
    if (spec.shape.rank() < 2) refined.others[spec.name] = weight_values(after, spec.name);
  return refined;
}

std::int64_t refine_bytes(const Model& model, const std::map<std::string, Grid>& grids,
                          const RefineOptions& o, const CalibrationOptions& sample) {
  SimulatedCodes codes;
  std::int64_t values = 0, code_bytes = 0;
  for (const MatrixWeight& w : matrices_of(model)) {
    const auto grid = grids.find(w.name);
    if (w.table || grid == grids.end()) continue;
    codes[w.name] = {.group = grid->second.group, .levels = grid->second.levels()};
    values += 4 * w.rows * w.columns;
    code_bytes += w.rows * w.columns + 8 * w.rows * (w.columns / grid->second.group + 1);
  }
  const Runs runs = runs_of(model, o, sample, false);
  const TrainPlan plan(simulating(model, codes), runs.train);
  // The weights behind, for the trainer to begin with; at the end it hands them out beside its own.
  return code_bytes + 2 * values + plan.peak_bytes() + Teacher::memory_bytes(model, runs.teacher);
}

}  // namespace hone
