#include "run/beams.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.hpp"
#include "hone/generate.hpp"
#include "machine/isa.hpp"

namespace hone {
namespace {

using Ids = std::vector<std::int32_t>;

constexpr std::int64_t V = 4;
constexpr std::int32_t stop = 0;

// Logits that depend on everything so far.
std::vector<float> logits_after(const Ids& ids) {
  std::string key = "after";
  for (const std::int32_t id : ids) key += " " + std::to_string(id);
  Stream stream(stream_key(key, 0));
  std::vector<float> logits(V);
  for (float& x : logits) x = 2 * stream.normal();
  return logits;
}

struct Found {
  Ids ids{};
  double score = -1e30;
};

// All sequences up to a length, and the best of those that ended or are as long as they may be.
void look_at_all(const Ids& so_far, double sum, std::size_t most, float penalty, Found& best) {
  const bool ended = !so_far.empty() && so_far.back() == stop;
  if (ended || so_far.size() == most) {
    const double score = sum / std::pow(static_cast<double>(so_far.size()), static_cast<double>(penalty));
    if (score > best.score) best = {so_far, score};
    return;
  }
  const auto logits = logits_after(so_far);
  double all = 0;
  for (const float x : logits) all += std::exp(static_cast<double>(x));
  for (std::int32_t id = 0; id < V; ++id) {
    Ids next = so_far;
    next.push_back(id);
    look_at_all(next, sum + static_cast<double>(logits[static_cast<std::size_t>(id)]) - std::log(all), most,
                penalty, best);
  }
}

Ids search(std::int64_t beams, std::size_t most, float penalty) {
  ThreadPool pool(1);
  Beams all(
      {.beams = beams, .length_penalty = penalty, .is_stop = [](std::int32_t id) { return id == stop; }},
      best_isa(), pool);
  std::vector<Ids> sequences{{}};
  for (std::size_t length = 1; length <= most; ++length) {
    std::vector<float> logits;
    for (const Ids& ids : sequences) {
      const auto row = logits_after(ids);
      logits.insert(logits.end(), row.begin(), row.end());
    }
    all.advance(logits, std::ssize(sequences), V);
    if (all.done()) break;
    std::vector<Ids> next;
    for (std::size_t i = 0; i < all.parents().size(); ++i) {
      next.push_back(sequences[static_cast<std::size_t>(all.parents()[i])]);
      next.back().push_back(all.tokens()[i]);
    }
    sequences = std::move(next);
  }
  Ids ids;
  for (const BeamToken& t : all.best().tokens) ids.push_back(t.token);
  return ids;
}

TEST(Beams, AsManyAsThereAreSequencesFindTheBest) {
  for (const std::size_t most : {1, 2, 3, 4})
    for (const float penalty : {0.0f, 1.0f, 2.0f}) {
      Found best;
      look_at_all({}, 0, most, penalty, best);
      EXPECT_EQ(search(64, most, penalty), best.ids) << most << " " << penalty;
    }
}

// What Transformers 5.24 finds (generate, num_beams) for the same model, prompts and options.
TEST(Beams, FindWhatTransformersFinds) {
  const Model model = open(HONE_TEST_DATA "/models/gpt2");
  Ids many;
  for (std::int32_t id = 3; id < 70; ++id) many.push_back(id);
  struct Case {
    Ids prompt;
    std::int64_t max_tokens, beams;
    float length_penalty;
    bool early_stopping;
    std::int32_t stop;
    Ids found;
  };
  const Ids five{9, 200, 31, 4, 77}, whole{505, 505, 389, 389, 389, 389, 389, 389};
  const Case cases[] = {{{5, 17, 300}, 8, 4, 1, false, 471, whole},
                        {{5, 17, 300}, 8, 4, 2, false, 471, whole},
                        {five, 12, 3, 0.5f, false, 290, {290}},
                        {five, 12, 5, 1, true, 290, {389, 389, 389, 389, 290}},
                        {many, 10, 4, 1, false, 384, Ids(10, 290)}};
  for (const Case& c : cases)
    for (const int threads : {1, 2}) {
      Generator generator{GeneratePlan(model, {.threads = threads, .beams = c.beams})};
      Ids found;
      double sum = 0;
      for (const Piece& piece : generator.generate(c.prompt, {.max_tokens = c.max_tokens,
                                                             .stop_tokens = {c.stop},
                                                             .length_penalty = c.length_penalty,
                                                             .early_stopping = c.early_stopping})) {
        found.push_back(piece.token);
        sum += static_cast<double>(piece.log_probability);
      }
      EXPECT_EQ(found, c.found) << c.beams << " beams, " << threads << " threads";
      EXPECT_LT(sum, 0);
      EXPECT_EQ(generator.finish(), found.back() == c.stop ? Finish::stop_token : Finish::length);
    }
}

}  // namespace
}  // namespace hone
