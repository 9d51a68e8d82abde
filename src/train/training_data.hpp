// What a training run learns from, whatever it is made of: samples by number.
#pragma once
#include <cstdint>
#include <functional>
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
};

struct TrainingData {
  std::string kind;  // "text"
  Tokenizer tokenizer;
  std::vector<std::string> notes;                      // for a person
  std::int64_t memory_bytes, reading_bytes;            // as TrainPlanOptions has them
  std::function<std::string()> identity;               // a digest of all that it holds; reads it
  std::function<SampleSet(const TrainPlan&)> samples;  // Error(input) where there are none of such a length
};

TrainingData text_data(const Text& text);
// What run.data names, with the tokenizer that the run names. Error(usage) where it names none.
TrainingData open_data(const TrainingRun& run);

// The tokenizer that the run names, with what TextOptions says of an empty name: a model folder's own first.
std::string tokenizer_of(const TrainingRun& run);

}  // namespace hone
