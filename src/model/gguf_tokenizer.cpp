// A tokenizer.json as llama.cpp's metadata: byte-level BPE ("gpt2"), or merges of a SentencePiece vocabulary
// with bytes behind it ("llama").
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "file/json.hpp"
#include "file/mapped.hpp"
#include "hone/error.hpp"
#include "model/gguf_metadata.hpp"

namespace hone {
namespace {

using Json = nlohmann::json;

// llama.h, enum llama_token_type
enum TokenType : std::int32_t {
  normal = 1,
  unknown = 2,
  control = 3,
  user_defined = 4,
  unused = 5,
  byte = 6
};

// llama.cpp knows how a text is cut into words by name; these are told apart by what their files say.
std::string pre_tokenizer_name(const Json& file) {
  const std::string before = file.value("pre_tokenizer", Json()).dump();
  const auto has = [&](const char* part) { return before.find(part) != std::string::npos; };
  if (has("\\\\p{N}{1,3}")) return "llama-bpe";
  if (has("(?i:'s|'t") || has("[sS]|")) return "qwen2";
  if (has("\"Digits\"")) return "smollm";
  if (has("[0-9][0-9][0-9]")) return "default";
  if (has("\"ByteLevel\"") && !has("\"Split\"")) return "gpt-2";
  return "";
}

struct Vocabulary {
  std::vector<std::string> tokens;
  std::vector<std::int32_t> types;

  void put(std::int64_t id, const std::string& token, std::int32_t type) {
    const auto at = static_cast<std::size_t>(id);
    if (at >= tokens.size()) tokens.resize(at + 1), types.resize(at + 1, unused);
    tokens[at] = token, types[at] = type;
  }
};

bool is_byte_token(const std::string& token) {
  return token.size() == 6 && token.starts_with("<0x") && token.ends_with(">");
}

// As many as the table has rows: llama.cpp takes no more. Special tokens behind it, of those who share a
// tokenizer with models that read pictures, are left out.
Vocabulary vocabulary_of(const Json& file, std::int64_t vocab_size, bool bytes, const std::string& where) {
  Vocabulary v;
  const Json added_tokens = file.value("added_tokens", Json::array());
  std::set<Json> special;
  for (const Json& added : added_tokens)
    if (added.value("special", false)) special.insert(added.at("id"));
  const auto put = [&](const Json& id, const std::string& token, std::int32_t type) {
    if (!id.is_number_integer() || id.get<std::int64_t>() < 0)
      throw Error(ErrorKind::input, {.what = "a token's id is none", .where = where, .found = id.dump()});
    if (id >= vocab_size && special.contains(id)) return;
    if (id >= vocab_size)
      throw Error(ErrorKind::input, {.what = "a token id above the model's vocabulary",
                                     .where = where,
                                     .expected = "ids below vocab_size " + std::to_string(vocab_size),
                                     .found = id.dump() + ", " + token});
    v.put(id.get<std::int64_t>(), token, type);
  };
  for (const auto& [token, id] : file.at("model").at("vocab").items())
    put(id, token, bytes && is_byte_token(token) ? byte : normal);
  for (const Json& added : added_tokens)
    put(added.at("id"), added.at("content").get<std::string>(),
        added.value("special", false) ? control : user_defined);
  for (std::size_t i = v.tokens.size(); i < static_cast<std::size_t>(vocab_size); ++i)
    v.put(static_cast<std::int64_t>(i), "[PAD" + std::to_string(i) + "]", unused);
  for (std::size_t i = 0; i < v.tokens.size(); ++i)
    if (v.types[i] == unused) v.tokens[i] = "[PAD" + std::to_string(i) + "]";
  return v;
}

std::vector<std::string> merges_of(const Json& model) {
  std::vector<std::string> merges;
  for (const Json& merge : model.value("merges", Json::array()))
    merges.push_back(merge.is_string()
                         ? merge.get<std::string>()
                         : merge.at(0).get<std::string>() + " " + merge.at(1).get<std::string>());
  return merges;
}

// Merges go by the score of what they make: the first merge has the highest.
std::vector<float> scores_of(const Vocabulary& v, const std::vector<std::string>& merges) {
  std::map<std::string, float> by_piece;
  for (std::size_t i = 0; i < merges.size(); ++i) {
    std::string piece = merges[i];
    const std::size_t space = piece.find(' ', 1);
    if (space != std::string::npos) piece.erase(space, 1);
    by_piece.try_emplace(piece, -static_cast<float>(i));
  }
  std::vector<float> scores;
  for (const std::string& token : v.tokens) {
    const auto found = by_piece.find(token);
    scores.push_back(found == by_piece.end() ? -1e6f : found->second);
  }
  return scores;
}

// Does an encoded text begin with a special token?
bool begins_with_special(const Json& file) {
  const Json post = file.value("post_processor", Json());
  const auto of = [](const Json& p) {
    const Json single = p.is_object() ? p.value("single", Json()) : Json();
    return single.is_array() && !single.empty() && single[0].contains("SpecialToken");
  };
  if (of(post)) return true;
  const Json all = post.is_object() ? post.value("processors", Json::array()) : Json::array();
  return std::any_of(all.begin(), all.end(), of);
}

void write_settings(GgufWriter& out, const std::string& folder, const Json& config, bool adds_begin) {
  const std::string path = folder + "/tokenizer_config.json";
  const Json own = is_file(path) ? read_json(path) : Json::object();
  out.key("tokenizer.ggml.add_bos_token", own.value("add_bos_token", Json(adds_begin)) == Json(true));
  const auto id = [&](const char* key, const char* gguf) {
    const Json value = config.value(key, Json());
    const Json first = value.is_array() && !value.empty() ? value[0] : value;
    if (first.is_number_integer())
      out.key(std::string("tokenizer.ggml.") + gguf, static_cast<std::uint32_t>(first.get<std::int64_t>()));
  };
  id("bos_token_id", "bos_token_id"), id("eos_token_id", "eos_token_id"),
      id("pad_token_id", "padding_token_id");
  const std::string jinja = folder + "/chat_template.jinja";
  if (const Json chat = own.value("chat_template", Json()); is_file(jinja))
    out.key("tokenizer.chat_template", read_file(jinja));
  else if (chat.is_string())
    out.key("tokenizer.chat_template", chat.get<std::string>());
}

}  // namespace

void write_tokenizer_keys(GgufWriter& out, const std::string& folder, const Json& config,
                          std::vector<std::string>& notes) {
  const std::string where = folder + "/tokenizer.json";
  if (!is_file(where)) {
    notes.push_back(folder + " has no tokenizer.json: the file gets no vocabulary, and llama.cpp reads none");
    out.key("tokenizer.ggml.model", "none");
    return;
  }
  const Json file = read_json(where);
  const Json model = file.value("model", Json::object());
  if (model.value("type", "BPE") != "BPE")
    throw Error(ErrorKind::input, {.what = "llama.cpp's files have no such tokenizer",
                                   .where = where,
                                   .expected = "a model of type BPE",
                                   .found = model.value("type", "")});
  const bool bytes = model.value("byte_fallback", false);
  const auto merges = merges_of(model);
  const Vocabulary v = vocabulary_of(file, json_integer(config, "vocab_size", where), bytes, where);
  out.key("tokenizer.ggml.model", bytes ? "llama" : "gpt2");
  std::string pre = bytes ? "default" : pre_tokenizer_name(file);
  if (pre.empty()) {
    notes.push_back(where +
                    ": llama.cpp has no name for how this tokenizer cuts words: written as \"default\", "
                    "so that ids may differ there");
    pre = "default";
  }
  out.key("tokenizer.ggml.pre", pre);
  out.key("tokenizer.ggml.tokens", v.tokens);
  if (bytes) {
    out.key("tokenizer.ggml.scores", scores_of(v, merges));
    out.key("tokenizer.ggml.add_space_prefix",
            file.value("normalizer", Json()).dump().find("Prepend") != std::string::npos);
    if (const Json name = model.value("unk_token", Json()); name.is_string())
      for (std::size_t i = 0; i < v.tokens.size(); ++i)
        if (v.tokens[i] == name) out.key("tokenizer.ggml.unknown_token_id", static_cast<std::uint32_t>(i));
  } else {
    out.key("tokenizer.ggml.merges", merges);
  }
  out.key("tokenizer.ggml.token_type", v.types);
  write_settings(out, folder, config, begins_with_special(file));
}

}  // namespace hone
