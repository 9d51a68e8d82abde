#include "run/logits.hpp"

#include <algorithm>

#include "exec/job.hpp"
#include "model/model_impl.hpp"
#include "op/inputs.hpp"
#include "run/load.hpp"
#include "train/step_program.hpp"

namespace hone {

std::vector<float> logits_of(const Model& model, const Batch& batch, int threads, Isa isa) {
  const Program program = write_evaluation_program(model.impl().architecture,
                                                   {.micro_batch = batch.batch, .seq = batch.seq}, true);
  const TensorId logits = program.outputs.at(1);
  const JobPlan job({program}, {.threads = threads, .isa = isa}, weight_names(program));
  const ModelWeights weights(model, job);
  Executor executor(job, weights.tensors());
  std::copy(batch.ids.begin(), batch.ids.end(), executor.view<std::int32_t>(input::tokens).begin());
  std::copy(batch.labels.begin(), batch.labels.end(), executor.view<std::int32_t>(input::labels).begin());
  if (executor.plan().shared().contains(input::positions))
    fill_positions(executor.view<std::int32_t>(input::positions), batch.seq, 0);
  executor.run(0);
  const auto values = executor.output_view<float>(0, logits);
  return {values.begin(), values.end()};
}

}  // namespace hone
