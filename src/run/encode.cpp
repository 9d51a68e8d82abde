#include "hone/encode.hpp"

#include <algorithm>
#include <vector>

#include "base/float_mode.hpp"
#include "exec/feed.hpp"
#include "hone/nearest.hpp"
#include "ir/values.hpp"
#include "model/model_impl.hpp"
#include "model/model_weights.hpp"
#include "pass/pipeline.hpp"
#include "store/tensor_train.hpp"
#include "train/forecast.hpp"

namespace hone {

struct EncodePlan::Impl {
  Model model;
  EncodeOptions options;
  Program whole;  // says how weights are derived
  JobPlan job;
  Forecast forecast;
};

namespace {

void require_positive(const char* where, std::int64_t found) {
  if (found < 1)
    throw Error(
        ErrorKind::usage,
        {.what = "out of range", .where = where, .expected = "1 or more", .found = std::to_string(found)});
}

EncodeOptions decided(const Model& model, EncodeOptions o) {
  require_positive("batch", o.batch);
  require_positive("seq", o.seq);
  if (model.context() > 0 && o.seq > model.context())
    throw Error(ErrorKind::usage, {.what = "it does not fit the model's context",
                                   .where = "seq",
                                   .expected = "1 to " + std::to_string(model.context()),
                                   .found = std::to_string(o.seq)});
  const ExecOptions exec = exec_options(o.threads, o.isa);
  o.threads = exec.threads, o.isa = name(exec.isa);
  return o;
}

Program written(const Model& model, const EncodeOptions& o) {
  Program p = model.impl().write({.batch = o.batch, .seq = o.seq, .sizes = o.sizes}).program;
  run_pipeline(p, {.use = PipelineOptions::Use::evaluate,
                   .products = dtype_of(o.precision),
                   .stored = model.impl().store.stored_types(),
                   .cores = core_indices(model.impl().store.trees()),
                   .int8 = o.int8,
                   .stored_only = true});
  return p;
}

JobPlan planned(const Program& whole, const EncodeOptions& o) {
  Program p = cut(whole, Phase::micro);
  const std::set<std::string> weights = weight_names(p);
  return JobPlan({std::move(p)}, exec_options(o.threads, o.isa), weights);
}

}  // namespace

EncodePlan::EncodePlan(Model model, EncodeOptions options) {
  const FloatModeGuard guard;
  options = decided(model, std::move(options));
  Program whole = written(model, options);
  JobPlan job = planned(whole, options);
  auto impl = std::make_shared<Impl>(
      Impl{std::move(model), std::move(options), std::move(whole), std::move(job), {}});
  impl->forecast = forecast_memory(impl->job, largest_turned_bytes(impl->model.impl().specs) / 2, {},
                                   &impl->model.impl().store);
  impl_ = std::move(impl);
}

const Forecast& EncodePlan::forecast() const { return impl_->forecast; }
const EncodeOptions& EncodePlan::options() const { return impl_->options; }
std::string EncodePlan::print() const { return impl_->job.print(0); }

double EncodePlan::product_flops() const {
  const Program& p = impl_->job.programs()[0];
  double flops = 0;
  for (const Node& node : p.nodes) flops += node.op->cost(p, node).flops;
  return flops;
}

struct Encoder::Impl {
  explicit Impl(const EncodePlan& p)
      : plan(p),
        weights(p.impl().model, {&p.impl().whole, 1}, p.impl().job),
        executor(p.impl().job, weights.tensors()) {}

  EncodePlan plan;
  ModelWeights weights;
  Executor executor;
  std::map<std::string, std::vector<float>, std::less<>> wide;  // outputs that are narrow
};

Encoder::Encoder(const EncodePlan& plan) : impl_(std::make_unique<Impl>(plan)) {}
Encoder::~Encoder() = default;
Encoder::Encoder(Encoder&&) noexcept = default;
Encoder& Encoder::operator=(Encoder&&) noexcept = default;

void Encoder::run(const Samples& samples) {
  const FloatModeGuard guard;
  const Program& p = impl_->executor.plan().programs()[0];
  const std::int64_t most = impl_->plan.options().batch;
  if (samples.count() < 1 || samples.count() > most)
    throw Error(ErrorKind::usage, {.what = "so many samples do not fit the plan",
                                   .where = "Encoder::run",
                                   .expected = "1 to " + std::to_string(most),
                                   .found = std::to_string(samples.count())});
  check_names({&p}, samples);
  check_samples(p, samples);
  feed(impl_->executor, 0, samples, {});
  impl_->executor.run(0);
}

std::span<const float> Encoder::output(std::string_view name) {
  const Program& p = impl_->executor.plan().programs()[0];
  const TensorId id = p.output(name);
  if (!id) {
    std::vector<std::string> known;
    for (const Output& output : p.outputs) known.push_back(output.name);
    throw Error(ErrorKind::usage, {.what = "the network has no output '" + std::string(name) + "'",
                                   .where = "Encoder::output",
                                   .hint = "the nearest is '" + nearest(std::string(name), known) + "'"});
  }
  const TensorType& type = p[id].type;
  const auto bytes = impl_->executor.output(0, id);
  const auto elements = static_cast<std::size_t>(type.shape.elements());
  if (type.dtype == DType::f32) return {reinterpret_cast<const float*>(bytes.data()), elements};
  std::vector<float>& values = impl_->wide[std::string(name)];
  values.resize(elements);
  widen(bytes, type.dtype, values);
  return values;
}

void Encoder::profile(bool on) { impl_->executor.profile(on); }
std::map<std::string, double> Encoder::profile_ms() const { return impl_->executor.profile_ms(); }

}  // namespace hone
