#include "hone/verify.hpp"

#include <algorithm>
#include <cmath>
#include <span>

#include "hone/train.hpp"
#include "model/model_impl.hpp"
#include "run/golden_batch.hpp"
#include "run/logits.hpp"

namespace hone {
namespace {

constexpr int adamw_steps = 10;

std::vector<float> values(const SafetensorsFile& file, const std::string& name) {
  return golden_values<float>(file, name, "F32");
}

double largest(const std::vector<float>& v) {
  double most = 0;
  for (const float x : v) most = std::max(most, std::abs(static_cast<double>(x)));
  return most;
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return INFINITY;
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    if (!(d <= most)) most = std::isnan(d) ? INFINITY : d;
  }
  return most;
}

class Comparison {
 public:
  Comparison(const SafetensorsFile& golden, const Model& model, const VerifyOptions& options)
      : golden_(golden),
        model_(model),
        precision_(options.precision),
        batch_(read_golden_batch(golden)),
        plan_(model, plan_options(options)),
        trainer_(plan_) {}

  VerifyReport run() {
    report_.bounds = verify_bounds(precision_);
    compare_logits();
    const auto losses = values(golden_, "losses");
    const float loss = values(golden_, "loss").at(0);
    const StepOptions adamw{
        .lr = 1e-3f, .clip = 1, .beta1 = 0.9f, .beta2 = 0.95f, .epsilon = 1e-8f, .weight_decay = 0.1f};
    for (int i = 0; i < adamw_steps && i < static_cast<int>(losses.size()); ++i) {
      const StepResult done = trainer_.step(batch_.samples(), adamw);
      if (i == 0) {
        note(&VerifyErrors::loss,
             std::abs(done.loss - static_cast<double>(loss)) / std::abs(static_cast<double>(loss)), "loss");
        compare_gradients();
      }
      const auto expected = static_cast<double>(losses[static_cast<std::size_t>(i)]);
      note(&VerifyErrors::losses, std::abs(done.loss - expected) / std::abs(expected),
           "loss of step " + std::to_string(i));
    }
    report_.ok = share_ <= 1;
    return report_;
  }

 private:
  TrainPlanOptions plan_options(const VerifyOptions& o) const {
    TrainPlanOptions plan{.batch = batch_.count,
                          .micro_batch = batch_.count,
                          .seq = batch_.seq,
                          .precision = precision_,
                          .threads = o.threads,
                          .isa = o.isa,
                          .decay_all = true,
                          .sizes = batch_.sizes};
    plan.keep = compared();
    return plan;
  }

  // Weights whose gradients the file has: of an adapted model, the adapter's.
  std::vector<std::string> compared() const {
    std::vector<std::string> names;
    for (const ParameterSpec& spec : model_.impl().saved(model_.impl().specs)) names.push_back(spec.name);
    return names;
  }

  void note(double VerifyErrors::*kind, double error, const std::string& what) {
    report_.errors.*kind = std::max(report_.errors.*kind, error);
    const double share = error / report_.bounds.*kind;
    if (share <= share_ && !report_.worst.empty()) return;
    share_ = share;
    report_.worst = what;
  }

  void compare_logits() {
    auto expected = values(golden_, "out.logits");
    const auto& o = plan_.options();
    auto found = logits_of(model_, batch_.samples(),
                           {.seq = batch_.seq,
                            .sizes = batch_.sizes,
                            .precision = precision_,
                            .threads = o.threads,
                            .isa = isa_from_name(o.isa)});
    forget_padding(expected);
    forget_padding(found);
    note(&VerifyErrors::logits, largest_difference(expected, found) / largest(expected), "logits");
  }

  // What stands behind the end of a row says nothing.
  void forget_padding(std::vector<float>& logits) const {
    const std::size_t row = logits.size() / static_cast<std::size_t>(batch_.count * batch_.seq);
    for (std::size_t b = 0; b < batch_.lengths.size(); ++b) {
      const auto sample = std::span(logits).subspan(b * row * static_cast<std::size_t>(batch_.seq),
                                                    row * static_cast<std::size_t>(batch_.seq));
      std::ranges::fill(sample.subspan(row * static_cast<std::size_t>(batch_.lengths[b])), 0.0f);
    }
  }

  void compare_gradients() {
    double most = 0;
    const auto names = compared();
    for (const std::string& name : names) most = std::max(most, largest(values(golden_, "grad." + name)));
    for (const std::string& name : names) {
      const auto expected = values(golden_, "grad." + name);
      std::vector<float> found(static_cast<std::size_t>(model_.size(name)));
      trainer_.read_gradient(name, found);
      const double scale = std::max(largest(expected), 1e-3 * most);
      note(&VerifyErrors::gradients, largest_difference(expected, found) / scale, "gradient of " + name);
    }
  }

  const SafetensorsFile& golden_;
  const Model& model_;
  Precision precision_;
  GoldenBatch batch_;
  TrainPlan plan_;
  Trainer trainer_;
  VerifyReport report_;
  double share_ = 0;
};

}  // namespace

VerifyErrors verify_bounds(Precision precision) {
  switch (precision) {
    case Precision::f32:
      return {.logits = 1e-4, .loss = 1e-5, .gradients = 1e-4, .losses = 1e-3};
    case Precision::fp16:
      return {.logits = 1e-2, .loss = 1e-3, .gradients = 1e-1, .losses = 5e-3};
    case Precision::bf16:
      return {.logits = 5e-2, .loss = 5e-3, .gradients = 3e-1, .losses = 2e-2};
  }
  return {};
}

VerifyReport verify(const std::string& model_folder, const std::string& golden_file,
                    const VerifyOptions& options) {
  const Model model = open(model_folder, {.dropout = 0.0f});  // as the reference computes, in eval mode
  const SafetensorsFile golden(golden_file);
  if (const std::int64_t seq = read_golden_batch(golden).seq; model.context() > 0 && seq > model.context())
    throw Error(ErrorKind::input, {.what = "the samples are longer than the model's context",
                                   .where = golden_file,
                                   .expected = "at most " + std::to_string(model.context()) + " positions",
                                   .found = std::to_string(seq)});
  return Comparison(golden, model, options).run();
}

}  // namespace hone
