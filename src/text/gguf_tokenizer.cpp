#include "text/gguf_tokenizer.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "hone/error.hpp"

namespace hone {
namespace {

using Json = nlohmann::ordered_json;

[[noreturn]] void refuse(const GgufFile& file, const std::string& what, const std::string& key,
                         const std::string& expected, const std::string& found,
                         const std::string& hint = {}) {
  throw Error(ErrorKind::input, {.what = what,
                                 .where = file.path() + ", key tokenizer.ggml." + key,
                                 .expected = expected,
                                 .found = found,
                                 .hint = hint});
}

// How words are cut, by llama.cpp's names (llama-vocab.cpp); {1,3} or nothing behind \p{N} makes the
// difference.
std::string qwen_words(const char* digits) {
  return std::string("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}") + digits +
         "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
}

Json byte_level(bool cuts_words) {
  return {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", cuts_words}};
}
Json split_by(const std::string& pattern) {
  return {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}};
}
Json sequence(const char* members, std::vector<Json> all) {
  return {{"type", "Sequence"}, {members, std::move(all)}};
}

constexpr const char *pre_key = "tokenizer.ggml.pre", *unnamed = "default";

// As llama.cpp cuts where nothing is said: runs of signs apart, words as GPT-2 does, digits by threes.
Json unnamed_words() {
  return sequence(
      "pretokenizers",
      {split_by("[\\p{P}$+<=>^~|]+"),
       split_by("'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"),
       split_by("\\p{N}+"), split_by("[0-9][0-9][0-9]"), byte_level(false)});
}

Json pre_tokenizer(const GgufFile& file) {
  const std::string_view name = file.text(pre_key, unnamed);
  if (name == unnamed) return unnamed_words();
  if (name == "gpt-2") return byte_level(true);
  if (name == "smollm")
    return sequence("pretokenizers",
                    {Json{{"type", "Digits"}, {"individual_digits", true}}, byte_level(true)});
  const bool llama3 = name == "llama-bpe" || name == "llama3" || name == "llama-v3";
  if (!llama3 && name != "qwen2")
    refuse(file, "how words are cut is not known by this name", "pre",
           "gpt-2, smollm, llama-bpe, qwen2 or default", std::string(name),
           "name the model's tokenizer.json by --tokenizer");
  return sequence("pretokenizers", {split_by(qwen_words(llama3 ? "{1,3}" : "")), byte_level(false)});
}

enum TokenType : std::int64_t {
  control = 3,
  user_defined = 4,
  unused = 5
};  // llama.h, enum llama_token_type

struct Vocabulary {
  std::vector<std::string_view> tokens;
  std::vector<std::int64_t> types;  // of each; empty: all are normal
};

Vocabulary vocabulary_of(const GgufFile& file) {
  Vocabulary v{file.texts("tokenizer.ggml.tokens"), file.integers("tokenizer.ggml.token_type")};
  if (v.tokens.empty()) refuse(file, "the file has no vocabulary", "tokens", "a text for each token", "none");
  if (!v.types.empty() && v.types.size() != v.tokens.size())
    refuse(file, "not as many types as tokens", "token_type", std::to_string(v.tokens.size()),
           std::to_string(v.types.size()));
  // llama.cpp wants a text for each row of the table, and a table may be padded: those are no tokens.
  const auto pads = [&](std::size_t id) { return v.tokens[id] == "[PAD" + std::to_string(id) + "]"; };
  while (!v.types.empty() && v.types.back() == unused && pads(v.types.size() - 1))
    v.types.pop_back(), v.tokens.pop_back();
  return v;
}

Json vocab_json(const Vocabulary& v) {
  nlohmann::json vocab = nlohmann::json::object();
  for (std::size_t i = 0; i < v.tokens.size(); ++i) vocab[std::string(v.tokens[i])] = i;
  return vocab;
}

Json added_tokens(const Vocabulary& v) {
  Json all = Json::array();
  for (std::size_t i = 0; i < v.types.size(); ++i)
    if (v.types[i] == control || v.types[i] == user_defined)
      all.push_back({{"id", i},
                     {"content", v.tokens[i]},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", v.types[i] == control}});
  return all;
}

// A begin in front of each text, where the file wants one.
Json post_processor(const GgufFile& file, const Vocabulary& v, bool missing) {
  if (!file.flag("tokenizer.ggml.add_bos_token", missing)) return nullptr;
  const std::int64_t id = file.integer("tokenizer.ggml.bos_token_id", -1);
  if (id < 0 || id >= std::ssize(v.tokens))
    refuse(file, "the token that begins a text is none", "bos_token_id",
           "0 to " + std::to_string(std::ssize(v.tokens) - 1), std::to_string(id));
  const std::string token(v.tokens[static_cast<std::size_t>(id)]);
  const auto special = [&](int of) { return Json{{"SpecialToken", {{"id", token}, {"type_id", of}}}}; };
  const auto text = [](const char* which, int of) {
    return Json{{"Sequence", {{"id", which}, {"type_id", of}}}};
  };
  return {{"type", "TemplateProcessing"},
          {"single", {special(0), text("A", 0)}},
          {"pair", {special(0), text("A", 0), special(1), text("B", 1)}},
          {"special_tokens", {{token, {{"id", token}, {"ids", {id}}, {"tokens", {token}}}}}}};
}

Json merges_of(const GgufFile& file) {
  if (!file.has("tokenizer.ggml.merges"))
    refuse(file, "the file has no merges", "merges", "one text a merge", "none",
           "convert the model anew, or name its tokenizer.json by --tokenizer");
  Json all = Json::array();
  for (const std::string_view merge : file.texts("tokenizer.ggml.merges")) {
    const std::size_t space = merge.find(' ', 1);  // the first half may begin with one
    if (space == std::string_view::npos || space + 1 == merge.size())
      refuse(file, "a merge is not two tokens", "merges", "two, with a space between", std::string(merge));
    all.push_back({merge.substr(0, space), merge.substr(space + 1)});
  }
  return all;
}

// All ways in which a piece is made of two others, those of the highest score first, as transformers converts
// a SentencePiece vocabulary.
Json merges_by_score(const GgufFile& file, const Vocabulary& v) {
  const auto scores = file.numbers("tokenizer.ggml.scores");
  if (scores.size() < v.tokens.size())  // padded rows have some too
    refuse(file, "not as many scores as tokens", "scores", std::to_string(v.tokens.size()),
           std::to_string(scores.size()));
  std::unordered_map<std::string_view, std::size_t> ids;
  for (std::size_t i = 0; i < v.tokens.size(); ++i) ids.emplace(v.tokens[i], i);
  struct Merge {
    float score;
    std::size_t first, second;
  };
  std::vector<Merge> merges;
  for (std::size_t i = 0; i < v.tokens.size(); ++i) {
    if (!v.types.empty() && v.types[i] != 1) continue;
    for (std::size_t cut = 1; cut < v.tokens[i].size(); ++cut) {
      const auto first = ids.find(v.tokens[i].substr(0, cut)), second = ids.find(v.tokens[i].substr(cut));
      if (first != ids.end() && second != ids.end())
        merges.push_back({scores[i], first->second, second->second});
    }
  }
  std::sort(merges.begin(), merges.end(), [](const Merge& a, const Merge& b) {
    return a.score != b.score ? a.score > b.score
                              : std::pair(a.first, a.second) < std::pair(b.first, b.second);
  });
  Json all = Json::array();
  for (const Merge& m : merges) all.push_back({v.tokens[m.first], v.tokens[m.second]});
  return all;
}

Json bpe(const Vocabulary& v, Json merges, const Json& unknown, bool bytes, bool whole_words_first) {
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", unknown},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", bytes},
          {"byte_fallback", bytes},
          {"ignore_merges", whole_words_first},
          {"vocab", vocab_json(v)},
          {"merges", std::move(merges)}};
}

Json file_of(const Vocabulary& v) {
  return {
      {"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}, {"added_tokens", added_tokens(v)}};
}

std::string byte_level_json(const GgufFile& file) {
  const Vocabulary v = vocabulary_of(file);
  const std::string_view pre = file.text(pre_key, unnamed);
  Json json = file_of(v);
  json["normalizer"] = pre == "qwen2" ? Json{{"type", "NFC"}} : Json(nullptr);
  json["pre_tokenizer"] = pre_tokenizer(file);
  json["post_processor"] = post_processor(file, v, pre.starts_with("llama"));
  json["decoder"] = byte_level(true);
  json["model"] = bpe(v, merges_of(file), nullptr, false, pre.starts_with("llama"));
  return json.dump();
}

std::string sentence_piece_json(const GgufFile& file) {
  const Vocabulary v = vocabulary_of(file);
  constexpr const char* space = "\xE2\x96\x81";
  const bool prefix = file.flag("tokenizer.ggml.add_space_prefix", true);
  const std::int64_t unknown = file.integer("tokenizer.ggml.unknown_token_id", 0);
  const Json replaced{{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", space}};
  const Json back{{"type", "Replace"}, {"pattern", {{"String", space}}}, {"content", " "}};
  Json json = file_of(v);
  json["normalizer"] =
      prefix ? sequence("normalizers", {Json{{"type", "Prepend"}, {"prepend", space}}, replaced}) : replaced;
  json["pre_tokenizer"] = nullptr;
  json["post_processor"] = post_processor(file, v, true);
  std::vector<Json> steps{back, Json{{"type", "ByteFallback"}}, Json{{"type", "Fuse"}}};
  if (prefix) steps.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  json["decoder"] = sequence("decoders", std::move(steps));
  const bool known = unknown >= 0 && unknown < std::ssize(v.tokens);
  json["model"] = bpe(v, merges_by_score(file, v),
                      known ? Json(v.tokens[static_cast<std::size_t>(unknown)]) : Json(nullptr), true, false);
  return json.dump();
}

}  // namespace

std::vector<std::string> tokenizer_notes_of(const GgufFile& file) {
  if (file.text("tokenizer.ggml.model", "none") != "gpt2" || file.text(pre_key, unnamed) != unnamed)
    return {};
  return {file.path() + ": " + pre_key + (file.has(pre_key) ? " is \"default\"" : " is missing") +
          ", so how the model's texts were cut into words is not known: they are cut as llama.cpp does then, "
          "which may not be what it was trained on; --tokenizer names the model's tokenizer.json"};
}

std::string tokenizer_json_of(const GgufFile& file) {
  const std::string_view model = file.text("tokenizer.ggml.model", "none");
  if (model == "gpt2") return byte_level_json(file);
  if (model == "llama") return sentence_piece_json(file);
  refuse(file, model == "none" ? "the file has no tokenizer" : "a tokenizer of this kind is not read",
         "model", "gpt2 or llama", std::string(model), "name the model's tokenizer.json by --tokenizer");
}

}  // namespace hone
