#include <optional>

#include "cli/adapter.hpp"
#include "cli/command.hpp"
#include "cli/json_line.hpp"
#include "cli/terminal.hpp"
#include "hone/error.hpp"
#include "hone/lora.hpp"

namespace hone::cli {
namespace {

struct Options {
  std::string model, adapter, out, dtype = "keep";
  bool json = false;
};

void run(const Options& o) {
  leave_nothing_unfinished(o.json);
  const Model model = open_model(o.model, o.adapter);
  const auto dtype = o.dtype == "keep" ? std::nullopt : std::optional(precision_from_name(o.dtype));
  print_notes(merge(model, o.out, dtype, {o.adapter, o.model}));
  const std::string hash = open(o.out).weights_hash();
  print(o.json ? JsonLine().add("out", o.out).add("weights_hash", hash).text() : hash);
}

}  // namespace

void add_merge(Command& app) {
  auto* c = app.add_subcommand("merge", "one model of a model and a LoRA adapter; prints its digest",
                               "  hone merge SmolLM2-135M out/adapter out/merged\n"
                               "  hone merge SmolLM2-135M out/adapter out/merged --dtype f32");
  auto* o = new_kept<Options>();
  c->add_option("model", o->model, "folder of the adapter's base")->required();
  c->add_option("adapter", o->adapter, "folder of the adapter, in PEFT's format")->required();
  c->add_option("out", o->out, "folder to make")->required();
  c->add_option("--dtype", o->dtype,
                "of the weights: keep (as the base's files have them), f32, bf16 or fp16")
      ->capture_default_str();
  c->add_flag("--json", o->json, "one JSON object on stdout");
  c->callback([=] { run(*o); });
}

}  // namespace hone::cli
