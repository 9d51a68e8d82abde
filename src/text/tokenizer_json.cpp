// tokenizer.json, the file of Hugging Face's tokenizers: what hone writes there, and what it reads.
//
//   byte        BPE over ByteLevel without merges and without a word pattern, vocabulary in order of bytes
//   character   WordLevel over Split([\s\S]), decoder Fuse
//   bpe         BPE over ByteLevel with GPT-2's word pattern
//
// Whatever else a file asks for is refused with the member's name: ids that are nearly right ruin a model
// quietly.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <utility>

#include "base/utf8.hpp"
#include "file/json.hpp"
#include "file/mapped.hpp"
#include "text/tokenizer_impl.hpp"

namespace hone {
namespace {

using nlohmann::json;
constexpr const char* supported =
    "hone reads byte-level BPE as GPT-2 has it, and its own byte and char tokenizers";
constexpr const char* any_character = "[\\s\\S]";
constexpr std::int64_t most_unused_ids = 65536;

[[noreturn]] void refuse(const std::string& where, std::string what, std::string found = {},
                         std::string hint = {}) {
  throw Error(ErrorKind::input, {.what = std::move(what),
                                 .where = where,
                                 .expected = {},
                                 .found = std::move(found),
                                 .hint = std::move(hint)});
}

[[noreturn]] void unsupported(const std::string& where, const std::string& member, const json& value) {
  std::string found = value.dump(-1, ' ', true);
  if (found.size() > 120) found = found.substr(0, 120) + "...";
  refuse(where, member + " is not supported", found, supported);
}

const json& member_or_null(const json& object, const char* key) {
  static const json null;
  return object.is_object() && object.contains(key) ? object.at(key) : null;
}

std::string type_of(const json& value) {
  const json& type = member_or_null(value, "type");
  return type.is_string() ? type.get<std::string>() : "";
}

bool flag(const json& object, const char* key, bool otherwise, const std::string& where) {
  const json& value = member_or_null(object, key);
  if (value.is_null()) return otherwise;
  if (!value.is_boolean()) refuse(where, std::string("\"") + key + "\" is neither true nor false");
  return value.get<bool>();
}

std::int32_t checked_id(const json& value, std::int64_t limit, const std::string& where,
                        const std::string& token) {
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() >= static_cast<std::uint64_t>(limit))
    refuse(where,
           "the id of token " + json(token).dump() + " is not a whole number below " + std::to_string(limit),
           value.dump().substr(0, 40));
  return static_cast<std::int32_t>(value.get<std::uint64_t>());
}

std::vector<AddedToken> parse_added(const json& root, std::int64_t limit, const std::string& where) {
  std::vector<AddedToken> added;
  const json& list = member_or_null(root, "added_tokens");
  if (list.is_null()) return added;
  if (!list.is_array()) refuse(where, "added_tokens is not a list");
  for (const json& entry : list) {
    const std::string content = json_string(entry, "content", where + ", added_tokens");
    if (content.empty()) refuse(where, "an added token is empty");
    for (const char* option : {"single_word", "lstrip", "rstrip"})
      if (flag(entry, option, false, where))
        unsupported(where, std::string("an added token with ") + option, entry);
    added.push_back({content,
                     checked_id(json_member(entry, "id", where + ", added_tokens"), limit, where, content),
                     flag(entry, "special", false, where)});
  }
  return added;
}

std::unordered_map<std::string, std::int32_t> parse_vocabulary(const json& model, std::int64_t& limit,
                                                               const std::string& where) {
  const json& vocabulary = json_member(model, "vocab", where + ", model");
  if (!vocabulary.is_object()) refuse(where, "model.vocab is not an object of tokens and ids");
  limit += static_cast<std::int64_t>(vocabulary.size()) + most_unused_ids;
  std::unordered_map<std::string, std::int32_t> ids;
  std::unordered_map<std::int32_t, std::string> taken;
  for (const auto& [token, id] : vocabulary.items()) {
    const std::int32_t checked = checked_id(id, limit, where, token);
    if (const auto [it, fresh] = taken.emplace(checked, token); !fresh)
      refuse(where, "two tokens have the id " + std::to_string(checked),
             json(it->second).dump() + " and " + json(token).dump());
    ids.emplace(token, checked);
  }
  return ids;
}

// The pair of a merge: "a b", or ["a", "b"] as newer files have it.
std::pair<std::string, std::string> merge_pair(const json& merge, const std::string& where) {
  if (merge.is_string()) {
    const std::string text = merge.get<std::string>();
    const auto space = text.find(' ');
    if (space != std::string::npos && text.find(' ', space + 1) == std::string::npos)
      return {text.substr(0, space), text.substr(space + 1)};
  } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
    std::pair<std::string, std::string> pair{merge[0].get<std::string>(), merge[1].get<std::string>()};
    if ((pair.first + pair.second).find(' ') == std::string::npos) return pair;
  }
  refuse(where, "a merge is not a pair of tokens", merge.dump(-1, ' ', true).substr(0, 80));
}

std::vector<BpeMerge> parse_merges(const json& model,
                                   const std::unordered_map<std::string, std::int32_t>& ids,
                                   const std::string& where) {
  const json& list = json_member(model, "merges", where + ", model");
  if (!list.is_array()) refuse(where, "model.merges is not a list");
  const auto id_of = [&](const std::string& token, std::size_t rank) {
    const auto it = ids.find(token);
    if (it == ids.end())
      refuse(where, "merge " + std::to_string(rank) + " needs a token that the vocabulary lacks",
             json(token).dump());
    return it->second;
  };
  std::vector<BpeMerge> merges;
  for (const json& merge : list) {
    const auto [left, right] = merge_pair(merge, where);
    const std::size_t rank = merges.size();
    merges.push_back({id_of(left, rank), id_of(right, rank), id_of(left + right, rank)});
  }
  return merges;
}

// Bytes and merges must spell out the tokens that they end in. An added token, whose name is taken as it
// stands, can contradict that.
void check_spelling(const std::vector<std::string>& tokens, const std::array<std::int32_t, 256>& byte_ids,
                    const std::vector<BpeMerge>& merges, const std::string& where) {
  const auto bytes = [&](std::int32_t id) -> const std::string& {
    return tokens[static_cast<std::size_t>(id)];
  };
  for (unsigned b = 0; b < 256; ++b)
    if (bytes(byte_ids[b]) != std::string(1, static_cast<char>(b)))
      refuse(where, "the token of the byte " + std::to_string(b) + " is an added token too");
  for (std::size_t rank = 0; rank < merges.size(); ++rank)
    if (bytes(merges[rank].left) + bytes(merges[rank].right) != bytes(merges[rank].result))
      refuse(where, "merge " + std::to_string(rank) + " has to do with an added token");
}

void set_token(std::vector<std::string>& tokens, std::int32_t id, std::string bytes) {
  const auto index = static_cast<std::size_t>(id);
  if (index >= tokens.size()) tokens.resize(index + 1);
  tokens[index] = std::move(bytes);
}

// The bytes of every id, added tokens included.
std::vector<std::string> token_bytes(const std::unordered_map<std::string, std::int32_t>& ids,
                                     const std::vector<AddedToken>& added, const std::string& where) {
  std::vector<std::string> tokens;
  std::unordered_map<std::int32_t, std::string> added_ids;
  for (const AddedToken& a : added) {
    if (const auto [it, fresh] = added_ids.emplace(a.id, a.content); !fresh)
      refuse(where, "two added tokens have the id " + std::to_string(a.id));
    if (const auto it = ids.find(a.content); it != ids.end() && it->second != a.id)
      refuse(where, "the added token " + json(a.content).dump() + " has another id in the vocabulary");
    set_token(tokens, a.id, a.content);
  }
  std::string bytes;
  for (const auto& [token, id] : ids) {
    if (const auto it = added_ids.find(id); it != added_ids.end()) {
      if (it->second != token) refuse(where, "two tokens have the id " + std::to_string(id));
      continue;
    }
    if (!from_byte_characters(token, bytes) || bytes.empty())
      refuse(where, "the vocabulary has a token that is not written in byte-level characters",
             json(token).dump(-1, ' ', true).substr(0, 80), supported);
    set_token(tokens, id, bytes);
  }
  return tokens;
}

void check_bpe_options(const json& root, const json& model, const std::string& where) {
  const json& before = member_or_null(root, "pre_tokenizer");
  if (type_of(before) != "ByteLevel") unsupported(where, "the pre_tokenizer", before);
  if (flag(before, "add_prefix_space", true, where))
    unsupported(where, "pre_tokenizer.add_prefix_space", before);
  if (const json& after = member_or_null(root, "decoder"); type_of(after) != "ByteLevel")
    unsupported(where, "the decoder", after);
  if (const json& post = member_or_null(root, "post_processor");
      !post.is_null() && type_of(post) != "ByteLevel")
    unsupported(where, "the post_processor", post);
  for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (const json& v = member_or_null(model, affix); !v.is_null() && v != "")
      unsupported(where, std::string("model.") + affix, v);
  if (const json& v = member_or_null(model, "dropout"); !v.is_null() && v != 0)
    unsupported(where, "model.dropout", v);
  if (flag(model, "byte_fallback", false, where)) unsupported(where, "model.byte_fallback", true);
}

Tokenizer parse_bpe(const json& root, const json& model, const std::string& where) {
  check_bpe_options(root, model, where);
  Tokenizer::Impl parts;
  const json& list = member_or_null(root, "added_tokens");
  std::int64_t limit = list.is_array() ? static_cast<std::int64_t>(list.size()) : 0;
  const auto ids = parse_vocabulary(model, limit, where);
  std::vector<AddedToken> added = parse_added(root, limit, where);
  parts.tokens = token_bytes(ids, added, where);
  std::array<std::int32_t, 256> byte_ids{};
  for (unsigned b = 0; b < 256; ++b) {
    const auto it = ids.find(to_byte_characters(std::string(1, static_cast<char>(b))));
    if (it == ids.end())
      refuse(where, "the vocabulary has no token for the byte " + std::to_string(b), "", supported);
    byte_ids[b] = it->second;
  }
  std::vector<BpeMerge> merges = parse_merges(model, ids, where);
  check_spelling(parts.tokens, byte_ids, merges, where);
  parts.splits_words = flag(member_or_null(root, "pre_tokenizer"), "use_regex", true, where);
  bool plain = merges.empty() && added.empty() && parts.tokens.size() == 256;
  for (unsigned b = 0; b < 256; ++b) plain = plain && byte_ids[b] == static_cast<std::int32_t>(b);
  if (plain) return make_byte_tokenizer();
  parts.whole_words_first = flag(model, "ignore_merges", false, where);
  parts.bpe = Bpe(byte_ids, std::move(merges));
  parts.added = AddedTokens(std::move(added));
  return make_bpe_tokenizer(std::move(parts));
}

Tokenizer parse_characters(const json& root, const json& model, const std::string& where) {
  const json& before = member_or_null(root, "pre_tokenizer");
  const json& pattern = member_or_null(before, "pattern");
  if (type_of(before) != "Split" || json_string(before, "behavior", where) != "Isolated" ||
      (member_or_null(pattern, "Regex") != any_character && member_or_null(pattern, "String") != ""))
    unsupported(where, "the pre_tokenizer", before);
  for (const char* key : {"added_tokens", "post_processor"})
    if (const json& v = member_or_null(root, key); !v.empty()) unsupported(where, key, v);
  std::int64_t limit = 0;
  const auto ids = parse_vocabulary(model, limit, where);
  std::vector<std::uint32_t> characters(ids.size());
  for (const auto& [token, id] : ids) {
    if (static_cast<std::size_t>(id) >= characters.size())
      refuse(where, "the ids of a character vocabulary have a hole", json(token).dump());
    const CodePoint c = token.empty() ? CodePoint{0, 0} : code_point_at(token, 0);
    if (c.bytes == 0 || c.bytes != token.size())
      refuse(where, "the vocabulary has a token that is not one character", json(token).dump(), supported);
    characters[static_cast<std::size_t>(id)] = c.value;
  }
  if (characters.empty()) refuse(where, "the vocabulary is empty");
  return make_character_tokenizer(characters);
}

std::string json_text(std::string_view text) { return json(text).dump(); }

std::string added_json(const std::vector<AddedToken>& added) {
  std::string text;
  for (const AddedToken& a : added)
    text += std::string(text.empty() ? "\n" : ",\n") + "    {\"id\": " + std::to_string(a.id) +
            ", \"content\": " + json_text(a.content) +
            ", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, \"normalized\": false, "
            "\"special\": " +
            (a.special ? "true}" : "false}");
  return text.empty() ? "[]" : "[" + text + "\n  ]";
}

// How the vocabulary writes a token.
std::string key_of(const Tokenizer::Impl& t, std::size_t id) {
  if (t.kind == TokenizerKind::character) return t.tokens[id];
  for (const AddedToken& a : t.added.all())
    if (static_cast<std::size_t>(a.id) == id) return a.content;
  return to_byte_characters(t.tokens[id]);
}

std::string vocabulary_json(const Tokenizer::Impl& t) {
  std::string text;
  for (std::size_t id = 0; id < t.tokens.size(); ++id)
    if (!t.tokens[id].empty())
      text += std::string(text.empty() ? "\n" : ",\n") + "      " + json_text(key_of(t, id)) + ": " +
              std::to_string(id);
  return "{" + text + "\n    }";
}

// As "a b", which every version of the tokenizers reads; byte-level characters hold no space.
std::string merges_json(const Tokenizer::Impl& t) {
  std::string text;
  for (const BpeMerge& m : t.bpe.merges())
    text += std::string(text.empty() ? "\n" : ",\n") + "      " +
            json_text(key_of(t, static_cast<std::size_t>(m.left)) + " " +
                      key_of(t, static_cast<std::size_t>(m.right)));
  return text.empty() ? "[]" : "[" + text + "\n    ]";
}

std::string byte_level_json(bool splits_words) {
  return std::string(
             "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, "
             "\"use_regex\": ") +
         (splits_words ? "true}" : "false}");
}

}  // namespace

std::string Tokenizer::json() const {
  const Impl& t = *impl_;
  const bool characters = t.kind == TokenizerKind::character;
  const bool splits = t.kind == TokenizerKind::bpe && t.splits_words;
  const std::string before =
      characters ? "{\"type\": \"Split\", \"pattern\": {\"Regex\": " + json_text(any_character) +
                       "}, \"behavior\": \"Isolated\", \"invert\": false}"
                 : byte_level_json(splits);
  std::string text = "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n";
  text += "  \"added_tokens\": " + added_json(t.added.all()) + ",\n  \"normalizer\": null,\n";
  text += "  \"pre_tokenizer\": " + before + ",\n  \"post_processor\": null,\n";
  text +=
      "  \"decoder\": " + (characters ? std::string("{\"type\": \"Fuse\"}") : byte_level_json(true)) + ",\n";
  text += "  \"model\": {\n";
  if (characters) {
    // The unknown token is not in the vocabulary: an unknown character is an error there too.
    text += "    \"type\": \"WordLevel\",\n    \"vocab\": " + vocabulary_json(t) +
            ",\n    \"unk_token\": \"<unk>\"\n";
  } else {
    text += "    \"type\": \"BPE\",\n    \"dropout\": null,\n    \"unk_token\": null,\n";
    text +=
        "    \"continuing_subword_prefix\": null,\n    \"end_of_word_suffix\": null,\n    \"fuse_unk\": "
        "false,\n";
    text += std::string("    \"byte_fallback\": false,\n    \"ignore_merges\": ") +
            (t.whole_words_first ? "true" : "false") + ",\n    \"vocab\": " + vocabulary_json(t) +
            ",\n    \"merges\": " + merges_json(t) + "\n";
  }
  return text + "  }\n}\n";
}

Tokenizer Tokenizer::parse(std::string_view text, const std::string& where) {
  const nlohmann::json root = parse_json(text, where);
  const nlohmann::json& model = json_member(root, "model", where);
  for (const char* key : {"normalizer", "truncation", "padding"})
    if (const auto& v = member_or_null(root, key); !v.is_null()) unsupported(where, key, v);
  const std::string type = type_of(model);
  if (type == "BPE") return parse_bpe(root, model, where);
  if (type == "WordLevel") return parse_characters(root, model, where);
  unsupported(where, "the model type", member_or_null(model, "type"));
}

Tokenizer Tokenizer::open(const std::string& path) {
  const MappedFile file(is_folder(path) ? path + "/tokenizer.json" : path);
  return parse(file.text(), file.path());
}

}  // namespace hone
