#include "hone/pack.hpp"

#include <fmt/format.h>

#include <chrono>

#include "cli/command.hpp"
#include "cli/json_line.hpp"
#include "cli/terminal.hpp"
#include "hone/report.hpp"

namespace hone::cli {
namespace {

struct Options {
  std::string from, to;
  bool unpack = false, json = false;
};

void run(const Options& o) {
  const auto begin = std::chrono::steady_clock::now();
  const PackReport r = o.unpack ? unpack(o.from, o.to) : pack(o.from, o.to);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const double share = static_cast<double>(r.bytes) / static_cast<double>(r.bytes_before);
  if (o.json)
    return print(JsonLine()
                     .add("bytes", r.bytes)
                     .add("bytes_before", r.bytes_before)
                     .add("bits_a_weight", r.bits_a_weight)
                     .add("seconds", seconds)
                     .text());
  print(fmt::format("{} of weights, were {} ({:.1f} %); {:.2f} bits a weight; in {}",
                    human_bytes(static_cast<double>(r.bytes)), human_bytes(static_cast<double>(r.bytes_before)),
                    100 * share, r.bits_a_weight, human_duration(seconds)));
}

}  // namespace

void add_pack(Command& app) {
  auto* c = app.add_subcommand("pack", "the same model in fewer bytes on disk, every bit of it",
                               "  hone pack out/book out/packed\n  hone pack out/packed out/again --unpack");
  auto* o = new_kept<Options>();
  c->add_option("in", o->from, "model folder")->required();
  c->add_option("out", o->to, "folder to make")->required();
  c->add_flag("--unpack", o->unpack, "back to plain safetensors, which other tools read");
  c->add_flag("--json", o->json, "one JSON object on stdout");
  c->callback([=] { run(*o); });
}

}  // namespace hone::cli
