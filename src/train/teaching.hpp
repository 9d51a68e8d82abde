// How a training run learns from a teacher: the model that is one, and samples with its soft labels.
#pragma once
#include "train/training_data.hpp"

namespace hone {

// Error(input) where the teacher has another vocabulary than the run's tokenizer.
Model open_teacher(const TrainingRun& run, const Tokenizer& tokenizer);
// Error(input) where the teacher's logits are not the student's ids.
void require_same_ids(const Model& teacher, const Model& student, const std::string& where);
// Error(usage) for what does not go together with a teacher.
void check_teaching(const TrainingRun& run);
// What the run does of it, for a person: which of the teacher's layers the student's begin as.
std::vector<std::string> teaching_notes(const TrainingRun& run);

TeacherOptions teacher_options(const TrainingRun& run, const TrainPlanOptions& plan);
// The same samples with soft labels beside those of a step; an evaluation needs none.
SampleSet taught(SampleSet samples, const TrainingRun& run, const TrainPlan& plan, const Model& teacher);

}  // namespace hone
