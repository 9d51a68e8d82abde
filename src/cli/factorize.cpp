#include "hone/factorize.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/command.hpp"
#include "cli/compress_options.hpp"
#include "cli/terminal.hpp"

namespace hone::cli {
namespace {

struct Options {
  CompressArguments compress;
  FactorizeOptions factorize;
};

void run(const Options& o) {
  o.compress.note_without_effect(needs_text(o.factorize));
  const Compression compression = o.compress.open();
  FactorizeOptions options = o.factorize;
  o.compress.set(options.calibration, "measuring");
  const Factorized made = factorize(compression.model(), options, compression.text());
  print_notes({fmt::format("{} products have two factors; {:.1f} % of the products' numbers stay",
                           made.ranks.size(), 100 * made.kept)});
  o.compress.print(compression.finish(made.model));
}

}  // namespace

void add_factorize(Command& app) {
  auto* c = app.add_subcommand(
      "factorize", "weights of products as two factors of low rank each",
      "  hone factorize SmolLM2-135M out/low --keep 0.8 --method whitened --data train.txt --eval-data "
      "valid.txt\n"
      "  hone factorize out/book out/low --keep 0.9 --eval-data valid.txt --max-loss-increase 10% --json");
  auto* o = new_kept<Options>();
  o->compress.add_to(*c, "the method whitened");
  c->add_option("--method", o->factorize.method, fmt::format("{}", fmt::join(factorize_methods(), ", ")))
      ->capture_default_str();
  c->add_option("--keep", o->factorize.keep, "share of the products' numbers that stays")
      ->capture_default_str();
  c->callback([=] { run(*o); });
}

}  // namespace hone::cli
