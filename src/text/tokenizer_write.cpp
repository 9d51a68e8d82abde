// tokenizer.json as hone writes it: what Hugging Face's tokenizers read.
//
//   byte        BPE over ByteLevel without merges and without a word pattern, vocabulary in order of bytes
//   character   WordLevel over Split([\s\S]), decoder Fuse
//   bpe         BPE over ByteLevel with GPT-2's word pattern
#include <nlohmann/json.hpp>

#include "text/tokenizer_impl.hpp"

namespace hone {
namespace {

using nlohmann::json;

std::string true_or_false(bool value) { return value ? "true" : "false"; }
std::string json_text(std::string_view text) { return json(text).dump(); }

std::string added_json(const std::vector<AddedToken>& added) {
  std::string text;
  for (const AddedToken& a : added)
    text += std::string(text.empty() ? "\n" : ",\n") + "    {\"id\": " + std::to_string(a.id) +
            ", \"content\": " + json_text(a.content) +
            ", \"single_word\": false, \"lstrip\": " + true_or_false(a.lstrip) +
            ", \"rstrip\": " + true_or_false(a.rstrip) + ", \"normalized\": " + true_or_false(a.normalized) +
            ", \"special\": " + true_or_false(a.special) + "}";
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
  const std::size_t added = t.kind == TokenizerKind::character ? t.added.all().size() : 0;  // stand behind
  for (std::size_t id = 0; id < t.tokens.size() - added; ++id)
    if (!t.tokens[id].empty())
      text += std::string(text.empty() ? "\n" : ",\n") + "      " + json_text(key_of(t, id)) + ": " +
              std::to_string(id);
  return "{" + text + "\n    }";
}

// As "a b", which every version of the tokenizers reads; byte-level characters hold no space.
std::string merges_json(const Tokenizer::Impl& t) {
  if (!t.bpe) return "[]";  // bytes
  std::string text;
  for (const BpeMerge& m : t.bpe->merges())
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

std::string with_added_tokens(std::string_view source, std::span<const AddedToken> added) {
  auto root = nlohmann::ordered_json::parse(source);
  auto& list = root["added_tokens"];
  if (!list.is_array()) list = nlohmann::ordered_json::array();
  for (const AddedToken& a : added)
    list.push_back({{"id", a.id},
                    {"content", a.content},
                    {"single_word", a.single_word},
                    {"lstrip", a.lstrip},
                    {"rstrip", a.rstrip},
                    {"normalized", a.normalized},
                    {"special", a.special}});
  return root.dump(2) + "\n";
}

bool same_settings(std::string_view a, std::string_view b) { return json::parse(a) == json::parse(b); }

std::string Tokenizer::json() const {
  const Impl& t = *impl_;
  if (!t.source.empty()) return t.source;
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
    text +=
        "    \"byte_fallback\": false,\n    \"ignore_merges\": false,\n    \"vocab\": " + vocabulary_json(t) +
        ",\n    \"merges\": " + merges_json(t) + "\n";
  }
  return text + "  }\n}\n";
}

}  // namespace hone
