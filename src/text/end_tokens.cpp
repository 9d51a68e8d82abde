#include "text/end_tokens.hpp"

#include <nlohmann/json.hpp>

#include "file/gguf.hpp"
#include "file/json.hpp"

namespace hone {
namespace {

using Json = nlohmann::json;
using Ids = std::vector<std::int32_t>;

// Takes what is an id below `below`, and notes what is none.
class Taking {
 public:
  explicit Taking(std::int64_t below) : below_(below) {}

  void take(const Json& id, const std::string& where) {
    if (id.is_number_integer() && id >= 0 && id < below_)
      found_.ids.push_back(id.get<std::int32_t>());
    else
      found_.notes.push_back(where + " is " + id.dump() + ", which is no id of the model: it ends no answer");
  }
  EndTokens found() && { return std::move(found_); }
  bool empty() const { return found_.ids.empty(); }

 private:
  std::int64_t below_;
  EndTokens found_;
};

void take_of_json(const std::string& path, Taking& taking) {
  if (!is_file(path)) return;
  const Json config = read_json(path);
  if (!config.is_object() || !config.contains("eos_token_id") || config["eos_token_id"].is_null()) return;
  const Json& eos = config["eos_token_id"];
  for (const Json& id : eos.is_array() ? eos : Json::array({eos})) taking.take(id, path + ", eos_token_id");
}

}  // namespace

EndTokens end_tokens(const std::string& model, std::int64_t below) {
  Taking taking(below);
  if (is_gguf(model)) {
    const GgufFile file(model);
    for (const char* name : {"eos", "eot", "eom"})
      if (const std::string key = std::string("tokenizer.ggml.") + name + "_token_id"; file.has(key))
        taking.take(file.integer(key, -1), file.path() + ", " + key);
    return std::move(taking).found();
  }
  for (const char* name : {"/generation_config.json", "/config.json"})
    if (taking.empty()) take_of_json(model + name, taking);
  return std::move(taking).found();
}

Ids end_token_ids(const std::string& model) { return end_tokens(model, std::int64_t{1} << 30).ids; }

}  // namespace hone
