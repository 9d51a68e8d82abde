#include "hone/prune.hpp"

#include <fmt/format.h>

#include "cli/command.hpp"
#include "cli/compress_options.hpp"
#include "cli/terminal.hpp"

namespace hone::cli {
namespace {

struct Options {
  CompressArguments compress;
  PruneOptions prune;
};

void note_without_effect(const Options& o) {
  const CompressArguments& a = o.compress;
  const bool parts = prunes_parts(o.prune.pattern), text = !a.options.data.empty();
  if (parts) a.command->note_without_effect({"--method"}, "on whole parts, --pattern " + o.prune.pattern);
  if (o.prune.pattern == "layers")
    a.command->note_without_effect({"--calibration"}, "on layers, each of which is left out to see");
  a.note_without_effect(text && (may_learn(o.prune) || a.correction_rank > 0));
}

Model pruned_of(const Compression& compression, const PruneOptions& options) {
  const Text* const text = compression.text();
  const Pruned done = text ? prune(compression.model(), *text, options) : prune(compression.model(), options);
  print_notes(done.notes);
  return done.model;
}

void run(Options o) {
  note_without_effect(o);
  o.compress.set(o.prune.sample, "measuring");
  const Compression compression = o.compress.open();
  o.prune.correction = o.compress.correction();
  const Text* const text = compression.text();
  o.compress.fit(compression, o.prune.sample, may_learn(o.prune) || o.compress.correction_rank > 0,
                 [&](const CalibrationOptions& sample) {
                   PruneOptions some = o.prune;
                   some.sample = sample;
                   return prune_memory(compression.model(), text, some);
                 });
  const Model made = o.compress.store(pruned_of(compression, o.prune));  // which is not kept beside it
  o.compress.print(compression.finish(made));
}

}  // namespace

void add_prune(Command& app) {
  auto* c = app.add_subcommand(
      "prune", "weights that matter least to zero, in all products but the head; or whole parts out",
      "  hone prune SmolLM2-135M out/half --sparsity 0.5 --eval-data valid.txt\n"
      "  hone prune SmolLM2-135M out/half --method sparsegpt --pattern 2:4 --data train.txt\n"
      "  hone prune SmolLM2-135M out/small --pattern layers --sparsity 0.2 --data train.txt "
      "--max-loss-increase 10%");
  auto* o = new_kept<Options>();
  o->compress.add_to(*c, "all methods but magnitude");
  c->add_option("--method", o->prune.method, fmt::format("of weights: {}", fmt::join(prune_methods(), ", ")))
      ->capture_default_str();
  c->add_option("--sparsity", o->prune.sparsity, "share of each matrix, or of the parts, that goes")
      ->capture_default_str();
  c->add_option("--pattern", o->prune.pattern,
                "unstructured, 2:4, 4x1, 16x1 (out x in), heads, channels, width, layers")
      ->capture_default_str();
  c->add_option("--windows", o->prune.sample.windows, "of --data that are learned from")
      ->capture_default_str();
  c->add_option("--seq", o->prune.sample.seq, "tokens each of these has")->capture_default_str();
  o->compress.add_storage_to(*c);
  o->compress.add_corrections_to(*c);
  c->callback([=] { o->compress.of_in([&] { run(*o); }); });
}

}  // namespace hone::cli
