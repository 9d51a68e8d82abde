#include "hone/inspect.hpp"

#include <fmt/format.h>

#include "cli/command.hpp"
#include "cli/json_line.hpp"
#include "cli/terminal.hpp"
#include "cli/training_session.hpp"

namespace hone::cli {

void add_inspect(Command& app) {
  auto* c = app.add_subcommand("inspect", "list the tensors of a file or model folder",
                               "  hone inspect out/model.safetensors\n  hone inspect out --json");
  auto* path = new_kept<std::string>();
  auto* json = new_kept<bool>();
  c->add_option("file", *path, "safetensors file or model folder")->required();
  c->add_flag("--json", *json, "one JSON object a tensor on stdout");
  c->callback([=] {
    Table table({"tensor", "type", "shape", "size"});
    double bytes = 0, elements = 0;
    for (const StoredTensor& t : stored_tensors(*path)) {
      const std::string shape = fmt::format("[{}]", fmt::join(t.shape, ","));
      if (*json)
        print(JsonLine()
                  .add("name", t.name)
                  .add("dtype", t.dtype)
                  .add("shape", t.shape)
                  .add("bytes", t.bytes)
                  .text());
      table.row({t.name, t.dtype, shape, human_bytes(static_cast<double>(t.bytes))});
      bytes += static_cast<double>(t.bytes);
      double n = 1;
      for (const auto size : t.shape) n *= static_cast<double>(size);
      elements += n;
    }
    table.rule().row({human_count(elements) + " values", "", "", human_bytes(bytes)});
    if (!*json) print_text(table.to_string());
  });
}

}  // namespace hone::cli
