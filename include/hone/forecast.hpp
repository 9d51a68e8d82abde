// What a plan says of memory and time before anything is allocated.
//
//   const hone::TrainPlan plan(hone::preset("nano"), {.batch = 32, .seq = 256});
//   const hone::Forecast& f = plan.forecast();
//   std::printf("%ld MiB, %.0f ms a step\n", long(f.peak_bytes >> 20), f.step_ms);
//   for (const auto& [what, bytes] : f.breakdown) std::printf("%s %ld\n", what.c_str(), long(bytes));
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace hone {

// `breakdown` adds up to peak_bytes.
struct Forecast {
  std::int64_t peak_bytes = 0;     // arena + mapped + outside
  std::int64_t arena_bytes = 0;    // exactly what hone allocates for tensors and scratch
  std::int64_t mapped_bytes = 0;   // of files that are read where they lie: weights in their file's own type
  std::int64_t outside_bytes = 0;  // code, libraries, buffers of a process that does only this: a
                                   // bound; and TrainPlanOptions::text_bytes
  double step_ms = 0;              // of a training step, or of one token in generation
  double limit_gflops = 0;  // this CPU's multiply-add limit in the plan's precision, measured with step_ms
  std::vector<std::pair<std::string, std::int64_t>> breakdown{};
};

}  // namespace hone
