#include "run/sampler.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/number.hpp"
#include "base/random.hpp"
#include "kernel/cross_entropy.hpp"

namespace hone {
namespace {

// The index of the largest, the first of equals. Sixteen maxima side by side: one would wait for itself, 146
// instead of 12 us over 50,257 logits.
std::int32_t index_of_largest(std::span<const float> x) {
  constexpr std::size_t lanes = 16;
  float most[lanes];
  std::fill_n(most, lanes, x[0]);
  std::size_t i = 0;
  for (; i + lanes <= x.size(); i += lanes)
    for (std::size_t j = 0; j < lanes; ++j) most[j] = most[j] < x[i + j] ? x[i + j] : most[j];
  for (; i < x.size(); ++i) most[0] = std::max(most[0], x[i]);
  return static_cast<std::int32_t>(std::find(x.begin(), x.end(), *std::max_element(most, most + lanes)) -
                                   x.begin());
}

}  // namespace

// One pass that keeps the best so far in a
// heap, its worst on top: few enter, so it costs a comparison a logit.
std::vector<std::int32_t> largest(std::span<const float> logits, std::size_t k) {
  const auto before = [&](std::int32_t a, std::int32_t b) {
    const float x = logits[static_cast<std::size_t>(a)], y = logits[static_cast<std::size_t>(b)];
    return x != y ? x > y : a < b;
  };
  std::vector<std::int32_t> ids(k);
  std::iota(ids.begin(), ids.end(), 0);
  if (k < logits.size()) {
    std::make_heap(ids.begin(), ids.end(), before);
    for (std::size_t i = k; i < logits.size(); ++i) {
      if (!(logits[i] > logits[static_cast<std::size_t>(ids.front())])) continue;
      std::pop_heap(ids.begin(), ids.end(), before);
      ids.back() = static_cast<std::int32_t>(i);
      std::push_heap(ids.begin(), ids.end(), before);
    }
  }
  std::sort(ids.begin(), ids.end(), before);
  return ids;
}

namespace {

using Candidates = std::vector<std::pair<std::int32_t, double>>;

// Keeps the fewest from the front, at least one, whose weights add up to `mass`, and makes them
// probabilities. False: all of them are less.
bool keep_mass(Candidates& from, double mass) {
  double sum = 0;
  std::size_t used = 0;
  while (used < from.size() && (used == 0 || sum < mass)) sum += from[used++].second;
  from.resize(used);
  for (auto& [id, p] : from) p /= sum;
  return sum >= mass;
}

// Drops those that have less than so much of the first one's probability.
Candidates with_share(Candidates from, double share) {
  if (share <= 0) return from;
  const double least = share * from.front().second;
  std::erase_if(from, [&](const auto& candidate) { return candidate.second < least; });
  double sum = 0;
  for (const auto& candidate : from) sum += candidate.second;
  for (auto& candidate : from) candidate.second /= sum;
  return from;
}

}  // namespace

void penalize(std::span<float> logits, std::span<const std::int32_t> ids, float penalty) {
  if (penalty == 1) return;
  std::vector<std::int32_t> once(ids.begin(), ids.end());
  std::sort(once.begin(), once.end());
  once.erase(std::unique(once.begin(), once.end()), once.end());
  for (const std::int32_t id : once) {
    if (id < 0 || id >= std::ssize(logits)) continue;
    float& x = logits[static_cast<std::size_t>(id)];
    x = x > 0 ? x / penalty : x * penalty;
  }
}

Candidates candidates(std::span<const float> logits, const SamplingOptions& o) {
  const std::int32_t first = index_of_largest(logits);
  if (o.temperature == 0) return {{first, 1.0}};
  const auto logit = [&](std::int32_t id) {
    return static_cast<double>(logits[static_cast<std::size_t>(id)]);
  };
  const auto weight = [&](std::int32_t id) {
    return std::exp((logit(id) - logit(first)) / static_cast<double>(o.temperature));
  };
  const auto best = [&](std::int64_t count) {
    Candidates kept;
    for (const std::int32_t id : largest(logits, static_cast<std::size_t>(count)))
      kept.emplace_back(id, weight(id));
    return kept;
  };
  const auto most = static_cast<std::int64_t>(logits.size());
  const auto share = static_cast<double>(o.top_p), min_p = static_cast<double>(o.min_p);
  double all = 0;
  if (o.top_k > 0 && o.top_k < most) {
    Candidates kept = best(o.top_k);
    for (const auto& candidate : kept) all += candidate.second;
    keep_mass(kept, share * all);
    return with_share(std::move(kept), min_p);
  }
  // The weight of all is known without sorting them, and the fewest that make up top_p of it are found among
  // the largest few; more are looked at where those do not suffice.
  for (std::int32_t id = 0; id < most; ++id) all += weight(id);
  for (std::int64_t count = share < 1 ? std::min<std::int64_t>(512, most) : most;;
       count = std::min(8 * count, most)) {
    Candidates kept = best(count);
    if (keep_mass(kept, share * all) || count == most) return with_share(std::move(kept), min_p);
  }
}

std::int32_t draw(const std::vector<std::pair<std::int32_t, double>>& from, std::uint64_t seed,
                  std::int64_t position) {
  const auto words = philox(stream_key("sampling", seed), static_cast<std::uint64_t>(position), 0);
  const std::uint64_t wide = (static_cast<std::uint64_t>(words[0]) << 32) | words[1];
  const double at = static_cast<double>(wide >> 11) * 0x1p-53;
  double sum = 0;
  for (const auto& [id, p] : from) {
    sum += p;
    if (at < sum) return id;
  }
  return from.back().first;  // the probabilities' sum was rounded to less than `at`
}

double log_probability(std::span<const float> logits, std::int32_t token, Isa isa, ThreadPool& pool) {
  float loss = 0, lse = 0;
  kernel::run(kernel::CrossEntropy{.rows = 1,
                                   .V = static_cast<std::int64_t>(logits.size()),
                                   .logits = {logits.data(), kernel::Element::f32},
                                   .stride = static_cast<std::int64_t>(logits.size()),
                                   .labels = &token,
                                   .loss = &loss,
                                   .lse = &lse},
              isa, pool);
  return -static_cast<double>(loss);
}

void check(const SamplingOptions& o) {
  const auto require = [](bool good, const char* option, const char* expected, const std::string& found) {
    if (!good)
      throw Error(ErrorKind::usage,
                  {.what = "out of range", .where = option, .expected = expected, .found = found});
  };
  require(std::isfinite(o.temperature) && o.temperature >= 0, "temperature", "0 or more",
          to_text(o.temperature));
  require(o.top_k >= 0, "top_k", "0 or more", std::to_string(o.top_k));
  require(o.top_p > 0 && o.top_p <= 1, "top_p", "above 0, at most 1", to_text(o.top_p));
  require(o.min_p >= 0 && o.min_p <= 1, "min_p", "0 to 1", to_text(o.min_p));
  require(std::isfinite(o.repetition_penalty) && o.repetition_penalty > 0, "repetition_penalty", "above 0",
          to_text(o.repetition_penalty));
  for (const std::string& stop : o.stop_strings)
    require(!stop.empty(), "stop", "a text that is not empty", "''");
  require(std::isfinite(o.length_penalty), "length_penalty", "a finite number", to_text(o.length_penalty));
  require(o.max_tokens >= -1, "max_tokens", "-1 or more", std::to_string(o.max_tokens));
}

}  // namespace hone
