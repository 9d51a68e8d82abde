// hone as a C++ library: a model, an optimizer, a loop of your own, an architecture of your own.
//
//   hone::Text text("book.txt", {.tokenizer = "byte"});            // its last tenth is held out
//   hone::Model gpt = hone::preset("nano", {.vocab_size = text.vocab_size()});  // no memory yet
//   hone::TrainPlan plan(gpt, {.batch = 32, .seq = 256, .precision = hone::Precision::bf16});
//   const hone::Forecast& f = plan.forecast();
//   std::printf("%ld MiB, %.0f ms a step\n", long(f.peak_bytes >> 20), f.step_ms);
//
//   hone::Trainer trainer(plan);                                   // takes that arena, binds once
//   const hone::Cosine lr{.peak = 1e-3f, .warmup = 100, .steps = 2000};
//   for (auto n = trainer.steps(); n < 2000; n = trainer.steps()) {  // the loop is yours
//     const auto done = trainer.step(text.batch(n, 32, 256), {.lr = lr(n), .clip = 1});
//     if (n % 100 == 0) std::printf("%5ld %.3f\n", long(n), done.loss);
//   }
//   trainer.save("out");                                           // a Hugging Face folder
//
//   hone::Generator generator(hone::GeneratePlan(trainer.model()));
//   const hone::Tokenizer& tokenizer = text.tokenizer();
//   for (const hone::Piece& piece : generator.generate(tokenizer.encode("In the "), {}, &tokenizer))
//     std::fwrite(piece.text.data(), 1, piece.text.size(), stdout);  // break stops
//
// This header brings all of them; each of the others is the face of one part and opens with what it is for:
//
// - text, shards, tokenizer    texts, as files or tokenised once; ids
// - pairs, examples            pairs of texts; prompts and chats
// - model, builder             presets, folders, architectures of one's own
// - lora                       adapters: what fine-tunes a model in little memory
// - train, schedule            plan, trainer, learning rates
// - training_run               a whole run, as `hone train` does it
// - generate, chat             text from a model; its template for chats
// - encode                     what a network makes of a batch, in int8 too
// - eval, verify, compare      how well a model predicts; its numbers against a reference, or another model's
// - compress, prune, quantize  smaller models, and what they cost
// - forecast, machine, bench   what a run will need; what this machine can do; what was reached
// - report, inspect, convert   tables, plots, progress; what a file of weights holds; other formats
// - distill, pack             small models of large ones; the same model in fewer bytes
// - unfinished                 for a program that a signal ends: nothing half-written stays
// - error, version, precision, nearest
//
// Values (Model, Text, Tokenizer, plans) are cheap to copy and may be shared by threads; a Trainer and a
// Generator own one arena each and serve one thread at a time. Whatever goes wrong is a hone::Error that says
// what, where, and what to do. The library is a guest: it writes to no standard stream, installs no handler,
// never exits, reads no environment variable, minds no locale, and leaves the caller's floating-point mode
// alone.
#pragma once
#include "hone/bench.hpp"
#include "hone/builder.hpp"
#include "hone/chat.hpp"
#include "hone/compare.hpp"
#include "hone/compress.hpp"
#include "hone/convert.hpp"
#include "hone/correction.hpp"
#include "hone/distill.hpp"
#include "hone/encode.hpp"
#include "hone/error.hpp"
#include "hone/eval.hpp"
#include "hone/examples.hpp"
#include "hone/factorize.hpp"
#include "hone/forecast.hpp"
#include "hone/generate.hpp"
#include "hone/inspect.hpp"
#include "hone/lora.hpp"
#include "hone/machine.hpp"
#include "hone/model.hpp"
#include "hone/nearest.hpp"
#include "hone/pack.hpp"
#include "hone/pairs.hpp"
#include "hone/plan_choices.hpp"
#include "hone/precision.hpp"
#include "hone/prune.hpp"
#include "hone/quantize.hpp"
#include "hone/report.hpp"
#include "hone/schedule.hpp"
#include "hone/shards.hpp"
#include "hone/sparse.hpp"
#include "hone/text.hpp"
#include "hone/tokenizer.hpp"
#include "hone/train.hpp"
#include "hone/training_run.hpp"
#include "hone/unfinished.hpp"
#include "hone/verify.hpp"
#include "hone/version.hpp"
