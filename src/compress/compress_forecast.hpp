// The most memory that a process has which makes one model smaller: of its phases the largest, beside what
// stands through all of them.
#pragma once
#include "hone/compress.hpp"

namespace hone {

struct Compressed {
  const Model& model;
  const Text *learned, *measured;  // null: none
  const CompressOptions& options;
};
// How the two models are compared; so many positions at once.
CompareOptions comparison_of(const CompressOptions& options, std::int64_t positions);
Forecast compress_forecast(const Compressed& of, const WorkMemory& work, std::int64_t compared_positions);

}  // namespace hone
