#include "text/vocabulary_folder.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "file/gguf.hpp"
#include "file/json.hpp"
#include "file/mapped.hpp"
#include "text/json_place.hpp"

namespace hone {
namespace {

using Json = nlohmann::ordered_json;

std::vector<std::string> lines_of(const std::string& path) {
  const std::string text = read_file(path);
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    if (lines.back().ends_with('\r')) lines.back().pop_back();
    at = end + 1;
  }
  return lines;
}

// The JSON files beside the vocabulary; empty objects where there are none.
class Settings {
 public:
  explicit Settings(const std::string& folder)
      : config_(read(folder, "tokenizer_config.json")),
        added_(read(folder, "added_tokens.json")),
        special_(read(folder, "special_tokens_map.json")),
        where_(folder + "/tokenizer_config.json") {}

  JsonPlace at(const char* key) const { return JsonPlace(config_, where_)[key]; }

  // "GPT2Tokenizer" of "GPT2TokenizerFast".
  std::string tokenizer_class() const {
    std::string name = at("tokenizer_class").text_or("");
    if (name.ends_with("Fast")) name.resize(name.size() - 4);
    return name;
  }

  // The name of a special token: "bos_token" is a text, or an object with its content.
  std::string token(const char* key, const std::string& otherwise) const {
    for (const nlohmann::json* source : {&config_, &special_}) {
      const auto it = source->find(key);
      if (it == source->end()) continue;
      if (it->is_string()) return it->get<std::string>();
      if (it->is_object() && it->contains("content")) return JsonPlace(*it, where_)["content"].text();
    }
    return otherwise;
  }

  // Those that the files describe with their flags, then the special ones of these names, by id. What the
  // vocabulary lacks gets the next ids, in the order of the names, which is Transformers' of its attributes.
  Json added_tokens(const nlohmann::json& vocabulary, const std::vector<std::string>& names) const {
    std::map<std::int64_t, Json> by_id;
    const JsonPlace described = at("added_tokens_decoder");
    if (!described.is_null())
      for (const auto& [id, token] : described.json().items()) {
        const JsonPlace place = described[id.c_str()];
        const auto flag = [&](const char* key) { return place[key].flag_or(false); };
        by_id[number(place, id)] =
            entry(number(place, id), place.required("content").text(), flag("special"), flag("normalized"),
                  flag("lstrip"), flag("rstrip"), flag("single_word"));
      }
    for (const auto& [token, id] : added_.items()) {
      const std::int64_t number = JsonPlace(added_, where_)[token.c_str()].whole();
      by_id.try_emplace(number,
                        entry(number, token, std::find(names.begin(), names.end(), token) != names.end()));
    }
    for (const std::string& name : names) {
      const auto it = vocabulary.find(name);
      const bool known = it != vocabulary.end() && it->is_number_integer();
      const bool described_already = std::any_of(
          by_id.begin(), by_id.end(), [&](const auto& one) { return one.second["content"] == name; });
      if (name.empty() || (!known && described_already)) continue;
      const auto next = std::max(static_cast<std::int64_t>(vocabulary.size()),
                                 by_id.empty() ? 0 : by_id.rbegin()->first + 1);
      const std::int64_t id = known ? it->get<std::int64_t>() : next;
      by_id.try_emplace(id, entry(id, name, true));
    }
    Json all = Json::array();
    for (auto& [id, one] : by_id) all.push_back(std::move(one));
    return all;
  }

 private:
  static nlohmann::json read(const std::string& folder, const char* name) {
    const std::string path = folder + "/" + name;
    nlohmann::json value = is_file(path) ? read_json(path) : nlohmann::json::object();
    if (!value.is_object()) JsonPlace(value, path).refuse("not an object");
    return value;
  }

  static std::int64_t number(const JsonPlace& place, const std::string& text) {
    if (text.empty() || text.size() > 9 || text.find_first_not_of("0123456789") != std::string::npos)
      place.refuse("not a token's id", text);
    return std::stoll(text);
  }

  static Json entry(std::int64_t id, const std::string& content, bool special, bool normalized = false,
                    bool lstrip = false, bool rstrip = false, bool single_word = false) {
    return {{"id", id},         {"content", content},       {"single_word", single_word}, {"lstrip", lstrip},
            {"rstrip", rstrip}, {"normalized", normalized}, {"special", special}};
  }

  nlohmann::json config_, added_, special_;
  std::string where_;
};

Json byte_level(bool prefix, bool regex) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", prefix}, {"trim_offsets", true}, {"use_regex", regex}};
}

// The vocabulary with the tokens that were added to it.
nlohmann::json with_added(nlohmann::json vocabulary, const Json& added) {
  for (const Json& token : added)
    vocabulary.emplace(token["content"].get<std::string>(), token["id"].get<std::int64_t>());
  return vocabulary;
}

// Special tokens in the order of Transformers' attributes, by a class's own names; empty: it has none.
struct SpecialNames {
  const char *begin, *end, *unknown, *separator, *padding, *class_token, *mask;
};
constexpr const char* end_of_text = "<|endoftext|>";
constexpr SpecialNames gpt2_names{end_of_text, end_of_text, end_of_text, "", "", "", ""},
    qwen2_names{"", end_of_text, end_of_text, "", end_of_text, "", ""},
    roberta_names{"<s>", "</s>", "<unk>", "</s>", "<pad>", "<s>", "<mask>"},
    bert_names{"", "", "[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"};

std::vector<std::string> special_tokens(const Settings& s, const SpecialNames& n) {
  return {s.token("bos_token", n.begin),   s.token("eos_token", n.end),
          s.token("unk_token", n.unknown), s.token("sep_token", n.separator),
          s.token("pad_token", n.padding), s.token("cls_token", n.class_token),
          s.token("mask_token", n.mask)};
}

Json named_id(const nlohmann::json& vocabulary, const std::string& token, const std::string& where) {
  const auto it = vocabulary.find(token);
  if (it == vocabulary.end())
    JsonPlace(vocabulary, where).refuse("the vocabulary lacks a special token", token);
  return Json::array({token, it->get<std::int64_t>()});
}

Json special_item(const std::string& token) { return {{"SpecialToken", {{"id", token}, {"type_id", 0}}}}; }

// <s> before a text, where add_bos_token asks for it; an end behind it.
Json frame_of(const Settings& settings, const nlohmann::json& vocabulary, const std::string& where) {
  const bool begin = settings.at("add_bos_token").flag_or(false),
             end = settings.at("add_eos_token").flag_or(false);
  if (!begin && !end) return nullptr;
  Json single = Json::array(), tokens = Json::object();
  const auto put = [&](const char* key) {
    const std::string token = settings.token(key, "<|endoftext|>");
    single.push_back(special_item(token));
    tokens[token] = {{"id", token}, {"ids", {named_id(vocabulary, token, where)[1]}}, {"tokens", {token}}};
  };
  if (begin) put("bos_token");
  single.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
  if (end) put("eos_token");
  return {{"type", "TemplateProcessing"}, {"single", single}, {"pair", single}, {"special_tokens", tokens}};
}

constexpr const char* qwen2_words =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| "
    "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+"
    "|\\s+(?!\\S)|\\s+";

std::string byte_level_bpe(const std::string& folder, const Settings& settings) {
  const std::string where = folder + "/vocab.json", name = settings.tokenizer_class();
  const nlohmann::json vocabulary = read_json(where);
  if (!vocabulary.is_object()) JsonPlace(vocabulary, where).refuse("not an object of tokens and ids");
  const bool roberta = name == "RobertaTokenizer" || name == "BartTokenizer",
             qwen2 = name == "Qwen2Tokenizer";
  if (!roberta && !qwen2 && !name.empty() && name != "GPT2Tokenizer" && name != "PreTrainedTokenizer")
    settings.at("tokenizer_class")
        .refuse("a folder of vocab.json and merges.txt of this class is not read", name,
                "hone reads those of GPT2Tokenizer, RobertaTokenizer, BartTokenizer and Qwen2Tokenizer; "
                "Transformers makes "
                "a tokenizer.json: AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)");
  const SpecialNames& names = roberta ? roberta_names : qwen2 ? qwen2_names : gpt2_names;
  const bool prefix = settings.at("add_prefix_space").flag_or(false);
  Json merges = Json::array();
  for (std::string& line : lines_of(folder + "/merges.txt"))
    if (!line.empty() && !line.starts_with("#version")) merges.push_back(std::move(line));
  Json file{{"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}};
  file["added_tokens"] = settings.added_tokens(vocabulary, special_tokens(settings, names));
  const nlohmann::json known = with_added(vocabulary, file["added_tokens"]);
  file["normalizer"] = qwen2 ? Json{{"type", "NFC"}} : Json(nullptr);
  file["pre_tokenizer"] = byte_level(prefix, true);
  if (qwen2)
    file["pre_tokenizer"] = {{"type", "Sequence"},
                             {"pretokenizers",
                              {Json{{"type", "Split"},
                                    {"pattern", {{"Regex", qwen2_words}}},
                                    {"behavior", "Isolated"},
                                    {"invert", false}},
                               byte_level(prefix, false)}}};
  file["post_processor"] = frame_of(settings, known, where);
  if (roberta)
    file["post_processor"] = {{"type", "RobertaProcessing"},
                              {"sep", named_id(known, settings.token("sep_token", names.separator), where)},
                              {"cls", named_id(known, settings.token("cls_token", names.class_token), where)},
                              {"trim_offsets", true},
                              {"add_prefix_space", prefix}};
  file["decoder"] = byte_level(true, true);
  file["model"] = {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", merges}};
  return file.dump(1) + "\n";
}

std::string word_piece(const std::string& folder, const Settings& settings) {
  const std::string where = folder + "/vocab.txt";
  nlohmann::json vocabulary = nlohmann::json::object();
  const std::vector<std::string> lines = lines_of(where);
  for (std::size_t id = 0; id < lines.size(); ++id)
    if (!vocabulary.emplace(lines[id], id).second)
      JsonPlace(vocabulary, where + ", line " + std::to_string(id + 1))
          .refuse("a token that stands there twice", lines[id]);
  const std::string unknown = settings.token("unk_token", bert_names.unknown),
                    cls = settings.token("cls_token", bert_names.class_token),
                    sep = settings.token("sep_token", bert_names.separator);
  const bool lower = settings.at("do_lower_case").flag_or(true);
  const JsonPlace strip = settings.at("strip_accents");
  Json file{{"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}};
  file["added_tokens"] = settings.added_tokens(vocabulary, special_tokens(settings, bert_names));
  const nlohmann::json known = with_added(vocabulary, file["added_tokens"]);
  file["normalizer"] = {{"type", "BertNormalizer"},
                        {"clean_text", true},
                        {"handle_chinese_chars", settings.at("tokenize_chinese_chars").flag_or(true)},
                        {"strip_accents", strip.is_null() ? Json(nullptr) : Json(strip.flag_or(false))},
                        {"lowercase", lower}};
  file["pre_tokenizer"] = {{"type", "BertPreTokenizer"}};
  file["post_processor"] = {
      {"type", "BertProcessing"}, {"sep", named_id(known, sep, where)}, {"cls", named_id(known, cls, where)}};
  file["decoder"] = {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}};
  file["model"] = {{"type", "WordPiece"},
                   {"unk_token", unknown},
                   {"continuing_subword_prefix", "##"},
                   {"max_input_chars_per_word", 100},
                   {"vocab", vocabulary}};
  return file.dump(1) + "\n";
}

}  // namespace

bool has_tokenizer(const std::string& model) {
  if (is_gguf(model)) return true;
  return std::ranges::any_of(std::array{"tokenizer.json", "vocab.json", "vocab.txt"},
                             [&](const char* name) { return is_file(model + "/" + name); });
}

std::optional<std::string> tokenizer_json_of_folder(const std::string& folder) {
  if (is_file(folder + "/vocab.json") && is_file(folder + "/merges.txt"))
    return byte_level_bpe(folder, Settings(folder));
  if (is_file(folder + "/vocab.txt")) return word_piece(folder, Settings(folder));
  return std::nullopt;
}

}  // namespace hone
