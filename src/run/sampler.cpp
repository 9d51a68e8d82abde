#include "run/sampler.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/number.hpp"
#include "base/random.hpp"

namespace hone {

std::vector<std::pair<std::int32_t, double>> candidates(std::span<const float> logits,
                                                        const SamplingOptions& o) {
  if (o.temperature == 0) {
    const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
    return {{static_cast<std::int32_t>(best), 1.0}};
  }
  std::vector<std::int32_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  const auto before = [&](std::int32_t a, std::int32_t b) {
    const float x = logits[static_cast<std::size_t>(a)], y = logits[static_cast<std::size_t>(b)];
    return x != y ? x > y : a < b;
  };
  if (o.top_k > 0 && o.top_k < static_cast<std::int64_t>(ids.size())) {
    std::nth_element(ids.begin(), ids.begin() + o.top_k - 1, ids.end(), before);
    ids.resize(static_cast<std::size_t>(o.top_k));
  }
  std::sort(ids.begin(), ids.end(), before);

  const auto most = static_cast<double>(logits[static_cast<std::size_t>(ids[0])]);
  std::vector<std::pair<std::int32_t, double>> kept;
  double all = 0;
  for (const std::int32_t id : ids) {
    const double logit = static_cast<double>(logits[static_cast<std::size_t>(id)]);
    kept.emplace_back(id, std::exp((logit - most) / static_cast<double>(o.temperature)));
    all += kept.back().second;
  }
  double sum = 0;
  std::size_t count = 0;
  while (count < kept.size() && (count == 0 || sum < static_cast<double>(o.top_p) * all))
    sum += kept[count++].second;
  kept.resize(count);
  for (auto& [id, p] : kept) p /= sum;
  return kept;
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

double log_probability(std::span<const float> logits, std::int32_t token) {
  const double most = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - most);
  return static_cast<double>(logits[static_cast<std::size_t>(token)]) - most - std::log(sum);
}

void check(const SamplingOptions& o) {
  const auto require = [](bool good, const char* what, const char* expected, const std::string& found) {
    if (!good) throw Error(ErrorKind::usage, {.what = what, .expected = expected, .found = found});
  };
  require(std::isfinite(o.temperature) && o.temperature >= 0, "--temperature is out of range", "0 or more",
          to_text(o.temperature));
  require(o.top_k >= 0, "--top-k is out of range", "0 or more", std::to_string(o.top_k));
  require(o.top_p > 0 && o.top_p <= 1, "--top-p is out of range", "above 0, at most 1", to_text(o.top_p));
  require(o.max_tokens >= -1, "the number of tokens is out of range", "-1 or more",
          std::to_string(o.max_tokens));
}

}  // namespace hone
