// The student of `hone distill --student layers=4,width=192`: cut out of its teacher into a folder below OUT,
// which the run then begins with as with any other model, and finds again when it goes on.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "hone/training_run.hpp"

namespace hone::cli {

// So many of the teacher's parts; 0: all of them.
struct StudentParts {
  std::int64_t layers = 0, width = 0, heads = 0, channels = 0;
  bool only_layers() const { return width == 0 && heads == 0 && channels == 0; }
};

// None: it names a model. Error(usage) for parts that there are not.
std::optional<StudentParts> student_parts(const std::string& student);

// The run with its student cut, unless the folder has the same one; notes on stderr say what went.
// Error(usage), Error(input) for what train() would refuse, before anything is cut.
TrainingRun with_cut_student(TrainingRun run, const StudentParts& parts);

}  // namespace hone::cli
