// How well a model predicts a text, or the targets of pairs from their sources.
//
//   const hone::Text text("valid.txt", {.tokenizer = "out"});
//   const auto r = hone::evaluate(hone::open("out"), text, {.seq = 256});
//   std::printf("perplexity %.2f, %.3f bits a byte\n", r.perplexity, r.bits_per_byte);
//
// The text is cut into windows of `seq` tokens that do not overlap, the last one as long as the text lasts;
// each token but the text's first is predicted from those before it in its window, so a longer window gives a
// lower loss. With a `stride` windows overlap, as in Hugging Face's "Perplexity of fixed-length models": each
// is `seq` tokens long, begins `stride` tokens behind the one before it, and counts what that one has not
// predicted, so each token has at least seq - stride tokens before it. Of pairs, each target is predicted
// whole, and its end. (A training run's val_loss is over whole windows, and at most 131072 tokens.) The same
// numbers for any number of threads.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include "hone/model.hpp"
#include "hone/pairs.hpp"
#include "hone/precision.hpp"
#include "hone/text.hpp"

namespace hone {

struct EvalOptions {
  std::int64_t seq = 0;  // positions a window; 0: the context, at most 1024, 512 or 256 as the logits allow
  std::int64_t stride = 0;  // tokens from one window's begin to the next one's, at most seq; 0: no overlap
  Precision precision = Precision::f32;
  int threads = 0;              // 0: all cores
  std::string isa{};            // of instruction_sets(); empty: the best that this CPU has
  std::int64_t max_tokens = 0;  // predict so many and no more; 0: the whole text, all pairs
  bool int8 = false;            // products in eight bits, activations too (GenerateOptions::int8)
  bool held_out_only = false;   // only the text's held-out tenth, for a text that the model was trained on
  std::function<void(std::int64_t done, std::int64_t all)> progress{};  // windows or pairs
};

struct EvalReport {
  double loss = 0;        // mean, nats a token
  double perplexity = 0;  // exp(loss)
  double bits_per_byte = 0;
  double accuracy = 0;      // share of tokens that had the largest logit
  std::int64_t tokens = 0;  // predicted
  std::int64_t seq = 0;     // as decided
  std::int64_t stride = 0;  // as asked
  // Of pairs: how many, and the share of them that greedy decoding gets right from end to end.
  std::int64_t pairs = 0;
  double exact_match = 0;
};

// Error(input) when the text's vocabulary exceeds the model's, the text has less than two tokens, or the
// weights make the loss not finite.
HONE_API EvalReport evaluate(const Model& model, const Text& text, const EvalOptions& options = {});
// The same of pairs, of a task those that are held out. Options' seq is not asked: pairs have their lengths,
// but a longer one than the model's context is what their TooLong makes of it. Error(usage) for a model that
// reads no source.
HONE_API EvalReport evaluate(const Model& model, const Pairs& pairs, const EvalOptions& options = {});

}  // namespace hone
