#include "text/end_tokens.hpp"

#include <nlohmann/json.hpp>

#include "file/gguf.hpp"
#include "file/json.hpp"

namespace hone {
namespace {

using Json = nlohmann::json;
using Ids = std::vector<std::int32_t>;

void add(Ids& ids, std::int64_t id) {
  if (id >= 0 && id < 1 << 30) ids.push_back(static_cast<std::int32_t>(id));
}

Ids ids_in(const std::string& path) {
  Ids ids;
  if (!is_file(path)) return ids;
  const Json config = read_json(path);
  if (!config.is_object() || !config.contains("eos_token_id")) return ids;
  const Json& eos = config["eos_token_id"];
  for (const Json& id : eos.is_array() ? eos : Json::array({eos}))
    if (id.is_number_integer()) add(ids, id.get<std::int64_t>());
  return ids;
}

}  // namespace

Ids end_token_ids(const std::string& model) {
  Ids ids;
  if (is_gguf(model)) {
    const GgufFile file(model);
    for (const char* key : {"eos", "eot", "eom"})
      add(ids, file.integer(std::string("tokenizer.ggml.") + key + "_token_id", -1));
    return ids;
  }
  for (const char* name : {"/generation_config.json", "/config.json"})
    if (ids.empty()) ids = ids_in(model + name);
  return ids;
}

}  // namespace hone
