// A teacher: a program of logits and the likeliest classes behind them, run sample by sample.
#include <algorithm>
#include <cmath>

#include "base/float_mode.hpp"
#include "base/types.hpp"
#include "exec/feed.hpp"
#include "model/model_weights.hpp"
#include "op/ops.hpp"
#include "pass/pipeline.hpp"
#include "store/tensor_train.hpp"
#include "train/forecast.hpp"
#include "train/layer_map.hpp"
#include "train/soft_labels.hpp"

namespace hone {
namespace {

constexpr std::int64_t positions_at_once = 2048;  // as in training: more gain nothing

std::int64_t together(const TeacherOptions& o) {
  return std::clamp<std::int64_t>(positions_at_once / std::max<std::int64_t>(1, o.seq), 1,
                                  std::max<std::int64_t>(1, o.batch));
}

void add_states(Program& p, const std::map<std::string, TensorId>& activations, const LayerMap& map) {
  const std::vector<std::string> layers = layer_states(activations, "teacher");
  for (const LayerPair& pair : map.pairs)
    if (const std::string name = teacher_state(pair.teacher); !p.output(name))
      p.outputs.emplace_back(activations.at(layers.at(static_cast<std::size_t>(pair.teacher))), name);
}

// Queries may be a part of a joint product, and of any type: copies are whole and in f32.
void add_operands(Program& p, const std::map<std::string, TensorId>& activations, const LayerMap& map) {
  const std::vector<std::string> layers = layer_states(activations, "teacher");
  for (const LayerPair& pair : map.pairs) {
    const auto own =
        attention_operands(activations, layers.at(static_cast<std::size_t>(pair.teacher)), "teacher");
    const auto names = teacher_operands(pair.teacher);
    for (std::size_t i = 0; i < own.size(); ++i)
      if (!p.output(names[i]))
        p.outputs.emplace_back(
            emit(p, op::cast, {activations.at(own[i])}, op::TypeAttributes{DType::f32}, names[i])[0],
            names[i]);
  }
}

Program written(const Model& model, const TeacherOptions& o) {
  check_distill_loss(o.loss);
  Forward forward = model.impl().write({.batch = together(o), .seq = o.seq, .sizes = o.sizes});
  Program p = std::move(forward.program);
  const TensorId logits = p.output("logits");
  if (!logits)
    throw Error(ErrorKind::usage, {.what = "a teacher makes logits",
                                   .where = "Teacher",
                                   .expected = "a network with an output 'logits'",
                                   .found = "the family " + model.family()});
  const std::int64_t all = model.vocab_size(), ids = o.ids > 0 ? std::min(o.ids, all) : all;
  const op::LikeliestAttributes attributes{known_ids(o.loss, ids), o.loss.temperature, ids < all ? ids : 0};
  const auto made = emit(p, op::likeliest, {logits}, attributes, "teacher");
  p.outputs = {{made[0], teacher_ids}, {made[1], teacher_masses}};
  if (o.loss.hidden > 0) add_states(p, forward.activations, o.loss.layers);
  if (o.loss.attention > 0) add_operands(p, forward.activations, o.loss.layers);
  run_pipeline(p, {.use = PipelineOptions::Use::evaluate,
                   .products = dtype_of(o.precision),
                   .stored = model.impl().store.stored_types(),
                   .cores = core_indices(model.impl().store.trees()),
                   .stored_only = true});
  return p;
}

JobPlan planned(const Program& whole, const TeacherOptions& o) {
  Program p = cut(whole, Phase::micro);
  const std::set<std::string> weights = weight_names(p);
  return JobPlan({std::move(p)}, exec_options(o.threads, o.isa), weights);
}

}  // namespace

struct Teacher::Impl {
  Impl(const Model& model, const TeacherOptions& o)
      : whole(written(model, o)),
        job(planned(whole, o)),
        weights(model, {&whole, 1}, job),
        executor(job, weights.tensors()) {}

  Program whole;
  JobPlan job;
  ModelWeights weights;
  Executor executor;

  const Program& program() const { return job.programs()[0]; }
  std::int64_t at_once() const { return program()[program().output(teacher_ids)].type.shape[0]; }

  void add(const Samples& some, SoftLabels& to) {
    feed(executor, 0, some, {});
    executor.run(0);
    const auto append = [&](auto& to_all, auto values) {
      const std::size_t each = values.size() / static_cast<std::size_t>(at_once());
      const auto own = values.first(each * static_cast<std::size_t>(some.count()));
      to_all.reserve(each * static_cast<std::size_t>(to.count));
      to_all.insert(to_all.end(), own.begin(), own.end());
    };
    append(to.ids, executor.output_view<std::int32_t>(0, teacher_ids));
    append(to.masses, executor.output_view<float>(0, teacher_masses));
    for (const Output& output : program().outputs)
      if (output.name != teacher_ids && output.name != teacher_masses)
        append(to.states[output.name], executor.output_view<float>(0, output.name));
  }
};

Teacher::Teacher(const Model& model, const TeacherOptions& options) {
  const FloatModeGuard guard;
  impl_ = std::make_unique<Impl>(model, options);
}
Teacher::~Teacher() = default;
Teacher::Teacher(Teacher&&) noexcept = default;
Teacher& Teacher::operator=(Teacher&&) noexcept = default;

SoftLabels Teacher::soft_labels(const Samples& samples) {
  const FloatModeGuard guard;
  check_samples(impl_->program(), samples);
  SoftLabels made{.count = samples.count()};
  for (std::int64_t first = 0; first < samples.count(); first += impl_->at_once())
    impl_->add(samples.rows(first, std::min(impl_->at_once(), samples.count() - first)), made);
  for (float& mass : made.masses) {
    if (!std::isfinite(mass))
      throw Error(ErrorKind::input, {.what = "the teacher's logits are not finite",
                                     .where = "Teacher",
                                     .hint = "the weights are damaged, or the model diverged in training"});
    // What shards keep is an f16, so that is all that any run sees: wherever it comes from, a step has the
    // same bits. The loss divides by the sum.
    mass = to_f32(to_f16(mass));
  }
  return made;
}

std::int64_t Teacher::memory_bytes(const Model& model, const TeacherOptions& options) {
  const FloatModeGuard guard;
  const JobPlan job = planned(written(model, options), options);
  return bytes_beside(job, model);
}

}  // namespace hone
