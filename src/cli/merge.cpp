#include <array>
#include <filesystem>
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

// What belongs to a model's text and not to its weights.
constexpr std::array beside_the_weights{
    "tokenizer.json",     "tokenizer_config.json", "special_tokens_map.json", "vocab.json",
    "merges.txt",         "added_tokens.json",     "tokenizer.model",         "generation_config.json",
    "chat_template.jinja"};

void copy_what_goes_with(const Options& o) {
  for (const char* name : beside_the_weights) {
    const std::filesystem::path to = std::filesystem::path(o.out) / name;
    for (const std::string& from : {o.adapter, o.model}) {
      std::error_code failed;
      const std::filesystem::path file = std::filesystem::path(from) / name;
      if (!std::filesystem::is_regular_file(file, failed) || std::filesystem::exists(to, failed)) continue;
      std::filesystem::copy_file(file, to, failed);
      if (failed)
        throw Error(ErrorKind::failed, {.what = "cannot copy: " + failed.message(), .where = to.string()});
    }
  }
}

void run(const Options& o) {
  const Model model = open_model(o.model, o.adapter);
  const auto dtype = o.dtype == "keep" ? std::nullopt : std::optional(precision_from_name(o.dtype));
  merge(model, o.out, dtype);
  copy_what_goes_with(o);
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
