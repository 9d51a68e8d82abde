// How a training run learns from a teacher: the model that is one, and samples with its soft labels.
#pragma once
#include "train/training_data.hpp"

namespace hone {

// Error(input) where the teacher has another vocabulary than the run's tokenizer.
Model open_teacher(const TrainingRun& run, const Tokenizer& tokenizer);
// Error(usage) for what does not go together with a teacher.
void check_teaching(const TrainingRun& run);
// What the run does of it, for a person: which of the teacher's layers the student's begin as, and against
// which their states are held.
std::vector<std::string> teaching_notes(const TrainingRun& run, const Model& student);

// The run's loss, with the layers of these models.
DistillLoss loss_of(const DistillOptions& options, const Model& teacher, const Model& student);
// The same samples with soft labels beside those of a step; an evaluation needs none.
// Where a folder keeps them, it is filled first, and the teacher is gone then.
SampleSet taught(const TrainingData& data, const TrainingRun& run, const TrainPlan& plan,
                 const Model& teacher);
// What of a plan's memory is the teacher's.
void add_teacher(TrainPlanOptions& plan, const DistillOptions& options, const DistillLoss& loss,
                 const Model& teacher, const Model& student);

}  // namespace hone
