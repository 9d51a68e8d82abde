#include "train/teaching.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "file/mapped.hpp"
#include "model/model_impl.hpp"
#include "train/layer_map.hpp"
#include "train/soft_label_shards.hpp"
#include "train/soft_labels.hpp"

namespace hone {
namespace {

bool looks_inside(const DistillLoss& loss) { return loss.hidden > 0 || loss.attention > 0; }

// Tables may be padded to different numbers; below these stand all ids of the tokenizer.
std::int64_t shared_ids(const Model& teacher, const Model& student) {
  return std::min(teacher.vocab_size(), student.vocab_size());
}

[[noreturn]] void refuse_vocabulary(const std::string& where, const std::string& expected,
                                    const std::string& found) {
  throw Error(ErrorKind::input,
              {.what = "the teacher has another vocabulary",
               .where = where,
               .expected = expected,
               .found = found,
               .hint = "a student learns from a teacher by the same ids: use its tokenizer"});
}

}  // namespace

Model open_teacher(const TrainingRun& run, const Tokenizer& tokenizer) {
  const std::string& where = run.distill->teacher;
  const auto own = Tokenizer::of_model(where);
  if (own && *own != tokenizer)
    refuse_vocabulary(where, fmt::format("the run's tokenizer, of {} ids", tokenizer.vocab_size()),
                      fmt::format("its own, of {}", own->vocab_size()));
  Model teacher = open(where);
  if (teacher.vocab_size() < tokenizer.vocab_size())
    refuse_vocabulary(where, fmt::format("{} ids, the tokenizer's, or more", tokenizer.vocab_size()),
                      std::to_string(teacher.vocab_size()));
  return teacher;
}

void check_teaching(const TrainingRun& run) {
  check_distill_loss(run.distill->loss);
  const std::string& teacher = run.distill->teacher;
  if (!is_folder(teacher) && !is_file(teacher))
    throw Error(ErrorKind::input,
                {.what = "no such teacher", .where = teacher, .expected = "a model folder or GGUF file"});
  const auto refuse = [](const char* what, const char* where) {
    throw Error(ErrorKind::usage, {.what = what, .where = where, .hint = "leave it out"});
  };
  const DistillOptions& o = *run.distill;
  if (looks_inside(o.loss) && !o.cache.empty())
    refuse("a folder keeps what the teacher's logits say, not its hidden states or attention",
           "teacher-cache");
  if (!looks_inside(o.loss) && !o.map.empty())
    refuse("a map is of hidden states and attention, and there is no --hidden and no --attention", "map");
  if (o.loss.attention == 0 && o.loss.relation_heads > 0)
    refuse("relations are of attention, and there is no --attention", "relation-heads");
  if (o.loss.attention > 0 && run.packing)
    refuse("relations would cross from one example to the next in its row", "packing");
  if (run.label_smoothing)
    refuse("a teacher says how likely other ids are: labels are not smoothed besides", "label-smoothing");
  if (run.lora && run.distill->layers > 0)
    refuse("an adapter needs a model in a folder, and the student is made of the teacher's layers",
           "lora-rank");
}

DistillLoss loss_of(const DistillOptions& options, const Model& teacher, const Model& student) {
  DistillLoss loss = options.loss;
  loss.top_k = known_ids(loss, shared_ids(teacher, student));
  if (looks_inside(loss)) loss.layers = layer_map(teacher, student, options.map);
  return loss;
}

std::vector<std::string> teaching_notes(const TrainingRun& run, const Model& student) {
  const DistillOptions& o = *run.distill;
  const Model teacher = open(o.teacher);
  std::vector<std::string> notes = teacher.notes();
  if (o.layers > 0) {
    const auto from = student_layers(teacher, o.layers);
    notes.push_back(fmt::format("the student's layers 0 to {} begin as the teacher's {}", o.layers - 1,
                                fmt::join(from, ", ")));
  }
  if (!looks_inside(o.loss)) return notes;
  const LayerMap map = layer_map(teacher, student, o.map);
  const bool projected = o.loss.hidden > 0 && map.teacher_width != map.student_width;
  notes.push_back(fmt::format("{} compared behind the student's layer = the teacher's: {}{}",
                              o.loss.hidden == 0      ? "attention is"
                              : o.loss.attention == 0 ? "hidden states are"
                                                      : "hidden states and attention are",
                              to_text(map),
                              projected ? fmt::format(", through learned products from {} to {}",
                                                      map.student_width, map.teacher_width)
                                        : ""));
  return notes;
}

namespace {

TeacherOptions teacher_options(const DistillLoss& loss, const TrainPlanOptions& plan, const Model& student) {
  return {.batch = plan.batch,
          .seq = plan.seq,
          .loss = loss,
          .precision = plan.precision,
          .threads = plan.threads,
          .isa = plan.isa,
          .sizes = plan.sizes,
          .ids = student.vocab_size()};
}

}  // namespace

void add_teacher(TrainPlanOptions& plan, const DistillOptions& options, const DistillLoss& loss,
                 const Model& teacher, const Model& student) {
  const std::int64_t bytes = Teacher::memory_bytes(teacher, teacher_options(loss, plan, student));
  if (options.cache.empty())
    plan.teacher_bytes = bytes;
  else
    plan.reading_bytes = std::max(plan.reading_bytes, bytes);
}

namespace {

using Teaches = std::function<SoftLabels(std::int64_t step, const Samples& batch)>;

Teaches by_teacher(const TrainingRun& run, const TrainPlan& plan, const Model& teacher) {
  const DistillLoss loss = loss_of(*run.distill, teacher, plan.model());
  const auto knows = std::make_shared<Teacher>(teacher, teacher_options(loss, plan.options(), plan.model()));
  return [knows](std::int64_t, const Samples& batch) { return knows->soft_labels(batch); };
}

// All that soft labels of a step follow from.
std::string identity_of(const TrainingData& data, const TrainingRun& run, const TrainPlan& plan,
                        const Model& teacher) {
  const TrainPlanOptions& o = plan.options();
  std::string sizes;
  for (const auto& [size, length] : o.sizes) sizes += fmt::format(", {} {}", size, length);
  return fmt::format("teacher {}, {} {}, seed {}, batch {} x {}{}, temperature {}, {} of {} ids, {}",
                     teacher.identity(o.seq), data.kind, data.identity(plan), o.seed, o.batch, o.seq, sizes,
                     run.distill->loss.temperature,
                     known_ids(run.distill->loss, shared_ids(teacher, plan.model())),
                     shared_ids(teacher, plan.model()), name(o.precision));
}

Teaches by_shards(const TrainingData& data, const TrainingRun& run, const TrainPlan& plan,
                  const Model& teacher, const SampleSet& samples) {
  const auto say = [&](const std::string& text) {
    if (run.on_message) run.on_message(text);
  };
  const auto shards = std::make_shared<SoftLabelShards>(
      run.distill->cache,
      SoftLabelShape{.identity = identity_of(data, run, plan, teacher),
                     .count = plan.batch(),
                     .positions = plan.seq(),
                     .known = known_ids(run.distill->loss, shared_ids(teacher, plan.model()))});
  if (const std::int64_t missing = shards->missing(run.steps)) {
    say(fmt::format("the teacher computes the soft labels of {} steps into {}", missing, run.distill->cache));
    const Teaches teaches = by_teacher(run, plan, teacher);
    const auto make = [&](std::int64_t step) { return teaches(step, samples.batch(step).samples); };
    shards->fill(run.steps, make, run.stop);
  }
  return [shards](std::int64_t step, const Samples&) { return shards->read(step); };
}

}  // namespace

SampleSet taught(const TrainingData& data, const TrainingRun& run, const TrainPlan& plan,
                 const Model& teacher) {
  struct Held {
    HeldSamples own;
    SoftLabels soft;
  };
  SampleSet samples = data.samples(plan);
  const Teaches teaches = run.distill->cache.empty() ? by_teacher(run, plan, teacher)
                                                     : by_shards(data, run, plan, teacher, samples);
  samples.batch = [plain = samples.batch, teaches](std::int64_t n) -> HeldSamples {
    const auto held = std::make_shared<Held>(Held{plain(n), {}});
    held->soft = teaches(n, held->own.samples);
    return {held->soft.beside(held->own.samples), held};
  };
  return samples;
}

}  // namespace hone
