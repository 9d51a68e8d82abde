// Two models on the same text: what a change of a model's weights has cost.
//
//   const hone::Text text("valid.txt", {.tokenizer = "model"});
//   const auto r = hone::compare(hone::open("model"), hone::open("smaller"), text);
//   std::printf("perplexity %.2f -> %.2f, KL %.4f nats, %.1f %% of top tokens flipped\n",
//               r.before.perplexity, r.after.perplexity, r.kl, 100 * r.flipped);
//
// Both read the same windows, as `evaluate` cuts them without a stride, and at each position their whole
// distributions are compared. Sums are in f64, position by position: the same numbers for any number of
// threads.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include "hone/model.hpp"
#include "hone/precision.hpp"
#include "hone/text.hpp"

namespace hone {

struct CompareOptions {
  std::int64_t seq = 0;  // positions a window; 0: as EvalOptions decides it, for both models
  Precision precision = Precision::f32;
  int threads = 0;              // 0: all cores
  std::string isa{};            // of instruction_sets(); empty: the best that this CPU has
  std::int64_t max_tokens = 0;  // predict so many and no more; 0: the whole text
  bool held_out_only = false;   // only the text's held-out tenth
  // Computed at once at most, or a window where that has more: fewer take less memory, and change no number.
  std::int64_t positions = 512;
  std::function<void(std::int64_t done, std::int64_t all)> progress{};  // windows
};

// `low` to `high`: 95 % confidence, from how windows differ (each window's mean loss, weighted by its tokens;
// normal). Both are NaN for one window alone.
struct Predicted {
  double loss = 0;        // mean, nats a token; of `after` maybe not finite
  double perplexity = 0;  // exp(loss)
  double low = 0, high = 0;
};

struct CompareReport {
  Predicted before{}, after{};
  double kl = 0;            // mean KL(before || after), nats a token
  double flipped = 0;       // share of positions whose largest logit is another token's
  std::int64_t tokens = 0;  // predicted
  std::int64_t seq = 0;     // as decided
};

// Of models with different numbers of ids, one padded further than the other, the ids that both have are
// compared; losses are each model's own. Error(input) where a vocabulary is smaller than the text's, for a
// text of less than two tokens, and where the loss of `before` is not finite.
HONE_API CompareReport compare(const Model& before, const Model& after, const Text& text,
                               const CompareOptions& options = {});

}  // namespace hone
