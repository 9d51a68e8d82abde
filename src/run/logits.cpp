#include "run/logits.hpp"

#include "exec/feed.hpp"
#include "ir/values.hpp"
#include "model/model_weights.hpp"
#include "train/step_program.hpp"

namespace hone {

std::vector<float> logits_of(const Model& model, const Samples& samples, const LogitsOptions& o) {
  const Program program = write_evaluation_program(
      model,
      {.micro_batch = samples.count(), .seq = o.seq, .products = dtype_of(o.precision), .sizes = o.sizes},
      {"logits"});
  const JobPlan job({program}, {.threads = o.threads, .isa = o.isa}, weight_names(program));
  const ModelWeights weights(model, {&program, 1}, job);
  Executor executor(job, weights.tensors());
  check_samples(program, samples);
  feed(executor, 0, samples, {});
  executor.run(0);
  const Program& planned = job.programs()[0];
  const TensorId logits = planned.output("logits");
  std::vector<float> values(static_cast<std::size_t>(planned[logits].type.shape.elements()));
  widen(executor.output(0, logits), planned[logits].type.dtype, values);
  return values;
}

std::vector<float> logits_of(const Model& model, const Batch& batch, int threads, Isa isa) {
  return logits_of(model, batch.samples(), {.seq = batch.seq, .threads = threads, .isa = isa});
}

}  // namespace hone
