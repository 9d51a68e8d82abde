// What an evaluation's program says of its labels: which of them the model predicts.
#pragma once
#include <cstdint>
#include <vector>

#include "exec/job.hpp"
#include "hone/samples.hpp"
#include "train/step_program.hpp"

namespace hone {

struct Hits {
  std::int64_t labels = 0;   // that have the largest logit
  std::int64_t samples = 0;  // of which every label has
};

// Of `samples`, which `program` (made with StepProgramOptions::hits) has just been run on; they may be fewer
// than it has room for. rows: as feed() was given them.
Hits count_hits(Executor& executor, std::size_t program, const std::vector<Term>& terms,
                const Samples& samples, std::span<const std::int64_t> rows = {});

}  // namespace hone
