#include "data/length_buckets.hpp"

#include <algorithm>

namespace hone {
namespace {

constexpr double least_gain = 0.1;        // of all positions, by all buckets: else one length is simpler
constexpr double least_more_gain = 0.03;  // by one bucket more: each is two programs, and leaves a rest

std::vector<std::int64_t> ladder(std::int64_t whole) {
  std::vector<std::int64_t> rungs;
  for (const std::int64_t eighths : {8, 6, 4, 3, 2, 1}) {
    const std::int64_t rung = std::min(whole, ((whole * eighths + 7) / 8 + 7) / 8 * 8);
    if (rungs.empty() || rung < rungs.back()) rungs.push_back(rung);
  }
  return rungs;
}

// Positions that the samples take, with these lengths and one more.
std::int64_t positions_with(std::span<const SampleLength> samples, const std::vector<SampleLength>& lengths,
                            const SampleLength& more) {
  std::int64_t sum = 0;
  for (const SampleLength& sample : samples) {
    std::int64_t least = more.holds(sample) ? more.positions() : lengths[0].positions();
    for (const SampleLength& length : lengths)
      if (length.holds(sample)) least = std::min(least, length.positions());
    sum += least;
  }
  return sum;
}

// The whole one first.
std::vector<SampleLength> chosen(std::span<const SampleLength> samples, const SampleLength& whole) {
  const auto all = static_cast<double>(positions_with(samples, {whole}, whole));
  std::vector<SampleLength> lengths{whole};
  double least = all;
  for (int i = 0; i < most_buckets; ++i) {
    SampleLength best = whole;
    double found = least;
    for (const std::int64_t source : ladder(whole.source))
      for (const std::int64_t seq : ladder(whole.seq)) {
        const auto sum = static_cast<double>(positions_with(samples, lengths, {source, seq}));
        if (sum < found) found = sum, best = {source, seq};
      }
    if (least - found < least_more_gain * all) break;
    lengths.push_back(best);
    least = found;
  }
  if (all - least < least_gain * all) lengths.resize(1);
  return lengths;
}

}  // namespace

std::vector<LengthShare> length_buckets(std::span<const SampleLength> samples, SampleLength whole) {
  if (samples.empty()) return {};
  std::vector<SampleLength> lengths = chosen(samples, whole);
  std::vector<LengthShare> buckets;
  for (std::size_t i = 1; i < lengths.size(); ++i) buckets.push_back({lengths[i], 0});
  std::ranges::stable_sort(buckets, {}, [](const LengthShare& b) { return b.length.positions(); });
  for (const SampleLength& sample : samples) {
    const auto first =
        std::ranges::find_if(buckets, [&](const LengthShare& b) { return b.length.holds(sample); });
    if (first != buckets.end()) first->share += 1.0 / static_cast<double>(samples.size());
  }
  std::erase_if(buckets, [](const LengthShare& b) { return b.share == 0; });  // others took all that it did
  return buckets;
}

}  // namespace hone
