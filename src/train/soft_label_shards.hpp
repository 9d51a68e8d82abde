// Soft labels of a run's steps, kept in a folder: packed safetensors files, each with those of some steps,
// and the digests of all in `checksums`. Masses are f16, as a teacher makes them, so nothing is lost.
//
//   SoftLabelShards shards("cache", {.identity = "...", .count = 32, .positions = 256, .known = 32});
//   shards.fill(1000, [&](std::int64_t step) { return teacher.soft_labels(batch(step)); }, {});
//   const SoftLabels soft = shards.read(7);
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>

#include "file/safetensors.hpp"
#include "hone/distill.hpp"

namespace hone {

struct SoftLabelShape {
  std::string identity{};                            // of whatever decides what is in them
  std::int64_t count = 1, positions = 1, known = 1;  // samples a step, positions of each, ids of each
};

class SoftLabelShards {
 public:
  // Nothing is read or made. Error(usage) where the folder keeps soft labels of another identity.
  SoftLabelShards(std::string folder, SoftLabelShape shape);

  std::int64_t missing(std::int64_t steps) const;  // how many of the first `steps` it lacks
  // Makes the shards that the first `steps` steps lack. Those that were whole before it was stopped stay.
  using Make = std::function<SoftLabels(std::int64_t step)>;
  void fill(std::int64_t steps, const Make& make, const std::stop_token& stop);
  // Error(input) for a shard that is missing, altered or cut short.
  SoftLabels read(std::int64_t step);

 private:
  std::string name(std::int64_t shard) const;
  std::int64_t steps_in(std::int64_t shard) const;  // 0 where there is none, or a damaged one
  void write(std::int64_t shard, std::int64_t steps, const Make& make, const std::stop_token& stop);

  std::string folder_;
  SoftLabelShape shape_;
  std::int64_t steps_a_shard_;
  std::int64_t current_ = -1;  // the shard that is open
  std::unique_ptr<SafetensorsFile> file_;
};

}  // namespace hone
