#include "hone/pack.hpp"

#include <fmt/format.h>

#include "cli/command.hpp"
#include "cli/compress_options.hpp"

namespace hone::cli {
namespace {

struct Options {
  CompressArguments compress;
  bool unpack = false;
};

void run(const Options& o) {
  o.compress.note_without_effect(false);
  const Compression compression = o.compress.open();
  PackReport packed;
  CompressReport report = compression.finish(compression.model(), [&](const std::string& to) {
    packed = o.unpack ? unpack(o.compress.in, to) : pack(o.compress.in, to);
    return packed.bytes;
  });
  report.notes = {
      fmt::format("{:.1f} % of the bytes that the weights' files had: {} of {}",
                  100 * static_cast<double>(packed.bytes) / static_cast<double>(packed.bytes_before),
                  packed.bytes, packed.bytes_before)};
  o.compress.print(report);
}

}  // namespace

void add_pack(Command& app) {
  auto* c = app.add_subcommand("pack", "the same model in fewer bytes on disk, every bit of it",
                               "  hone pack out/book out/packed --json\n"
                               "  hone pack out/packed out/again --unpack");
  auto* o = new_kept<Options>();
  o->compress.add_folders_to(*c);
  c->add_flag("--unpack", o->unpack, "back to plain safetensors, which other tools read");
  c->callback([=] { run(*o); });
}

}  // namespace hone::cli
