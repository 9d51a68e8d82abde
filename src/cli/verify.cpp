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
  auto* json = new_kept<bool>();
  c->add_option("model", *folder, "model folder")->required();
  c->add_option("--golden", *golden, "safetensors file of the reference run")->required();
  add_isa(*c, options->isa);
  c->add_option("--threads", options->threads, "0: all cores")->capture_default_str();
  c->add_flag("--json", *json, "one JSON object on stdout");
  c->callback([=] {
    const VerifyReport r = verify(*folder, *golden, *options);
    if (*json) {
      JsonLine errors;
      errors.add("logits", r.logits)
          .add("loss", r.loss)
          .add("gradients", r.gradients)
          .add("losses", r.losses);
      print(JsonLine().add("ok", r.ok).add("max_error", errors).add("worst", r.worst).text());
    } else {
      Table table({"what", "largest error", "bound"});
      table.row({"logits", fmt::format("{:.2e}", r.logits), "1e-4"})
          .row({"loss", fmt::format("{:.2e}", r.loss), "1e-5"});
      table.row({"gradients", fmt::format("{:.2e}", r.gradients), "1e-4"})
          .row({"losses", fmt::format("{:.2e}", r.losses), "1e-3"});
      print(table.to_string() +
            (r.ok ? "all within bounds; nearest to its bound: " : "NOT within bounds; worst: ") + r.worst);
    }
    if (!r.ok)
      throw Answered(ErrorKind::failed,
                     {.what = "the model differs from the reference run", .where = r.worst});
  });
}

}  // namespace hone::cli
