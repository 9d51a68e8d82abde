#include "hone/verify.hpp"

#include <fmt/format.h>

#include "cli/command.hpp"
#include "cli/json_line.hpp"
#include "cli/terminal.hpp"
#include "cli/training_session.hpp"

namespace hone::cli {

void add_verify(Command& app) {
  auto* c = app.add_subcommand("verify", "compare a model's numbers with a reference run's",
                               "  hone verify gpt2-tiny --golden gpt2-tiny/golden.safetensors --json");
  auto* folder = new_kept<std::string>();
  auto* golden = new_kept<std::string>();
  auto* options = new_kept<VerifyOptions>();
  auto* precision = new_kept<std::string>();
  *precision = "f32";
  auto* json = new_kept<bool>();
  c->add_option("model", *folder, "model folder")->required();
  c->add_option("--golden", *golden, "safetensors file of the reference run")->required();
  c->add_option("--precision", *precision, "f32, bf16 or fp16; bounds are wider in the latter")
      ->capture_default_str();
  add_isa(*c, options->isa);
  c->add_option("--threads", options->threads, "0: all cores")->capture_default_str();
  c->add_flag("--json", *json, "one JSON object on stdout");
  c->callback([=] {
    options->precision = precision_from_name(*precision);
    const VerifyReport r = verify(*folder, *golden, *options);
    static constexpr std::pair<const char*, double VerifyErrors::*> kinds[] = {
        {"logits", &VerifyErrors::logits},
        {"loss", &VerifyErrors::loss},
        {"gradients", &VerifyErrors::gradients},
        {"losses", &VerifyErrors::losses}};
    if (*json) {
      JsonLine errors, bounds;
      for (const auto& [name, kind] : kinds) {
        errors.add(name, r.errors.*kind);
        bounds.add(name, r.bounds.*kind);
      }
      print(JsonLine()
                .add("ok", r.ok)
                .add("max_error", errors)
                .add("bounds", bounds)
                .add("worst", r.worst)
                .text());
    } else {
      Table table({"what", "largest error", "bound"});
      for (const auto& [name, kind] : kinds)
        table.row({name, fmt::format("{:.2e}", r.errors.*kind), fmt::format("{:.0e}", r.bounds.*kind)});
      print(table.to_string() +
            (r.ok ? "all within bounds; nearest to its bound: " : "NOT within bounds; worst: ") + r.worst);
    }
    if (!r.ok)
      throw Answered(ErrorKind::failed,
                     {.what = "the model differs from the reference run", .where = r.worst});
  });
}

}  // namespace hone::cli
