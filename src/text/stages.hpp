// The stages that a tokenizer.json strings together: a normalizer rewrites the text between added tokens,
// pre-tokenizers cut it into words, a model makes ids of each word, a template puts special tokens around,
// and a decoder makes text of tokens again. Each kind of a stage is a record in its stage's table; a value of
// it is a function.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/bpe.hpp"
#include "text/json_place.hpp"
#include "text/split.hpp"

namespace hone {

// Of a piece of text between added tokens.
struct TextPlace {
  bool first = true;       // it begins where the whole text does
  bool continued = false;  // what stood before it in the same text went through already
};

using Normalizer = std::function<void(std::string& text, TextPlace place)>;

struct Word {
  std::size_t begin, end;  // in Words::text
  TextPlace place;
};

struct Words {
  std::string text;
  std::vector<Word> all;

  std::string_view of(const Word& word) const {
    return std::string_view(text).substr(word.begin, word.end - word.begin);
  }
};

using PreTokenizer = std::function<void(Words&)>;

struct WordScratch {  // of one encode call
  struct Node {       // the best way to a place within a word
    double score;
    std::int32_t begin, id;
  };
  Bpe::Scratch bpe;
  std::vector<Node> nodes;

  std::size_t bytes() const { return bpe.bytes() + nodes.capacity() * sizeof(Node); }
};

// Appends the ids of a word, which is not empty.
using WordModel =
    std::function<void(std::string_view word, WordScratch& scratch, std::vector<std::int32_t>& ids)>;

// What stands around and between the ids of a text.
struct TemplateItem {
  bool text = false;  // the text's ids, else these:
  std::vector<std::int32_t> ids{};
};
using Template = std::vector<TemplateItem>;

// Takes tokens one by one, and `at_end` once behind the last; hands on what is ready. A token may come in
// parts: those behind the first have `continues`, and the last has `ends` where that is known.
struct DecodedPart {
  std::string_view text;
  bool continues = false;
  bool ends = true;  // false: what comes next tells
};
using DecodedSink = std::function<void(DecodedPart)>;
struct DecodeStep {
  std::function<void(DecodedPart, const DecodedSink&)> take;
  std::function<void(const DecodedSink&)> at_end{};
};
using MakeDecodeStep = std::function<DecodeStep()>;  // each text has steps of its own

// What reading a file gathers on the way.
struct StageNotes {
  std::vector<std::string> unknown_keys;  // with their paths; they have no effect
};
void note_unknown_keys(const JsonPlace& at, std::span<const std::string_view> known, StageNotes& notes);

// A record of a stage's table.
template <class Made>
struct StageKind {
  std::string_view type;
  std::string_view keys[6];  // that it has beside "type"
  Made (*read)(const JsonPlace& at, StageNotes& notes);
};

[[noreturn]] void refuse_stage(const JsonPlace& at, std::string_view stage, const std::string& known);

// The record that `at` names.
template <class Made, std::size_t count>
Made read_stage(const StageKind<Made> (&table)[count], std::string_view stage, const JsonPlace& at,
                StageNotes& notes) {
  const std::string type = at.type();
  std::string known;
  for (const StageKind<Made>& kind : table) {
    known += (known.empty() ? "" : ", ") + std::string(kind.type);
    if (kind.type != type) continue;
    note_unknown_keys(at, kind.keys, notes);
    return kind.read(at, notes);
  }
  refuse_stage(at, stage, known);
}

// normalizers.cpp, pre_tokenizers.cpp, post_processors.cpp, decoders.cpp
Normalizer read_normalizer(const JsonPlace& at, StageNotes& notes);
// In order, those of sequences included.
std::vector<JsonPlace> pre_tokenizer_chain(const JsonPlace& at);
PreTokenizer read_pre_tokenizer(const JsonPlace& at, StageNotes& notes);
PreTokenizer words_by(WordPattern pattern);
// Of a Split that keeps all matches of a known pattern apart.
std::optional<WordPattern> split_pattern(const JsonPlace& at);
PreTokenizer byte_level_words(bool prefix_space, bool splits, bool as_characters);
Template read_post_processor(const JsonPlace& at, StageNotes& notes);
std::vector<MakeDecodeStep> read_decoder(const JsonPlace& at, StageNotes& notes);

}  // namespace hone
