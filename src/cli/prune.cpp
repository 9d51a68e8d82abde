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

void run(const Options& o) {
  const Compression compression = o.compress.open();
  const Pruned pruned = prune(compression.model(), o.prune);
  print_notes(pruned.notes);
  const CompressReport report = compression.finish(pruned.model);
  o.compress.print(report);
}

}  // namespace

void add_prune(Command& app) {
  auto* c = app.add_subcommand("prune", "weights that matter least to zero, in all products but the head",
                               "  hone prune SmolLM2-135M out/half --sparsity 0.5 --eval-data valid.txt\n"
                               "  hone prune SmolLM2-135M out/half --pattern 2:4 --eval-data valid.txt "
                               "--max-loss-increase 10% --json");
  auto* o = new_kept<Options>();
  o->compress.add_to(*c, "");
  c->add_option("--method", o->prune.method, fmt::format("{}", fmt::join(prune_methods(), ", ")))
      ->capture_default_str();
  c->add_option("--sparsity", o->prune.sparsity, "share of each matrix that becomes zero")
      ->capture_default_str();
  c->add_option(
       "--pattern", o->prune.pattern,
       "unstructured; 2:4, two of each four inputs; 4x1, 16x1: so many outputs of one input together")
      ->capture_default_str();
  c->callback([=] { run(*o); });
}

}  // namespace hone::cli
