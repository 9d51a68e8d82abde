// One feeder and one checker of inputs for training, evaluation, verification and generation: what an input
// means stands in its definition, and says what may stand in it and who writes it.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "exec/job.hpp"
#include "hone/samples.hpp"
#include "op/common.hpp"

namespace hone {

// How many labels count, by the input that holds them.
using LabelCounts = std::map<std::string, std::int64_t>;

// Where in the run a micro-batch stands: what the loop, not the data, writes.
struct Place {
  std::int64_t position = 0;              // of the first token: behind what a cache holds
  std::vector<std::int32_t> positions{};  // of each sequence, where they differ
  op::StepInfo step{};
  LabelCounts counts{};  // of the whole step
  float loss_scale = 1;  // of every term
};

// Everything that can be wrong with a batch for a program: an input that is missing or of another type or
// size (Error(usage)), a number that is out of range (Error(input), with its place). Inputs that the program
// lacks may be there: check_names is for those. The samples may be any number, of that many whatever the
// program's.
void check_samples(const Program& program, const Samples& samples);

// Error(usage), with the nearest, for values of a name that is no input of a batch in any of the programs: a
// mistyped one, which would be left unread.
void check_names(std::initializer_list<const Program*> programs, const Samples& samples);

// The labels of a batch that count, for each input of labels that the program has.
// rows: of these samples alone.
LabelCounts count_labels(const Program& program, const Samples& samples,
                         std::span<const std::int64_t> rows = {});

// The numbers of an input of ids, labels or lengths.
std::span<const std::int32_t> whole_numbers(const Samples::Values& values);

// Writes all inputs of a program but those of the update. Samples may be fewer than the program's: the rest
// is the first one again, without labels. rows: numbers of samples; none: all in order. Samples may be longer
// than the program's: their begin is written.
void feed(Executor& executor, std::size_t program, const Samples& samples, const Place& place,
          std::span<const std::int64_t> rows = {});

}  // namespace hone
