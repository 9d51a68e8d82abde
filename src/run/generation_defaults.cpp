// What model folders say of generation, and files of prompts.
#include <nlohmann/json.hpp>

#include "data/json_lines.hpp"
#include "file/json.hpp"
#include "file/mapped.hpp"
#include "hone/generate.hpp"
#include "text/end_tokens.hpp"

namespace hone {
namespace {

using nlohmann::json;

template <class T>
void read_number(const json& config, const char* key, std::optional<T>& value) {
  if (config.contains(key) && config[key].is_number()) value = config[key].get<T>();
}

}  // namespace

GenerationDefaults generation_defaults(const std::string& folder, std::int64_t vocab_size) {
  GenerationDefaults d;
  EndTokens ends = end_tokens(folder, vocab_size > 0 ? vocab_size : std::int64_t{1} << 30);
  d.end_tokens = std::move(ends.ids), d.notes = std::move(ends.notes);
  const std::string own = folder + "/generation_config.json";
  if (!is_file(own)) return d;
  const json config = read_json(own);
  if (!config.is_object()) return d;
  d.samples = config.value("do_sample", json(false)) == json(true);
  read_number(config, "temperature", d.temperature);
  read_number(config, "top_p", d.top_p);
  read_number(config, "min_p", d.min_p);
  read_number(config, "top_k", d.top_k);
  read_number(config, "repetition_penalty", d.repetition_penalty);
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
