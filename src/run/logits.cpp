#include "run/logits.hpp"

#include "exec/feed.hpp"
#include "model/model_weights.hpp"
#include "train/step_program.hpp"

namespace hone {

std::vector<float> logits_of(const Model& model, const Samples& samples, const LogitsOptions& o) {
  const Program program = write_evaluation_program(
      model, {.micro_batch = samples.count(), .seq = o.seq, .sizes = o.sizes}, {"logits"});
  const JobPlan job({program}, {.threads = o.threads, .isa = o.isa}, weight_names(program));
  const ModelWeights weights(model, {&program, 1}, job);
  Executor executor(job, weights.tensors());
  check_samples(program, samples);
  feed(executor, 0, samples, {});
  executor.run(0);
  const auto values = executor.output_view<float>(0, "logits");
  return {values.begin(), values.end()};
}

std::vector<float> logits_of(const Model& model, const Batch& batch, int threads, Isa isa) {
  return logits_of(model, batch.samples(), {.seq = batch.seq, .threads = threads, .isa = isa});
}

}  // namespace hone
