#include "hone/inspect.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/command.hpp"
#include "cli/json_line.hpp"
#include "cli/terminal.hpp"
#include "cli/training_session.hpp"

namespace hone::cli {

namespace {

void print_metadata(const std::string& path, bool json) {
  constexpr std::size_t widest = 80;  // of a table; JSON has all
  Table table({"key", "type", "value"});
  for (const StoredValue& v : stored_metadata(path)) {
    if (json) print(JsonLine().add("key", v.key).add("type", v.type).add("value", v.value).text());
    std::string line = v.value.substr(0, v.value.find('\n'));
    std::size_t end = std::min(widest, line.size());
    while (end < line.size() && (static_cast<unsigned char>(line[end]) & 0xC0u) == 0x80u) ++end;
    line.resize(end);  // behind a whole character
    table.row({v.key, v.type, line == v.value ? line : line + "..."});
  }
  if (!json) print_text(table.to_string());
}

}  // namespace

void add_inspect(Command& app) {
  auto* c = app.add_subcommand("inspect", "list the tensors of a file or model folder",
                               "  hone inspect out/model.safetensors\n  hone inspect out --json\n"
                               "  hone inspect model.gguf --metadata");
  auto* path = new_kept<std::string>();
  auto *json = new_kept<bool>(), *metadata = new_kept<bool>();
  c->add_option("file", *path, "safetensors or GGUF file, or model folder")->required();
  c->add_flag("--metadata", *metadata, "what the file says beside its tensors: keys and values");
  c->add_flag("--json", *json, "one JSON object a tensor, or a key, on stdout");
  c->callback([=] {
    if (*metadata) return print_metadata(*path, *json);
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
