// Distillation (Hinton et al., 2015): a small model learns what a large one, its teacher, makes of each token
// beside what the text says.
//
//   hone::TrainingRun run;
//   run.data = "book.txt"; run.out = "out/small"; run.steps = 500;
//   run.distill = {.teacher = "out/book", .layers = 4};   // four layers of the teacher
//   hone::train(run);
//
// Or in a loop of one's own:
//
//   const hone::Model teacher = hone::open("out/book"), student = hone::student_of(teacher, {.layers = 4});
//   const hone::DistillLoss loss{.temperature = 2, .alpha = 0.5f, .top_k = 32};
//   hone::Trainer trainer(hone::TrainPlan(student, {.batch = 8, .objective = hone::distillation(loss)}));
//   hone::Teacher knows(teacher, {.batch = 8, .seq = 256, .loss = loss});
//   const hone::Batch batch = text.batch(0, 8, 256);
//   const hone::SoftLabels soft = knows.soft_labels(batch.samples());
//   trainer.step(soft.beside(batch.samples()), {.lr = 1e-3f});
//
// Of the teacher's distribution the likeliest ids are kept, and the mass of all others together. Steps have
// the same bits whether the teacher computes them on the way or a folder has kept them.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hone/builder.hpp"
#include "hone/model.hpp"
#include "hone/precision.hpp"
#include "hone/samples.hpp"

namespace hone {

// The states behind a layer of the student are held against those behind one of the teacher's; layers count
// from 0.
struct LayerPair {
  std::int64_t student = 0, teacher = 0;
};
struct LayerMap {
  std::vector<LayerPair> pairs{};
  std::int64_t teacher_width = 0, student_width = 0;  // of the states
  // Of what attention reads in the teacher's layers; 0: it has none that is known.
  std::int64_t teacher_queries = 0, teacher_keys = 0;
};
// By text, "0=1,1=3": the student's = the teacher's. Empty: each of the student's, evenly, so that the last
// states of both are a pair. Error(usage) for layers that there are not, and for a model whose layers are not
// known by name (Builder::activation): one of one's own names what they leave "h.0", "h.1", ..
HONE_API LayerMap layer_map(const Model& teacher, const Model& student, const std::string& pairs = {});

struct DistillLoss {
  float temperature = 2;    // logits of both are divided by it; its part of the loss is times its square
  float alpha = 0.5f;       // the teacher's share of the loss; the labels have the rest
  std::int64_t top_k = 32;  // ids of the teacher that are known one by one; at most the vocabulary
  // Beside these: the share of hidden states, the mean over the pairs of `layers` of state_error()
  // (hone/builder.hpp). Where widths differ, each of the student's states goes through a learned product
  // first, which is no part of the student (Romero et al., "FitNets", arXiv 1412.6550).
  float hidden = 0;
  // And that of attention: the mean over the pairs, and over queries, keys and values, of relation_error()
  // (hone/builder.hpp).
  float attention = 0;
  std::int64_t relation_heads = 0;  // divide all widths; 0: as many as leave each head 32 numbers or more
  LayerMap layers{};                // of layer_map(), where hidden or attention is above 0
};

// The objective of a language model that learns from a teacher: inputs "labels" [B,T], "teacher_ids" [B,T,k],
// "teacher_masses" [B,T,k+1]; the term "loss". With hidden states: inputs "teacher_state_N" [B,T,W] and a
// term "hidden.I" for each pair; with attention "teacher_queries_N", "teacher_keys_N", "teacher_values_N" and
// three terms. An evaluation has the next token's plain loss alone. Error(usage) for numbers that are out of
// range.
HONE_API Objective distillation(const DistillLoss& loss);

// What a teacher makes of some samples, a row for each of their positions.
struct SoftLabels {
  std::int64_t count = 0;           // samples
  std::vector<std::int32_t> ids{};  // the likeliest, ascending
  // Their probabilities at the loss's temperature, then that of all others; in f16's precision.
  std::vector<float> masses{};
  // What DistillLoss::layers names of the teacher, by the names of inputs.
  std::map<std::string, std::vector<float>> states{};
  HONE_API Samples beside(Samples batch) const;  // the batch with these; they must outlive it
};

struct TeacherOptions {
  std::int64_t batch = 1, seq = 256;  // at most so many samples at once, of so many positions
  DistillLoss loss{};
  Precision precision = Precision::f32;
  int threads = 0;                                           // 0: all cores
  std::string isa{};                                         // empty: the best that this CPU has
  std::map<std::string, std::int64_t, std::less<>> sizes{};  // as TrainPlanOptions has them
  std::int64_t ids = 0;  // so many, the first, has the student: the others are as if they were not; 0: all
};

// A model that computes soft labels. What it makes of a sample does not depend on the others.
class HONE_API Teacher {
 public:
  // Error(usage) for options that do not fit the model, Error(budget) where the system refuses the memory.
  Teacher(const Model& model, const TeacherOptions& options);
  ~Teacher();
  Teacher(Teacher&&) noexcept;
  Teacher& operator=(Teacher&&) noexcept;

  // Any number of samples, by the names of the network's inputs; more than those are passed over.
  // Error(input) where the teacher's logits are not finite.
  SoftLabels soft_labels(const Samples& samples);

  // What such a teacher takes beside a process that is there.
  static std::int64_t memory_bytes(const Model& model, const TeacherOptions& options);

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

struct StudentOptions {
  std::int64_t layers = 0;         // 1 to the teacher's
  std::optional<float> dropout{};  // as ModelOptions has it
};
// A student of the teacher's own layers, spread evenly with the first and the last among them; all else is
// the teacher's. Error(usage) where the teacher has not so many, or no layers by number.
HONE_API Model student_of(const Model& teacher, const StudentOptions& options);
// Which of the teacher's layers each of the student's is: {0, 2, 3, 5} for 4 of 6. The same errors.
HONE_API std::vector<std::int64_t> student_layers(const Model& teacher, std::int64_t layers);

// How a TrainingRun learns from a teacher.
struct DistillOptions {
  // A model folder or GGUF file, of the run's tokenizer. Its table may be padded to another number of ids
  // than the student's: no text has those, and the teacher's distribution is of what both have.
  std::string teacher{};
  std::int64_t layers = 0;  // the student is made of so many of its layers; 0: it is TrainingRun::model
  DistillLoss loss{};       // without its layers
  std::string map{};        // of hidden states and attention, as layer_map() reads it
  // A folder that keeps the soft labels of each step, in shards: those that it lacks are computed before the
  // first step, and the teacher is not in memory while the student trains. A run that goes on, or another one
  // with the same data, batch and teacher, reads them. Empty: the teacher computes them on the way, as it
  // must where its hidden states or attention are asked for.
  std::string cache{};
};

}  // namespace hone
