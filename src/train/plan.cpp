#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "base/float_mode.hpp"
#include "file/atomic.hpp"
#include "model/model_impl.hpp"
#include "optimizer/optimizer.hpp"
#include "pass/passes.hpp"
#include "train/forecast.hpp"
#include "train/loss_scaler.hpp"
#include "train/micro_batches.hpp"
#include "train/plan_ways.hpp"
#include "train/pruned_matrices.hpp"
#include "train/qat.hpp"
#include "train/step_program.hpp"

namespace hone {
namespace {

// Activations of more positions than this gain nothing: products are at their best and caches overflow.
constexpr std::int64_t micro_batch_positions = 2048;
// Of a step that is divided by lengths there are few alike: smaller ones leave less of a micro-batch empty.
constexpr std::int64_t bucket_positions = 512;

// Samples and positions of a step are counted in 32 bits where random numbers are drawn.
constexpr std::int64_t most_positions = (std::int64_t{1} << 31) - 1;

void require(bool good, const char* option, const char* what, const std::string& expected,
             const std::string& found) {
  if (!good)
    throw Error(ErrorKind::usage, {.what = what, .where = option, .expected = expected, .found = found});
}

void check_master(const TrainPlanOptions& o) {
  if (o.master == Precision::f32) return;
  require(o.master == Precision::bf16, "master", "weights are kept in f32 or bf16", "f32 or bf16",
          name(o.master));
  require(o.precision == Precision::bf16, "master", "weights in bf16 alone are for products in bf16",
          "precision bf16", name(o.precision));
  require(optimizer_record(o.optimizer).rounds_weights, "master", "this optimizer updates weights in f32",
          "adamw or adamw8bit", o.optimizer);
}

TrainPlanOptions decided(const Model& model, TrainPlanOptions o) {
  require(o.batch > 0, "batch", "the batch must be positive", "at least 1", std::to_string(o.batch));
  const std::int64_t context =
      model.context() ? model.context() : most_positions;  // 0: the network says none
  require(o.seq > 0 && o.seq <= context, "seq", "it does not fit the model's context",
          "1 to " + std::to_string(context), std::to_string(o.seq));
  require(o.batch <= most_positions / o.seq, "batch", "the batch is too large",
          "at most " + std::to_string(most_positions) + " positions a step",
          std::to_string(o.batch) + " x " + std::to_string(o.seq));
  require(o.micro_batch >= 0 && o.micro_batch <= o.batch, "micro_batch",
          "the micro-batch must be a part of the batch", "1 to " + std::to_string(o.batch),
          std::to_string(o.micro_batch));
  require(o.memory_bytes >= 0, "memory_bytes", "a negative budget", "0 (none) or more bytes",
          std::to_string(o.memory_bytes));
  for (const std::string& name : o.allow)
    require(name == "optimizer" || name == "master", "allow", "nothing that can be allowed",
            "optimizer or master", "'" + name + "'");
  o.keep_zeros |= o.prunes;
  const char* zeros = o.prunes ? "sparsity" : "keep_zeros";
  require(!o.keep_zeros || !model.impl().adapter, zeros, "an adapter leaves the model's weights as they are",
          "the model itself trained", "an adapter");
  require(!o.keep_zeros || !model.impl().frozen_base, zeros,
          "corrections leave the model's weights as they are", "the model itself trained", "corrections");
  require(!o.keep_zeros || optimizer_record(o.optimizer).leaves_zeros, zeros,
          "this optimizer mixes a matrix's gradients, so that zeros do not stay", "another one", o.optimizer);
  decide_qat(model, o);
  if (o.micro_batch == 0) o.micro_batch = usual_micro_batch(o);
  check_buckets(model, o);
  check_loss_scaling(o.loss_scaling);
  check_master(o);
  const ExecOptions exec = exec_options(o.threads, o.isa);
  o.threads = exec.threads;
  o.isa = name(exec.isa);
  return o;
}

// Of the names to keep, those that are no weight's.
std::vector<std::string> kept_activations(const Model& model, const TrainPlanOptions& o) {
  std::vector<std::string> names;
  for (const std::string& name : o.keep)
    if (!model.impl().find(name)) names.push_back(name);
  return names;
}

// Does each weight's update stand inside of backward? fp16 needs all gradients before the first: has one of
// them overflowed?
bool updates_in_backward(const Model& model, const TrainPlanOptions& o) {
  if (o.clipping || o.micro_batch != o.batch || o.precision == Precision::fp16 || !o.buckets.empty())
    return false;
  for (const std::string& name : o.keep)
    require(!model.impl().find(name), "keep", "gradients are not kept where updates are inside of backward",
            "clipping, micro-batches, or no gradients in `keep`", name);
  return true;
}

// A size of micro-batch at a length.
struct MicroShape {
  std::int64_t sequences;
  double runs;
  std::size_t bucket;
};

std::vector<MicroShape> micro_shapes(const TrainPlanOptions& o) {
  const std::int64_t rest = o.batch % o.micro_batch;
  if (o.buckets.empty()) {
    std::vector<MicroShape> shapes{{o.micro_batch, static_cast<double>(o.batch / o.micro_batch), 0}};
    if (rest != 0) shapes.push_back({rest, 1, 0});
    return shapes;
  }
  const std::int64_t most = o.micro_batch * positions(o.seq, o.sizes);
  std::vector<MicroShape> shapes;
  const auto add = [&](std::int64_t sequences, double share, std::size_t bucket) {
    const std::int64_t few = rest_of_bucket(sequences);
    const double samples = share * static_cast<double>(o.batch);
    const double whole = std::floor(samples / static_cast<double>(sequences));
    const double left = samples - whole * static_cast<double>(sequences);
    shapes.push_back({sequences, few == sequences ? samples : whole, bucket});
    if (few < sequences) shapes.push_back({few, left / static_cast<double>(few) + 0.5, bucket});
  };
  double longer = 1;
  for (const LengthBucket& bucket : o.buckets) longer -= bucket.share;
  add(o.micro_batch, std::max(0.0, longer), o.buckets.size());
  for (std::size_t i = 0; i < o.buckets.size(); ++i)
    add(std::clamp<std::int64_t>(most / positions(o.buckets[i].seq, o.buckets[i].sizes), 1, o.batch),
        o.buckets[i].share, i);
  return shapes;
}

}  // namespace

std::int64_t usual_micro_batch(const TrainPlanOptions& o) {
  if (!o.buckets.empty()) return std::clamp<std::int64_t>(bucket_positions / o.seq, 1, o.batch);
  std::int64_t size = std::clamp<std::int64_t>(micro_batch_positions / o.seq, 1, o.batch);
  while (o.batch % size != 0) --size;
  return size;
}

PlanPrograms write_programs(const Model& model, const TrainPlanOptions& o, const PlanWays& ways) {
  PlanPrograms programs;
  const RoundedWeights rounded = rounded_weights(model, o);
  for (const MicroShape& shape : micro_shapes(o)) {
    const LengthBucket* bucket = shape.bucket < o.buckets.size() ? &o.buckets[shape.bucket] : nullptr;
    const StepProgramOptions options{.micro_batch = shape.sequences,
                                     .seq = bucket ? bucket->seq : o.seq,
                                     .batch = o.batch,
                                     .longest = o.buckets.empty() ? 0 : positions(o.seq, o.sizes),
                                     .products = dtype_of(o.precision),
                                     .decay_all = o.decay_all,
                                     .keep = kept_activations(model, o),
                                     .optimizer = &optimizer_record(o.optimizer),
                                     .objective = o.objective,
                                     .sizes = bucket ? bucket->sizes : o.sizes,
                                     .loss_rows = ways.loss_rows,
                                     .cast_at_use = ways.cast_at_use,
                                     .update_in_backward = updates_in_backward(model, o),
                                     .bf16_weights = o.master == Precision::bf16,
                                     .keep_zeros = o.keep_zeros,
                                     .rounded = rounded,
                                     .hits = o.hits};
    const Program step = write_step_program(model, options);
    if (programs.list.empty())
      programs.list = {cut(step, Phase::prepare), cut(step, Phase::norm), cut(step, Phase::update)};
    programs.list.push_back(cut(step, Phase::micro));
    programs.micro.push_back({.sequences = shape.sequences,
                              .train = programs.list.size() - 1,
                              .evaluate = programs.list.size(),
                              .runs = shape.runs,
                              .bucket = shape.bucket});
    if (programs.micro.size() > 1 && programs.micro.end()[-2].bucket == shape.bucket)
      programs.micro.back().evaluate = programs.micro.end()[-2].evaluate;
    else
      programs.list.push_back(cut(write_evaluation_program(model, options), Phase::micro));
  }
  if (model.impl().frozen_base) programs.frozen = take_frozen(model, programs.list, 0);
  return programs;
}

namespace {

// What the caller holds of a step: all inputs of a batch.
std::int64_t batch_bytes(const TrainPlan::Impl& plan) {
  const MicroProgram& micro = plan.micro[0];
  const Program& program = plan.job.programs()[micro.train];
  std::int64_t bytes = 0;
  for (const TensorId id : plan.job.inputs(micro.train))
    if (of_batch(program[id].input.meaning)) bytes += program[id].type.bytes();
  return bytes * plan.options.batch / micro.sequences;
}

// A save reads a base that lies beside corrections weight by weight.
std::int64_t largest_copied_bytes(const Model& model) {
  std::int64_t largest = 0;
  if (model.impl().frozen_base && !model.impl().adapter)
    for (const ParameterSpec& spec : stored_weights(model))
      largest = std::max(largest, TensorType{spec.shape, spec.dtype}.bytes());
  return largest;
}

}  // namespace

std::shared_ptr<TrainPlan::Impl> make_plan(const Model& model, const TrainPlanOptions& options,
                                           PlanPrograms programs) {
  for (MicroProgram& micro : programs.micro) micro.first_write = first_write(programs.list[micro.train]);
  JobPlan job(std::move(programs.list), {.threads = options.threads, .isa = isa_from_name(options.isa)},
              programs.frozen.names);
  auto impl = std::make_shared<TrainPlan::Impl>(model, options, std::move(job), std::move(programs.micro));
  impl->frozen = std::move(programs.frozen);
  impl->specs = model.impl().specs;
  for (ParameterSpec& spec : impl->specs)
    if (const auto held = impl->job.shared().find(spec.name); held != impl->job.shared().end())
      spec.dtype = held->second.tensor.type.dtype;
  // A save turns a weight, and the C library may keep a second buffer: 25 MiB where the largest has 16. It
  // writes two files. What is frozen beside an adapter, or corrections, is only read.
  std::vector<ParameterSpec> saved = impl->specs;
  if (model.impl().frozen_base) std::erase_if(saved, [](const ParameterSpec& spec) { return !spec.trained; });
  const std::int64_t saving_bytes =
      std::max(
          {2 * largest_turned_bytes(saved), largest_turned_bytes(impl->specs), largest_copied_bytes(model)}) +
      2 * static_cast<std::int64_t>(direct_write_bytes);
  impl->forecast = forecast_memory(
      impl->job, saving_bytes + batch_bytes(*impl) + (options.prunes ? pruning_bytes(model) : 0),
      {.held = options.text_bytes, .reading = options.reading_bytes, .teacher = options.teacher_bytes},
      &model.impl().store, impl->frozen.names);
  impl->step_flops = hone::step_flops(*impl);
  check_cuts(*impl);
  impl->terms = terms_of(impl->job.programs()[impl->micro[0].train]);
  impl->optimizer = &optimizer_record(options.optimizer);
  return impl;
}

TrainPlan::TrainPlan(const Model& model, TrainPlanOptions options) {
  const FloatModeGuard guard;
  const bool chosen = options.micro_batch != 0;
  options = decided(model, std::move(options));
  impl_ = options.memory_bytes ? plan_within(model, options, chosen)
                               : make_plan(model, options, write_programs(model, options, {}));
}

std::vector<ParameterSpec> TrainPlan::Impl::of_objective() const {
  std::vector<ParameterSpec> found;
  for (const auto& shared : job.shared()) {
    const TensorDef& t = shared.second.tensor;
    if (t.role != Role::parameter || !t.parameter->of_objective) continue;
    found.push_back(*t.parameter);
    found.back().dtype = t.type.dtype;
  }
  return found;
}

const Forecast& TrainPlan::forecast() const {
  std::call_once(impl_->timed, [this] { impl_->with_time = with_time(*impl_); });
  return impl_->with_time;
}
std::int64_t TrainPlan::peak_bytes() const { return impl_->forecast.peak_bytes; }
const Model& TrainPlan::model() const { return impl_->model; }
const TrainPlanOptions& TrainPlan::options() const { return impl_->options; }
double TrainPlan::step_flops() const { return impl_->step_flops; }

std::string TrainPlan::print() const {
  std::vector<std::string> names(impl_->job.programs().size(), "evaluate");
  names[impl_->prepare] = "prepare", names[impl_->norm] = "norm", names[impl_->update] = "update";
  for (const MicroProgram& micro : impl_->micro) names[micro.train] = "micro-batch";
  const TrainPlanOptions& o = impl_->options;
  std::string s = "# " + o.isa + ", " + std::to_string(o.threads) + " threads, micro-batches of " +
                  std::to_string(o.micro_batch) + "\n";
  for (std::size_t i = 0; i < impl_->job.programs().size(); ++i)
    s += "# " + names[i] + "\n" + impl_->job.print(i);
  return s;
}

}  // namespace hone
