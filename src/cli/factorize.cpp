#include "hone/factorize.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>

#include "cli/command.hpp"
#include "cli/compress_options.hpp"
#include "cli/terminal.hpp"

namespace hone::cli {
namespace {

struct Options {
  CompressArguments compress;
  FactorizeOptions factorize;
  std::string rows, columns, ranks;
};

// "37,37,36"; nothing of an empty text.
std::vector<std::int64_t> sizes_from_text(const std::string& text, const char* option) {
  std::vector<std::int64_t> sizes;
  const char *at = text.data(), *const last = at + text.size();
  while (at != last) {
    std::int64_t size = 0;
    const auto [end, error] = std::from_chars(at, last, size);
    if (error != std::errc() || size < 1 || (end != last && (*end != ',' || end + 1 == last)))
      throw Error(ErrorKind::usage, {.what = "no sizes",
                                     .where = option,
                                     .expected = "whole numbers above 0, as 37,37,36",
                                     .found = "'" + text + "'"});
    sizes.push_back(size);
    at = end == last ? last : end + 1;
  }
  return sizes;
}

void run(const Options& o) {
  o.compress.note_without_effect(needs_text(o.factorize));
  const Compression compression = o.compress.open();
  FactorizeOptions options = o.factorize;
  o.compress.set(options.calibration, "measuring");
  options.rows = sizes_from_text(o.rows, "--rows");
  options.columns = sizes_from_text(o.columns, "--columns");
  options.ranks = sizes_from_text(o.ranks, "--ranks");
  o.compress.fit(compression, options.calibration, needs_text(options),
                 [&](const CalibrationOptions& sample) {
                   FactorizeOptions some = options;
                   some.calibration = sample;
                   return factorize_memory(compression.model(), some, compression.text());
                 });
  const Factorized made = factorize(compression.model(), options, compression.text());
  if (made.tables.empty())
    print_notes({fmt::format("{} products have two factors; {:.1f} % of the products' numbers stay",
                             made.ranks.size(), 100 * made.kept)});
  print_notes(made.notes);
  o.compress.print(compression.finish(made.model));
}

}  // namespace

void add_factorize(Command& app) {
  auto* c = app.add_subcommand(
      "factorize",
      "weights of products as two factors of low rank each, or the table of tokens as a tensor train",
      "  hone factorize SmolLM2-135M out/low --keep 0.8 --method whitened --data train.txt --eval-data "
      "valid.txt\n"
      "  hone factorize out/book out/low --keep 0.9 --eval-data valid.txt --max-loss-increase 10% --json\n"
      "  hone factorize out/book out/table --method tensor-train --keep 0.3 --eval-data valid.txt");
  auto* o = new_kept<Options>();
  o->compress.add_to(*c, "the method whitened");
  c->add_option("--method", o->factorize.method, fmt::format("{}", fmt::join(factorize_methods(), ", ")))
      ->capture_default_str();
  c->add_option("--keep", o->factorize.keep, "share that stays of the products' numbers, or of the table's")
      ->capture_default_str();
  c->add_option("--windows", o->factorize.calibration.windows, "of whitened: of --data that are learned from")
      ->capture_default_str();
  c->add_option("--seq", o->factorize.calibration.seq, "tokens each of these has")->capture_default_str();
  c->add_option("--rows", o->rows,
                "of tensor-train: rows of each core, as 37,37,36; their product is the table's, or more");
  c->add_option("--columns", o->columns,
                "of tensor-train: columns of each, as 8,9,8; their product is the table's");
  c->add_option("--ranks", o->ranks, "of both: ranks between cores, as 120,240, in place of --keep");
  c->callback([=] { o->compress.of_in([&] { run(*o); }); });
}

}  // namespace hone::cli
