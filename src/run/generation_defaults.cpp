// What model folders say of generation, and files of prompts.
#include <nlohmann/json.hpp>

#include "data/json_lines.hpp"
#include "file/gguf.hpp"
#include "file/json.hpp"
#include "file/mapped.hpp"
#include "hone/generate.hpp"

namespace hone {
namespace {

using nlohmann::json;

void add_ids(std::vector<std::int32_t>& ids, const json& config) {
  if (!config.is_object() || !config.contains("eos_token_id")) return;
  const json& eos = config["eos_token_id"];
  for (const json& id : eos.is_array() ? eos : json::array({eos}))
    if (id.is_number_integer() && id >= 0 && id < 1 << 30) ids.push_back(id.get<std::int32_t>());
}

template <class T>
void read_number(const json& config, const char* key, std::optional<T>& value) {
  if (config.contains(key) && config[key].is_number()) value = config[key].get<T>();
}

}  // namespace

GenerationDefaults generation_defaults(const std::string& folder) {
  GenerationDefaults d;
  if (is_gguf(folder)) {
    const GgufFile file(folder);
    for (const char* key : {"eos", "eot", "eom"})
      if (const auto id = file.integer(std::string("tokenizer.ggml.") + key + "_token_id", -1);
          id >= 0 && id < 1 << 30)
        d.end_tokens.push_back(static_cast<std::int32_t>(id));
    return d;
  }
  const std::string own = folder + "/generation_config.json", model = folder + "/config.json";
  if (is_file(own)) {
    const json config = read_json(own);
    add_ids(d.end_tokens, config);
    if (config.is_object()) {
      d.samples = config.value("do_sample", json(false)) == json(true);
      read_number(config, "temperature", d.temperature);
      read_number(config, "top_p", d.top_p);
      read_number(config, "min_p", d.min_p);
      read_number(config, "top_k", d.top_k);
      read_number(config, "repetition_penalty", d.repetition_penalty);
    }
  }
  if (d.end_tokens.empty() && is_file(model)) add_ids(d.end_tokens, read_json(model));
  return d;
}

std::vector<std::string> read_prompts(const std::string& path) {
  const bool json_lines = path.ends_with(".jsonl") || path.ends_with(".ndjson");
  std::vector<std::string> prompts;
  LineReader lines(path);
  for (std::string_view line; lines.next(line);) {
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    if (json_lines)
      prompts.push_back(json_line_text(line, "prompt", lines.where()));
    else
      prompts.emplace_back(line.ends_with('\r') ? line.substr(0, line.size() - 1) : line);
  }
  if (prompts.empty()) throw Error(ErrorKind::input, {.what = "the file has no prompts", .where = path});
  return prompts;
}

}  // namespace hone
