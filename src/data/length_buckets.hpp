// The lengths that samples of many lengths are padded to: a few, chosen from a ladder.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace hone {

struct SampleLength {
  std::int64_t source = 0, seq = 0;  // positions; a sample without a source has 0 of them
  bool holds(const SampleLength& other) const { return other.source <= source && other.seq <= seq; }
  std::int64_t positions() const { return source + seq; }
};

struct LengthShare {
  SampleLength length;
  double share;  // of the samples, those that it is the first to hold
};

// At most `most_buckets` lengths below `whole`, fewest positions first: of 3/4, 1/2, 3/8, 1/4 and 1/8 of a
// whole half, up to a multiple of 8, those pairs that spare the most positions of `samples`. None where all
// together would spare less than a tenth.
constexpr int most_buckets = 4;
std::vector<LengthShare> length_buckets(std::span<const SampleLength> samples, SampleLength whole);

}  // namespace hone
