// tokenizer.json, the file of Hugging Face's tokenizers, as far as hone reads it: byte-level BPE as GPT-2 has
// it, and its own byte and character tokenizers. A member that would change ids is obeyed or refused by name:
// ids that are nearly right ruin a model quietly. One that changes none is a note.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <utility>

#include "base/utf8.hpp"
#include "file/gguf.hpp"
#include "file/json.hpp"
#include "file/mapped.hpp"
#include "text/gguf_tokenizer.hpp"
#include "text/tokenizer_impl.hpp"

namespace hone {
namespace {

using nlohmann::json;
constexpr const char* supported =
    "hone reads byte-level BPE as GPT-2 has it, and its own byte and char tokenizers";
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

// Names what a file holds that no reader obeys, so that a key with a slip in it does not pass in silence.
void note_unknown(const json& object, const std::string& path, std::initializer_list<const char*> known,
                  std::vector<std::string>& unknown) {
  if (!object.is_object()) return;
  for (const auto& member : object.items()) {
    const std::string& key = member.key();
    const bool found = std::any_of(known.begin(), known.end(), [&](const char* k) { return key == k; });
    const std::string name = json(path + key).dump();
    if (!found && std::find(unknown.begin(), unknown.end(), name) == unknown.end()) unknown.push_back(name);
  }
}

// A Sequence of one is that one, and of none is none.
const json& unwrapped(const json& value) {
  static const json null;
  if (type_of(value) != "Sequence") return value;
  for (const char* list : {"normalizers", "pretokenizers", "processors", "decoders"})
    if (const json& members = member_or_null(value, list); members.is_array() && members.size() < 2)
      return members.empty() ? null : unwrapped(members[0]);
  return value;
}

// Old files, GPT-2's own among them, do not name the model's type.
std::string model_type(const json& model) {
  if (const json& type = member_or_null(model, "type"); !type.is_null()) return type_of(model);
  if (model.contains("merges")) return "BPE";
  if (model.contains("max_input_chars_per_word")) return "WordPiece";
  return member_or_null(model, "vocab").is_array() ? "Unigram" : "WordLevel";
}

using Vocabulary = std::unordered_map<std::string, std::int32_t>;

// The tokenizers of Hugging Face go by the vocabulary for an added token's id, and past its end by the order
// of the list; so does hone, and says so where the file says otherwise.
std::vector<AddedToken> parse_added(const json& root, const Vocabulary& ids, std::int64_t limit,
                                    const std::string& where, std::vector<std::string>& notes) {
  std::vector<AddedToken> added;
  const json& list = member_or_null(root, "added_tokens");
  if (list.is_null()) return added;
  if (!list.is_array()) refuse(where, "added_tokens is not a list");
  Vocabulary earlier;
  std::string moved;  // the first whose id the file gets wrong
  auto next = static_cast<std::int32_t>(ids.size());
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string here = where + ", added_tokens[" + std::to_string(i) + "]";
    const json& entry = list[i];
    const std::string content = json_string(entry, "content", here);
    if (content.empty()) refuse(here, "an added token is empty");
    if (flag(entry, "single_word", false, here)) unsupported(here, "an added token with single_word", entry);
    const std::int32_t said = checked_id(json_member(entry, "id", here), limit, here, content);
    const auto known = ids.find(content);
    const std::int32_t id = known == ids.end() ? next : known->second;
    if (!earlier.emplace(content, id).second) continue;  // named twice
    next = std::max(next, id + 1);
    if (id != said && moved.empty())
      moved = here + ": by the vocabulary the id of " + json(content).dump() + " is " + std::to_string(id) +
              ", not " + std::to_string(said) + ", and so it is here";
    const bool special = flag(entry, "special", false, here);
    added.push_back({content, id, special, flag(entry, "normalized", !special, here),
                     flag(entry, "lstrip", false, here), flag(entry, "rstrip", false, here)});
  }
  if (!moved.empty()) notes.push_back(moved);
  return added;
}

Vocabulary parse_vocabulary(const json& model, std::int64_t& limit, const std::string& where) {
  const json& vocabulary = json_member(model, "vocab", where + ", model");
  if (!vocabulary.is_object()) refuse(where, "model.vocab is not an object of tokens and ids");
  limit += static_cast<std::int64_t>(vocabulary.size()) + most_unused_ids;
  Vocabulary ids;
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

std::string merge_place(std::size_t rank) { return ", model.merges[" + std::to_string(rank) + "]"; }

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

std::vector<BpeMerge> parse_merges(const json& model, const Vocabulary& ids, const std::string& where) {
  const json& list = json_member(model, "merges", where + ", model");
  if (!list.is_array()) refuse(where, "model.merges is not a list");
  const auto id_of = [&](const std::string& token, std::size_t rank) {
    const auto it = ids.find(token);
    if (it == ids.end())
      refuse(where + merge_place(rank), "the merge needs a token that the vocabulary lacks",
             json(token).dump());
    return it->second;
  };
  std::vector<BpeMerge> merges;
  for (const json& merge : list) {
    if (merge.is_string() && merge.get_ref<const std::string&>().starts_with("#version"))
      continue;  // of merges.txt
    const std::size_t rank = merges.size();
    const auto [left, right] = merge_pair(merge, where + merge_place(rank));
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
      refuse(where + merge_place(rank), "the merge has to do with an added token");
}

void set_token(std::vector<std::string>& tokens, std::int32_t id, std::string bytes) {
  const auto index = static_cast<std::size_t>(id);
  if (index >= tokens.size()) tokens.resize(index + 1);
  tokens[index] = std::move(bytes);
}

// The bytes of every id, added tokens included.
std::vector<std::string> token_bytes(const Vocabulary& ids, const std::vector<AddedToken>& added,
                                     const std::string& where) {
  std::vector<std::string> tokens;
  std::unordered_map<std::int32_t, std::string> added_ids;
  for (const AddedToken& a : added) {
    if (const auto [it, fresh] = added_ids.emplace(a.id, a.content); !fresh)
      refuse(where, "two added tokens have the id " + std::to_string(a.id));
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

// Not asked for: unk_token, fuse_unk and byte_fallback, for no byte is unknown to byte-level BPE;
// trim_offsets.
void check_bpe_options(const json& root, const json& model, const std::string& where,
                       std::vector<std::string>& notes) {
  const json& before = unwrapped(member_or_null(root, "pre_tokenizer"));
  if (type_of(before) != "ByteLevel") unsupported(where, "the pre_tokenizer", before);
  if (flag(before, "add_prefix_space", true, where))
    unsupported(where, "pre_tokenizer.add_prefix_space", before);
  const json& after = unwrapped(member_or_null(root, "decoder"));
  if (after.is_null())
    notes.push_back(where + ": there is no decoder; tokens become text as byte-level BPE has them");
  else if (type_of(after) != "ByteLevel")
    unsupported(where, "the decoder", after);
  if (const json& post = unwrapped(member_or_null(root, "post_processor"));
      !post.is_null() && type_of(post) != "ByteLevel")
    unsupported(where, "the post_processor", post);
  for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (const json& v = member_or_null(model, affix); !v.is_null() && v != "")
      unsupported(where, std::string("model.") + affix, v);
  if (const json& v = member_or_null(model, "dropout"); !v.is_null() && v != 0)
    unsupported(where, "model.dropout", v);
}

Tokenizer parse_bpe(const json& root, const json& model, const std::string& where,
                    std::vector<std::string> notes) {
  check_bpe_options(root, model, where, notes);
  Tokenizer::Impl parts;
  const json& list = member_or_null(root, "added_tokens");
  std::int64_t limit = list.is_array() ? static_cast<std::int64_t>(list.size()) : 0;
  const auto ids = parse_vocabulary(model, limit, where);
  std::vector<AddedToken> added = parse_added(root, ids, limit, where, notes);
  parts.notes = std::move(notes);
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
  parts.splits_words = flag(unwrapped(member_or_null(root, "pre_tokenizer")), "use_regex", true, where);
  bool plain = merges.empty() && added.empty() && parts.tokens.size() == 256;
  for (unsigned b = 0; b < 256; ++b) plain = plain && byte_ids[b] == static_cast<std::int32_t>(b);
  if (plain) return make_byte_tokenizer(std::move(parts.notes));
  parts.whole_words_first = flag(model, "ignore_merges", false, where);
  parts.bpe = Bpe(byte_ids, std::move(merges));
  parts.added = AddedTokens(std::move(added));
  return make_bpe_tokenizer(std::move(parts));
}

Tokenizer parse_characters(const json& root, const json& model, const std::string& where,
                           std::vector<std::string> notes) {
  const json& before = unwrapped(member_or_null(root, "pre_tokenizer"));
  const json& pattern = member_or_null(before, "pattern");
  if (type_of(before) != "Split" || json_string(before, "behavior", where) != "Isolated" ||
      (member_or_null(pattern, "Regex") != any_character && member_or_null(pattern, "String") != ""))
    unsupported(where, "the pre_tokenizer", before);
  if (const json& v = member_or_null(root, "post_processor"); !v.empty())
    unsupported(where, "post_processor", v);
  std::int64_t limit = 0;
  const auto ids = parse_vocabulary(model, limit, where);
  std::vector<AddedToken> added = parse_added(root, ids, limit, where, notes);
  for (const AddedToken& a : added)
    if (ids.contains(a.content)) refuse(where, "a character is an added token too", json(a.content).dump());
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
  return make_character_tokenizer(characters, std::move(added), std::move(notes));
}

// What changes no id: two notes at most.
std::vector<std::string> notes_of(const json& root, const json& model, const std::string& where) {
  std::vector<std::string> notes, unknown;
  note_unknown(root, "",
               {"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
                "post_processor", "decoder", "model"},
               unknown);
  note_unknown(model, "model.",
               {"type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk",
                "byte_fallback", "ignore_merges", "vocab", "merges"},
               unknown);
  note_unknown(member_or_null(root, "pre_tokenizer"), "pre_tokenizer.",
               {"type", "add_prefix_space", "trim_offsets", "use_regex", "pretokenizers", "pattern",
                "behavior", "invert"},
               unknown);
  if (const json& added = member_or_null(root, "added_tokens"); added.is_array())
    for (const json& entry : added)
      note_unknown(entry, "added_tokens.",
                   {"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"}, unknown);
  std::string settings;
  for (const char* key : {"truncation", "padding"})
    if (!member_or_null(root, key).is_null())
      settings += (settings.empty() ? "" : " and ") + std::string(key);
  if (!settings.empty())
    notes.push_back(where + ": its " + settings + " is not applied; hone cuts a text into windows itself");
  std::string names;
  for (const std::string& name : unknown) names += (names.empty() ? "" : ", ") + name;
  if (!unknown.empty()) notes.push_back(where + ": keys that are not known have no effect: " + names);
  return notes;
}

// What a folder has in place of a tokenizer.json, and what to do about it.
[[noreturn]] void refuse_folder(const std::string& folder) {
  std::string found;
  for (const char* name :
       {"vocab.json", "merges.txt", "tokenizer.model", "vocab.txt", "spiece.model", "tokenizer_config.json"})
    if (is_file(folder + "/" + name)) found += (found.empty() ? "" : ", ") + std::string(name);
  const std::string hint = found.empty()
                               ? "copy the model's tokenizer.json there, or name another with --tokenizer"
                               : "Transformers makes one of these: AutoTokenizer.from_pretrained(FOLDER)"
                                 ".save_pretrained(FOLDER)";
  throw Error(ErrorKind::input, {.what = "the folder has no tokenizer.json",
                                 .where = folder,
                                 .expected = {},
                                 .found = found,
                                 .hint = hint});
}

}  // namespace

Tokenizer Tokenizer::parse(std::string_view text, const std::string& where) {
  const nlohmann::json root = parse_json(text, where);
  if (!member_or_null(root, "model").is_object())
    refuse(where, "not a tokenizer.json: it has no \"model\"", {},
           "vocab.json and merges.txt alone, tokenizer_config.json and config.json are other files");
  const nlohmann::json& model = root.at("model");
  if (const auto& v = member_or_null(root, "version"); !v.is_null() && v != "1.0")
    unsupported(where, "the file's version", v);
  if (const auto& v = unwrapped(member_or_null(root, "normalizer")); !v.is_null())
    unsupported(where, "the normalizer", v);
  const std::string type = model_type(model);
  if (type == "BPE") return parse_bpe(root, model, where, notes_of(root, model, where));
  if (type == "WordLevel") return parse_characters(root, model, where, notes_of(root, model, where));
  unsupported(where, "the model type", type.empty() ? member_or_null(model, "type") : nlohmann::json(type));
}

Tokenizer Tokenizer::open(const std::string& path) {
  if (is_folder(path) && !is_file(path + "/tokenizer.json")) refuse_folder(path);
  if (is_gguf(path)) return parse(tokenizer_json_of(GgufFile(path)), path);
  const std::string file = is_folder(path) ? path + "/tokenizer.json" : path;
  return parse(read_file(file), file);
}

}  // namespace hone
