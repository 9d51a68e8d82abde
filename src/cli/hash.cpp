#include "cli/adapter.hpp"
#include "cli/command.hpp"
#include "cli/json_line.hpp"
#include "cli/terminal.hpp"
#include "cli/training_session.hpp"

namespace hone::cli {

void add_hash(Command& app) {
  auto* c = app.add_subcommand("hash", "digest of a model's weights, the same for any file that holds them",
                               "  hone hash out/book");
  auto* folder = new_kept<std::string>();
  auto* adapter = new_kept<std::string>();
  auto* json = new_kept<bool>();
  c->add_option("model", *folder, "model folder")->required();
  add_adapter(*c, *adapter);
  c->add_flag("--json", *json, "one JSON object on stdout");
  c->callback([=] {
    const std::string hash = open_model(*folder, *adapter).weights_hash();
    print(*json ? JsonLine().add("weights_hash", hash).text() : hash);
  });
}

}  // namespace hone::cli
