// What a training run learns from, whatever it is made of: samples by number.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hone/training_run.hpp"

namespace hone {

// Samples, and the memory that they view.
struct HeldSamples {
  Samples samples;
  std::shared_ptr<const void> memory;
};

// Samples as a plan has them. The same number, the same samples.
struct SampleSet {
  std::function<HeldSamples(std::int64_t n)> batch;  // of step n
  std::int64_t evaluated = 0;                        // held out, and looked at by an evaluation
  std::function<HeldSamples(std::int64_t first, std::int64_t count)> held_out;  // of `evaluated`
  // Of the text that the held-out tokens encode; none where bits a byte mean nothing.
  struct Size {
    std::int64_t tokens, bytes;
  };
  std::optional<Size> held_out_text{};
  std::vector<std::string> notes{};  // what became of the data at these lengths
};

// How long a sample is: TrainPlanOptions::seq and sizes.
struct Lengths {
  std::int64_t seq = 0;
  std::map<std::string, std::int64_t, std::less<>> sizes{};
};

struct TrainingData {
  std::string kind;  // one of the kinds below
  Tokenizer tokenizer;
  std::vector<std::string> notes;            // for a person
  std::int64_t memory_bytes, reading_bytes;  // as TrainPlanOptions has them
  // A digest of all that it holds, as a plan has it; reads it.
  std::function<std::string(const TrainPlan&)> identity;
  bool of_its_own = false;  // does that digest not depend on the tokenizer?
  // As the run says, else as the data need, else a habit; of a model of so many positions (0: of any).
  std::function<Lengths(std::int64_t context)> lengths;
  // Of samples of such lengths, shorter ones: TrainPlanOptions::buckets.
  std::function<std::vector<LengthBucket>(const Lengths&)> buckets{};
  bool counts_hits = false;  // does an evaluation tell more than a loss: TrainPlanOptions::hits
  SequenceTokens frame{};    // what frames its sequences
  std::function<SampleSet(const TrainPlan&)> samples;  // Error(input) where there are none of such a length
};

TrainingData text_data(const TrainingRun& run, const Text& text);
TrainingData pair_data(const TrainingRun& run, const Pairs& pairs);
TrainingData example_data(const TrainingRun& run, const Examples& examples);
// The examples that run.data names, with the run's template, or that of its model's folder.
Examples open_examples(const TrainingRun& run);

// What run.data names, as the run's model wants it and with the tokenizer that the run names. Error(usage)
// where it names none.
TrainingData open_data(const TrainingRun& run);

// Does the run's model read a source, or its data name a task of pairs?
bool learns_from_pairs(const TrainingRun& run);
// Error where the model reads no source (usage), or its config frames a target otherwise (input).
void check_pairs(const Model& model, const Tokenizer& tokenizer, const std::string& data);
// Whose files the run begins with: its model, or the teacher of whose layers its student is made.
const std::string& base_of(const TrainingRun& run);
// The tokenizer that the run names, with what TextOptions says of an empty name: a model folder's own first.
std::string tokenizer_of(const TrainingRun& run);
inline constexpr const char* text_kind = "text";
inline constexpr const char* pairs_kind = "pairs";
inline constexpr const char* examples_kind = "examples";
inline constexpr const char* source_size = "source_seq";  // the size of a network that is a source's length
// Where neither the run nor its data say how long a sample is.
inline constexpr std::int64_t usual_seq = 256;
// What an evaluation looks at: so many of `all` samples of a length, spread evenly.
std::int64_t evaluated_samples(std::int64_t all, std::int64_t seq);

}  // namespace hone
