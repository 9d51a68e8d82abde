// The values of a batch, by the names of the inputs that a network and its objective declare.
//
//   const std::vector<float> pixels(32 * 49 * 16);                   // of 32 samples, one behind the other
//   const std::vector<std::int32_t> classes(32);
//   const auto samples = hone::Samples(32).set("pixels", std::span(pixels)).set("class", std::span(classes));
//   trainer.step(samples, {.lr = 1e-3f});
//
// It holds no values, but views of the caller's memory, which must outlive it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "hone/error.hpp"

namespace hone {

// A length that shorter samples are padded to, instead of the one that is enough for all.
struct LengthBucket {
  std::int64_t seq = 0;  // as TrainPlanOptions has both
  std::map<std::string, std::int64_t, std::less<>> sizes{};
  double share = 0;  // of all samples, those that it takes: a forecast of time asks
};

class HONE_API Samples {
 public:
  explicit Samples(std::int64_t count) : count_(count) {}
  std::int64_t count() const { return count_; }

  // Sample after sample, each as the input's declaration says.
  Samples& set(const std::string& input, std::span<const std::int32_t> values);
  Samples& set(const std::string& input, std::span<const float> values);
  // Of an input that is the same for all samples of a step (InputOptions::once_a_step).
  Samples& set_once(const std::string& input, std::span<const float> values);
  // Samples [first, first + count).
  Samples rows(std::int64_t first, std::int64_t count) const;

  struct Values {
    std::span<const std::byte> bytes{};
    bool whole_numbers = false;  // i32, else f32
    bool once = false;
  };
  const std::map<std::string, Values, std::less<>>& values() const { return values_; }

 private:
  std::int64_t count_;
  std::map<std::string, Values, std::less<>> values_;
};

}  // namespace hone
