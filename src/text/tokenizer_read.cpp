// tokenizer.json, the file of Hugging Face's tokenizers. A member that would change ids is obeyed or refused
// by name: ids that are nearly right ruin a model quietly. One that changes none is a note.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/utf8.hpp"
#include "file/gguf.hpp"
#include "file/json.hpp"
#include "file/mapped.hpp"
#include "text/file_parts.hpp"
#include "text/gguf_tokenizer.hpp"
#include "text/tokenizer_impl.hpp"
#include "text/vocabulary_folder.hpp"

namespace hone {
namespace {

using nlohmann::json;

// Old files, GPT-2's own among them, do not name the model's type.
std::string model_type(const JsonPlace& model) {
  if (!model["type"].is_null()) return model["type"].text();
  if (!model["merges"].is_null()) return "BPE";
  if (!model["max_input_chars_per_word"].is_null()) return "WordPiece";
  return model["vocab"].json().is_array() ? "Unigram" : "WordLevel";
}

// A Sequence of one is that one, and of none is none.
JsonPlace unwrapped(const JsonPlace& at) {
  if (at.type() != "Sequence") return at;
  for (const char* list : {"normalizers", "pretokenizers", "processors", "decoders"}) {
    const JsonPlace members = at[list];
    if (members.json().is_array() && members.json().size() == 1) return unwrapped(members[std::size_t{0}]);
    if (members.json().is_array() && members.json().empty()) return at["none"];
  }
  return at;
}

// Whether it changes each character alone, or joins and parts characters that are no ASCII.
bool leaves_ascii_apart(const JsonPlace& normalizer) {
  const std::string type = normalizer.type();
  return type == "NFC" || type == "NFD" || type == "NFKC" || type == "NFKD" || type == "Lowercase";
}

class FileReader {
 public:
  FileReader(const json& root, std::string where) : root_(root, std::move(where)), model_(root_["model"]) {}

  Tokenizer read(std::string_view source) {
    if (!model_.json().is_object())
      root_.refuse("not a tokenizer.json: it has no \"model\"", {},
                   "vocab.json and merges.txt alone, tokenizer_config.json and config.json are other files");
    if (const JsonPlace v = root_["version"]; !v.is_null() && v.json() != "1.0")
      v.refuse("this version of the file is not supported", v.shown());
    note_settings();
    type_ = model_type(model_);
    read_model();
    add_unknown_keys();
    if (is_bytes_) return make_byte_tokenizer(std::move(t_.notes));
    if (is_characters_) return make_character_tokenizer(characters_, t_.added.all(), std::move(t_.notes));
    mark_specials(t_);
    t_.source = source;
    return Tokenizer(std::make_shared<const Tokenizer::Impl>(std::move(t_)));
  }

 private:
  void read_model() {
    if (type_ == "BPE") return read_bpe();
    if (type_ == "WordPiece") return read_word_piece();
    if (type_ == "Unigram") return read_unigram();
    if (type_ == "WordLevel") return read_word_level();
    model_["type"].refuse("a model of the type " + type_ + " is not supported", model_["type"].shown(),
                          "hone knows BPE, WordPiece, Unigram, WordLevel");
  }

  void note_settings() {
    constexpr std::string_view known_root[] = {"version",        "truncation", "padding",
                                               "added_tokens",   "normalizer", "pre_tokenizer",
                                               "post_processor", "decoder",    "model"};
    note_unknown_keys(root_, known_root, unknown_);
    std::string settings;
    for (const char* key : {"truncation", "padding"})
      if (!root_[key].is_null()) settings += (settings.empty() ? "" : " and ") + std::string(key);
    if (!settings.empty())
      t_.notes.push_back(root_.where() + ": its " + settings +
                         " is not applied; hone cuts a text into windows itself");
  }

  void add_unknown_keys() {
    std::string names;
    for (const std::string& name : unknown_.unknown_keys) names += (names.empty() ? "" : ", ") + name;
    if (!names.empty())
      t_.notes.push_back(root_.where() + ": keys that are not known have no effect: " + names);
  }

  // What all kinds have: the stages around the model, and the added tokens. `bytes`: the model knows bytes as
  // they are, so that the last pre-tokenizer, a ByteLevel, need not write them as characters.
  void read_stages(const Vocabulary& ids, std::int64_t limit, bool bytes) {
    const JsonPlace normalizer = unwrapped(root_["normalizer"]), decoder = unwrapped(root_["decoder"]);
    t_.normalizer = read_normalizer(normalizer, unknown_);
    t_.pre_tokenizer = read_words(bytes);
    t_.around = read_post_processor(unwrapped(root_["post_processor"]), unknown_);
    t_.any_bytes = bytes;
    const bool as_bytes = bytes && (decoder.is_null() || decoder.type() == "ByteLevel");
    if (!as_bytes) t_.decoder = read_decoder(decoder, unknown_);
    if (bytes && decoder.is_null())
      t_.notes.push_back(root_.where() +
                         ": there is no decoder; tokens become text as byte-level BPE has them");
    if (root_["added_tokens"].json().is_array())
      for (const JsonPlace& entry : root_["added_tokens"].elements())
        note_unknown_keys(entry, known_added, unknown_);
    const auto normalize = [&](std::string& name) { t_.normalizer(name, {}); };
    t_.added = read_added_tokens(root_["added_tokens"], ids, limit,
                                 t_.normalizer ? normalize : std::function<void(std::string&)>(), t_.notes);
    t_.tokens = tokens_by_id(ids, t_.added, as_bytes, root_.where());
    check_frame();
    if (bytes) find_cuts(normalizer);
  }

  void check_frame() const {
    for (const TemplateItem& item : t_.around)
      for (const std::int32_t id : item.ids)
        if (id >= std::ssize(t_.tokens) || t_.tokens[static_cast<std::size_t>(id)].empty())
          root_["post_processor"].refuse("a special token's id is not in the vocabulary", std::to_string(id));
  }

  PreTokenizer read_words(bool bytes) {
    const JsonPlace all = unwrapped(root_["pre_tokenizer"]);
    if (!bytes) return read_pre_tokenizer(all, unknown_);
    const std::vector<JsonPlace> chain = pre_tokenizer_chain(all);
    std::vector<PreTokenizer> steps;
    for (const JsonPlace& one : chain) steps.push_back(read_pre_tokenizer(one, unknown_));
    const JsonPlace& last = chain.back();
    steps.back() =
        byte_level_words(last["add_prefix_space"].flag_or(true), last["use_regex"].flag_or(true), false);
    return [steps = std::move(steps)](Words& words) {
      for (const PreTokenizer& one : steps) one(words);
    };
  }

  // Of pre-tokenizers that are usual with byte-level BPE it is known where words end for sure.
  void find_cuts(const JsonPlace& normalizer) {
    const std::vector<JsonPlace> chain = pre_tokenizer_chain(root_["pre_tokenizer"]);
    const bool prefix = chain.back()["add_prefix_space"].flag_or(true),
               regex = chain.back()["use_regex"].flag_or(true);
    std::optional<WordPattern> words;
    if (regex && (chain.size() == 1 || (chain.size() == 2 && chain[0].type() == "Digits" && !prefix)))
      words = WordPattern::gpt2;
    if (!regex && !prefix && chain.size() == 2) words = split_pattern(chain[0]);
    if (!words) return;
    const bool plain = normalizer.is_null();
    if (plain && !prefix && (chain.size() == 1 || !regex)) t_.plain_words = words;
    t_.cut = {.possible = plain || (leaves_ascii_apart(normalizer) && !t_.added.any(true)),
              .words = *words,
              .between_ascii = !plain};
  }

  void read_bpe() {
    constexpr std::string_view known[] = {"dropout",
                                          "unk_token",
                                          "continuing_subword_prefix",
                                          "end_of_word_suffix",
                                          "fuse_unk",
                                          "byte_fallback",
                                          "ignore_merges",
                                          "vocab",
                                          "merges"};
    note_unknown_keys(model_, known, unknown_);
    t_.kind = TokenizerKind::bpe;
    auto limit = limit_of_added();
    const auto ids = std::make_shared<const Vocabulary>(read_vocabulary(model_.required("vocab"), limit));
    BpeOptionsOfFile options{.prefix = model_["continuing_subword_prefix"].text_or(""),
                             .suffix = model_["end_of_word_suffix"].text_or(""),
                             .whole_words_first = model_["ignore_merges"].flag_or(false)};
    const std::string unknown = model_["unk_token"].text_or("");
    options.unknown = unknown_tokens(*ids, unknown, model_["fuse_unk"].flag_or(false),
                                     model_["byte_fallback"].flag_or(false));
    if (!unknown.empty() && options.unknown.id < 0) options.unknown.missing = model_["unk_token"].where();
    if (const JsonPlace dropout = model_["dropout"]; !dropout.is_null() && dropout.number() != 0)
      t_.notes.push_back(dropout.where() + ": dropout is for training a model, and is not applied");
    const std::vector<JsonPlace> chain = pre_tokenizer_chain(root_["pre_tokenizer"]);
    const bool bytes = !chain.empty() && chain.back().type() == "ByteLevel" && options.prefix.empty() &&
                       options.suffix.empty();
    std::vector<BpeMerge> merges = read_merges(model_.required("merges"), *ids, options.prefix);
    read_stages(*ids, limit, bytes);
    if (!bytes) {
      t_.model = character_bpe_model(std::make_shared<const Bpe>(std::move(merges)), ids, options);
      return;
    }
    set_byte_model(*ids, std::move(merges), options);
  }

  void set_byte_model(const Vocabulary& ids, std::vector<BpeMerge> merges, const BpeOptionsOfFile& options) {
    std::array<std::int32_t, 256> byte_ids{};
    bool in_order = merges.empty() && t_.added.all().empty() && ids.size() == 256;
    for (unsigned b = 0; b < 256; ++b) {
      byte_ids[b] = ids.find(to_byte_characters(std::string(1, static_cast<char>(b))));
      in_order = in_order && byte_ids[b] == static_cast<std::int32_t>(b);
    }
    const bool whole = !t_.normalizer && !t_.plain_words && !t_.cut.possible && t_.decoder.empty() &&
                       t_.around.size() == 1 && pre_tokenizer_chain(root_["pre_tokenizer"]).size() == 1;
    is_bytes_ = in_order && whole && !root_["pre_tokenizer"]["add_prefix_space"].flag_or(false);
    std::shared_ptr<Vocabulary> words;
    if (options.whole_words_first) {
      words = std::make_shared<Vocabulary>();
      std::string bytes;
      for (const auto& [token, id] : ids)
        if (from_byte_characters(token, bytes)) words->add(bytes, id);
    }
    t_.bpe = std::make_shared<const Bpe>(byte_ids, std::move(merges));
    t_.model = byte_bpe_model(t_.bpe, options.unknown, words);
  }

  void read_word_piece() {
    constexpr std::string_view known[] = {"unk_token", "continuing_subword_prefix",
                                          "max_input_chars_per_word", "vocab"};
    note_unknown_keys(model_, known, unknown_);
    t_.kind = TokenizerKind::word_piece;
    auto limit = limit_of_added();
    const auto ids = std::make_shared<const Vocabulary>(read_vocabulary(model_.required("vocab"), limit));
    WordPieceOptions options;
    options.unknown = model_["unk_token"].text_or(options.unknown);
    options.prefix = model_["continuing_subword_prefix"].text_or(options.prefix);
    if (const JsonPlace most = model_["max_input_chars_per_word"]; !most.is_null()) {
      options.most_characters = most.whole();
      if (options.most_characters < 0) most.refuse("a length below zero", most.shown());
    }
    t_.model = word_piece_model(ids, options, root_.where());
    read_stages(*ids, limit, false);
  }

  void read_unigram() {
    constexpr std::string_view known[] = {"unk_id", "vocab", "byte_fallback"};
    note_unknown_keys(model_, known, unknown_);
    t_.kind = TokenizerKind::unigram;
    const std::vector<UnigramPiece> pieces = read_pieces(model_.required("vocab"));
    UnigramOptions options{.by_bytes = model_["byte_fallback"].flag_or(false)};
    if (const JsonPlace unknown = model_["unk_id"]; !unknown.is_null()) {
      const std::int64_t id = unknown.whole();
      if (id < 0 || id >= std::ssize(pieces)) unknown.refuse("not the id of a token", unknown.shown());
      options.unknown = static_cast<std::int32_t>(id);
    }
    Vocabulary ids;
    for (std::size_t i = 0; i < pieces.size(); ++i) ids.set(pieces[i].text, static_cast<std::int32_t>(i));
    t_.model = unigram_model(pieces, options, root_.where());
    read_stages(ids, limit_of_added() + std::ssize(pieces) + (1 << 16), false);
    // A token that a later one of the same name hides still has its text.
    if (t_.tokens.size() < pieces.size()) t_.tokens.resize(pieces.size());
    for (std::size_t i = 0; i < pieces.size(); ++i)
      if (t_.tokens[i].empty()) t_.tokens[i] = pieces[i].text;
  }

  void read_word_level() {
    constexpr std::string_view known[] = {"vocab", "unk_token"};
    note_unknown_keys(model_, known, unknown_);
    t_.kind = TokenizerKind::word_level;
    auto limit = limit_of_added();
    const auto ids = std::make_shared<const Vocabulary>(read_vocabulary(model_.required("vocab"), limit));
    const std::string unknown = model_["unk_token"].text_or("<unk>");
    t_.model = word_level_model(ids, unknown, root_.where());
    read_stages(*ids, limit, false);
    is_characters_ = !ids->contains(unknown) && are_characters(*ids);
  }

  // hone's own tokenizer of characters, which says of an unknown one where it stands.
  bool are_characters(const Vocabulary& ids) {
    const JsonPlace words = unwrapped(root_["pre_tokenizer"]), pattern = words["pattern"];
    if (words.type() != "Split" || words["behavior"].json() != "Isolated" || t_.normalizer ||
        (pattern["Regex"].json() != any_character && pattern["String"].json() != "") || t_.around.size() != 1)
      return false;
    for (const AddedToken& a : t_.added.all())
      if (ids.contains(a.content) || static_cast<std::size_t>(a.id) < ids.size()) return false;
    characters_.assign(ids.size(), 0);
    for (const auto& [token, id] : ids) {
      const CodePoint c = token.empty() ? CodePoint{0, 0} : code_point_at(token, 0);
      if (static_cast<std::size_t>(id) >= characters_.size() || c.bytes == 0 || c.bytes != token.size())
        return false;
      characters_[static_cast<std::size_t>(id)] = c.value;
    }
    return true;
  }

  std::int64_t limit_of_added() const {
    const json& list = root_["added_tokens"].json();
    return list.is_array() ? static_cast<std::int64_t>(list.size()) : 0;
  }

  static constexpr std::string_view known_added[] = {"id",     "content",    "single_word", "lstrip",
                                                     "rstrip", "normalized", "special"};
  JsonPlace root_, model_;
  std::string type_;
  StageNotes unknown_;
  Tokenizer::Impl t_;
  bool is_bytes_ = false, is_characters_ = false;  // they have encoders of their own
  std::vector<std::uint32_t> characters_;
};

// What a folder has in place of a tokenizer.json, and what to do about it.
[[noreturn]] void refuse_folder(const std::string& folder) {
  std::string found;
  for (const char* name :
       {"vocab.json", "merges.txt", "tokenizer.model", "spiece.model", "tokenizer_config.json"})
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

Tokenizer of_gguf(const GgufFile& file) {
  auto impl =
      std::make_shared<Tokenizer::Impl>(Tokenizer::parse(tokenizer_json_of(file), file.path()).impl());
  for (std::string& note : tokenizer_notes_of(file)) impl->notes.push_back(std::move(note));
  return Tokenizer(std::move(impl));
}

}  // namespace

Tokenizer Tokenizer::parse(std::string_view text, const std::string& where) {
  const nlohmann::json root = parse_json(text, where);
  return FileReader(root, where).read(text);
}

Tokenizer Tokenizer::open(const std::string& path) {
  if (is_gguf(path)) return of_gguf(GgufFile(path));
  const std::string file = is_folder(path) ? path + "/tokenizer.json" : path;
  if (is_folder(path) && !is_file(file)) {
    const auto made = tokenizer_json_of_folder(path);
    if (!made) refuse_folder(path);
    return parse(*made, path);
  }
  return parse(read_file(file), file);
}

}  // namespace hone
