#include "run/logits.hpp"

#include "exec/feed.hpp"
#include "run/load.hpp"
#include "train/step_program.hpp"

namespace hone {

std::vector<float> logits_of(const Model& model, const Batch& batch, int threads, Isa isa) {
  const Program program =
      write_evaluation_program(model, {.micro_batch = batch.batch, .seq = batch.seq}, {"logits"});
  const JobPlan job({program}, {.threads = threads, .isa = isa}, weight_names(program));
  const ModelWeights weights(model, program, job);
  Executor executor(job, weights.tensors());
  const Samples samples = batch.samples();
  check_samples(program, samples);
  feed(executor, 0, samples, {});
  executor.run(0);
  const auto values = executor.output_view<float>(0, "logits");
  return {values.begin(), values.end()};
}

}  // namespace hone
