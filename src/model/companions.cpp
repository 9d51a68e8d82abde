#include "model/companions.hpp"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>

#include "file/atomic.hpp"
#include "file/gguf.hpp"
#include "hone/chat.hpp"
#include "hone/convert.hpp"
#include "hone/lora.hpp"
#include "text/end_tokens.hpp"
#include "text/gguf_tokenizer.hpp"

namespace hone {
namespace {

using Json = nlohmann::json;

constexpr const char* of_tokenizers[] = {"tokenizer.json", "vocab.json",        "merges.txt",
                                         "vocab.txt",      "added_tokens.json", "tokenizer.model"};
constexpr const char* of_chats[] = {"tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja",
                                    "generation_config.json"};
constexpr const char* more_templates = "additional_chat_templates";

void copy_file(const std::string& from, const std::string& to, const std::string& name) {
  const std::string source = from + "/" + name, target = to + "/" + name;
  if (is_file(source) && !is_file(target)) write_file(target, read_file(source));
}

void copy_templates(const std::string& from, const std::string& to) {
  const std::string folder = from + "/" + more_templates;
  if (!is_folder(folder)) return;
  make_folders(to + "/" + more_templates);
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".jinja")
      copy_file(from, to, std::string(more_templates) + "/" + entry.path().filename().string());
}

// One template, or a list of named ones, as Transformers has them.
Json chat_templates(const GgufFile& file) {
  const std::string key = "tokenizer.chat_template";
  Json all = Json::array();
  const auto add = [&](const std::string& name, const std::string& at) {
    all.push_back({{"name", name}, {"template", file.text(at)}});
  };
  if (file.has(key)) add("default", key);
  for (const auto& [at, entry] : file.metadata())
    if (at.starts_with(key + ".")) add(at.substr(key.size() + 1), at);
  return all.size() == 1 && file.has(key) ? all[0]["template"] : all;
}

std::string tokenizer_config(const GgufFile& file) {
  // Whoever goes by the model's class may frame a text in its own way, whatever tokenizer.json says.
  Json config{{"tokenizer_class", "PreTrainedTokenizerFast"}};
  for (const auto& [name, token] : special_token_names(file.path())) config[name] = token;
  if (const Json chat = chat_templates(file); !chat.empty()) config["chat_template"] = chat;
  return config.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string generation_config(const std::vector<std::int32_t>& ends) {
  const Json config{{"eos_token_id", ends.size() == 1 ? Json(ends[0]) : Json(ends)}};
  return ends.empty() ? "" : config.dump(2) + "\n";
}

// Was it written?
bool write_new(const std::string& path, const std::function<std::string()>& text) {
  if (is_file(path)) return false;
  const std::string bytes = text();
  if (!bytes.empty()) write_file(path, bytes);
  return !bytes.empty();
}

bool has_vocabulary(const GgufFile& file) { return file.has("tokenizer.ggml.tokens"); }

}  // namespace

void copy_chat_files(const std::string& from, const std::string& to) {
  if (is_gguf(from)) {
    const GgufFile file(from);
    if (!has_vocabulary(file)) return;
    write_new(to + "/tokenizer_config.json", [&] { return tokenizer_config(file); });
    write_new(to + "/generation_config.json", [&] { return generation_config(end_token_ids(from)); });
    return;
  }
  for (const char* name : of_chats) copy_file(from, to, name);
  copy_templates(from, to);
  if (is_adapter(to))  // which has no config.json, where the base may have its ends
    write_new(to + "/generation_config.json", [&] { return generation_config(end_token_ids(from)); });
}

std::int64_t companions_bytes(const std::string& from) {
  if (!is_gguf(from)) return 0;
  const GgufFile file(from);
  std::uint64_t metadata = file.size();
  for (const GgufTensor& tensor : file.tensors()) metadata = std::min(metadata, tensor.offset);
  return 3 * static_cast<std::int64_t>(metadata);  // an index is a view of 16 bytes for each word of some 8
}

void require_readable_tokenizer(const std::string& from) {
  if (!is_gguf(from)) return;
  const GgufFile file(from);
  if (has_vocabulary(file)) tokenizer_json_of(file);
}

bool has_other_ids(const std::string& folder, const std::string& model) {
  if (!is_file(folder + "/tokenizer.json")) return false;
  const auto own = readable_tokenizer(model), there = readable_tokenizer(folder);
  if (!own) return false;
  if (!there || there->vocab_size() != own->vocab_size()) return true;
  for (std::int32_t id = 0; id < own->vocab_size(); ++id)
    if (there->token(id) != own->token(id)) return true;
  return false;
}

std::vector<std::string> copy_tokenizer(const std::string& from, const std::string& to) {
  std::vector<std::string> notes;
  if (is_gguf(from)) {
    const GgufFile file(from);
    if (has_vocabulary(file) && write_new(to + "/tokenizer.json", [&] { return tokenizer_json_of(file); }))
      notes = tokenizer_notes_of(file);
  }
  for (const char* name : of_tokenizers) copy_file(from, to, name);
  copy_chat_files(from, to);
  return notes;
}

}  // namespace hone
