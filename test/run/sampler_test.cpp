#include "run/sampler.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "../temporary_folder.hpp"
#include "base/random.hpp"
#include "base/utf8.hpp"
#include "run/answer_text.hpp"

namespace hone {
namespace {

std::vector<float> logits_of(std::initializer_list<double> probabilities) {
  std::vector<float> logits;
  for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p)));
  return logits;
}

std::vector<std::int32_t> ids(const std::vector<std::pair<std::int32_t, double>>& candidates) {
  std::vector<std::int32_t> list;
  for (const auto& [id, p] : candidates) list.push_back(id);
  return list;
}

using Ids = std::vector<std::int32_t>;

TEST(Sampler, MasksByRankAndByMass) {
  const auto logits = logits_of({0.1, 0.4, 0.05, 0.3, 0.15});
  EXPECT_EQ(ids(candidates(logits, {.temperature = 1, .top_k = 0, .top_p = 1})), (Ids{1, 3, 4, 0, 2}));
  EXPECT_EQ(ids(candidates(logits, {.temperature = 1, .top_k = 3, .top_p = 1})), (Ids{1, 3, 4}));
  EXPECT_EQ(ids(candidates(logits, {.temperature = 1, .top_k = 0, .top_p = 0.65f})), (Ids{1, 3}));
  EXPECT_EQ(ids(candidates(logits, {.temperature = 1, .top_k = 0, .top_p = 0.75f})), (Ids{1, 3, 4}));
  // The mass is that of what top_k left: 0.4 of 0.7 is above a half.
  EXPECT_EQ(ids(candidates(logits, {.temperature = 1, .top_k = 2, .top_p = 0.5f})), (Ids{1}));
  EXPECT_EQ(ids(candidates(logits, {.temperature = 1, .top_k = 0, .top_p = 1e-6f})), (Ids{1}));
  const auto two = candidates(logits, {.temperature = 1, .top_k = 2, .top_p = 1});
  EXPECT_NEAR(two[0].second, 4.0 / 7, 1e-6);
  const auto cold = candidates(logits, {.temperature = 0.5f, .top_k = 2, .top_p = 1});
  EXPECT_NEAR(cold[0].second, 16.0 / 25, 1e-6);  // squares
}

TEST(Sampler, EqualLogitsGoById) {
  const std::vector<float> logits{1, 3, 3, 2, 3};
  EXPECT_EQ(ids(candidates(logits, {.temperature = 0})), (Ids{1}));
  EXPECT_EQ(ids(candidates(logits, {.temperature = 1, .top_k = 2, .top_p = 1})), (Ids{1, 2}));
}

// Selection without sorting everything gives what sorting everything gives.
TEST(Sampler, SelectsFromManyAsASortWould) {
  Stream stream(stream_key("logits", 1));
  for (const float spread : {0.01f, 1.0f, 6.0f}) {  // flat: nearly all are needed for the mass
    std::vector<float> logits(5003);
    for (float& x : logits) x = std::round(64 * spread * stream.normal()) / 64;  // many are equal
    Ids sorted(logits.size());
    std::iota(sorted.begin(), sorted.end(), 0);
    std::stable_sort(sorted.begin(), sorted.end(), [&](std::int32_t a, std::int32_t b) {
      return logits[static_cast<std::size_t>(a)] > logits[static_cast<std::size_t>(b)];
    });
    EXPECT_EQ(ids(candidates(logits, {.temperature = 0})), (Ids{sorted[0]}));
    for (const std::int64_t k : {0, 1, 40, 5002, 5003, 9999})
      for (const float p : {0.5f, 0.95f, 1.0f}) {
        const auto found = candidates(logits, {.temperature = 1, .top_k = k, .top_p = p});
        const std::size_t among =
            k == 0 ? sorted.size() : std::min(sorted.size(), static_cast<std::size_t>(k));
        const auto weight = [&](std::size_t i) {
          return std::exp(static_cast<double>(logits[static_cast<std::size_t>(sorted[i])]));
        };
        double all = 0, mass = 0;
        for (std::size_t i = 0; i < among; ++i) all += weight(i);
        for (std::size_t i = 0; i < found.size(); ++i) {
          ASSERT_EQ(found[i].first, sorted[i]);
          mass += weight(i);
        }
        EXPECT_GE(mass, static_cast<double>(p) * all * (1 - 1e-9));
        EXPECT_LE(mass - weight(found.size() - 1), static_cast<double>(p) * all * (1 + 1e-9));
      }
  }
}

TEST(Sampler, DrawsAsOftenAsProbable) {
  const auto from =
      candidates(logits_of({0.1, 0.4, 0.05, 0.3, 0.15}), {.temperature = 1, .top_k = 0, .top_p = 1});
  std::vector<int> count(5);
  for (int i = 0; i < 20000; ++i) ++count[static_cast<std::size_t>(draw(from, 7, i))];
  const double expected[] = {0.1, 0.4, 0.05, 0.3, 0.15};
  for (std::size_t i = 0; i < 5; ++i) EXPECT_NEAR(count[i] / 20000.0, expected[i], 0.012);
  EXPECT_EQ(draw(from, 7, 5), draw(from, 7, 5));
}

TEST(Sampler, LogProbabilityIsTheModelsOwn) {
  ThreadPool pool(2);
  for (const Isa isa : all_isas) {
    if (!cpu_has(isa)) continue;
    EXPECT_NEAR(log_probability(logits_of({0.2, 0.8}), 1, isa, pool), std::log(0.8), 1e-7) << name(isa);
  }
}

TEST(Sampler, RefusesValuesOutOfRange) {
  EXPECT_NE(error_of(ErrorKind::usage, [] { check({.temperature = -1}); }).find("-1"), std::string::npos);
  error_of(ErrorKind::usage, [] { check({.temperature = NAN}); });
  error_of(ErrorKind::usage, [] { check({.top_k = -1}); });
  error_of(ErrorKind::usage, [] { check({.top_p = 0}); });
  error_of(ErrorKind::usage, [] { check({.max_tokens = -2}); });
}

TEST(Pieces, HoldBackAnUnfinishedCharacter) {
  EXPECT_EQ(whole_characters(""), 0u);
  EXPECT_EQ(whole_characters("ab"), 2u);
  EXPECT_EQ(whole_characters("a\xC3"), 1u);
  EXPECT_EQ(whole_characters("a\xC3\xA9"), 3u);
  EXPECT_EQ(whole_characters("\xE2\x82"), 0u);
  EXPECT_EQ(whole_characters("\xE2\x82\xAC"), 3u);
  EXPECT_EQ(whole_characters("x\xF0\x9F\x98"), 1u);
  EXPECT_EQ(whole_characters("x\xF0\x9F\x98\x80"), 5u);
  EXPECT_EQ(whole_characters("\x80\x80\x80\x80"), 4u);  // never to become a character
  EXPECT_EQ(whole_characters("\xFF"), 1u);
}

}  // namespace
}  // namespace hone
