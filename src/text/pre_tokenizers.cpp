// Pre-tokenizers: where words begin and end, and how a model sees their spaces. Behaviour follows Hugging
// Face's tokenizers 0.23.
#include <algorithm>
#include <memory>
#include <utility>

#include "base/utf8.hpp"
#include "text/metaspace.hpp"
#include "text/split.hpp"
#include "text/split_by.hpp"
#include "text/stages.hpp"
#include "text/unicode_mappings.hpp"

namespace hone {
namespace {

// Every word written anew: put(text so far, word).
template <class Put>
void rewrite_words(Words& words, const Put& put) {
  std::string text;
  text.reserve(words.text.size() + words.all.size());
  for (Word& word : words.all) {
    const std::size_t begin = text.size();
    put(text, words.of(word), word.place);
    word.begin = begin;
    word.end = text.size();
  }
  words.text = std::move(text);
}

CodePointSet white_space_set() {
  std::vector<CodePointRange> ranges;
  for (std::uint32_t c = 0; c < 0x3001; ++c)
    if (is_white_space(c)) ranges.push_back({c, c});
  return CodePointSet(std::move(ranges));
}

PreTokenizer then(PreTokenizer first, PreTokenizer second) {
  return [first = std::move(first), second = std::move(second)](Words& words) {
    first(words);
    second(words);
  };
}

PreTokenizer read_byte_level(const JsonPlace& at, StageNotes&) {
  return byte_level_words(at["add_prefix_space"].flag_or(true), at["use_regex"].flag_or(true), true);
}

// \w+|[^\w\s]+ as Rust has it.
PreTokenizer read_whitespace(const JsonPlace&, StageNotes&) {
  return [space = white_space_set()](Words& words) {
    std::vector<Word> cut;
    for (const Word& whole : words.all) {
      const std::string_view text = words.of(whole);
      int last = 0;  // 0: white space, 1: word, 2: else
      for (std::size_t at = 0; at < text.size();) {
        const CodePoint c = code_point_at(text, at);
        const std::size_t bytes = std::max<std::size_t>(1, c.bytes);
        const int kind = c.bytes == 0                        ? 2
                         : space.contains(c.value)           ? 0
                         : rust_word_set().contains(c.value) ? 1
                                                             : 2;
        if (kind != 0 && kind == last)
          cut.back().end += bytes;
        else if (kind != 0)
          cut.push_back({whole.begin + at, whole.begin + at + bytes,
                         at == 0 ? whole.place : TextPlace{.first = false}});
        last = kind;
        at += bytes;
      }
    }
    words.all = std::move(cut);
  };
}

PreTokenizer read_whitespace_split(const JsonPlace&, StageNotes&) {
  return split_words(characters_in(white_space_set()), SplitBehavior::removed);
}

PreTokenizer read_bert(const JsonPlace&, StageNotes&) {
  return then(split_words(characters_in(white_space_set()), SplitBehavior::removed),
              split_words(characters_in(punctuation_set()), SplitBehavior::isolated));
}

PreTokenizer read_metaspace(const JsonPlace& at, StageNotes&) {
  const Metaspace how = Metaspace::read(at);
  const auto blanks_replaced = [how](std::string& out, std::string_view word, TextPlace place) {
    const bool here = !place.continued && (how.prepend == Metaspace::Prepend::always ||
                                           (how.prepend == Metaspace::Prepend::first && place.first));
    if (here && !word.starts_with(' ') && !word.starts_with(how.replacement)) out += how.replacement;
    for (const char c : word)
      if (c == ' ')
        out += how.replacement;
      else
        out += c;
  };
  PreTokenizer replace = [blanks_replaced](Words& words) { rewrite_words(words, blanks_replaced); };
  if (!how.split) return replace;
  return then(std::move(replace),
              split_words(parts_of_text(how.replacement), SplitBehavior::merged_with_next));
}

PreTokenizer read_punctuation(const JsonPlace& at, StageNotes&) {
  const JsonPlace behavior = at["behavior"];
  return split_words(characters_in(punctuation_set()),
                     behavior.is_null() ? SplitBehavior::isolated : read_split_behavior(behavior));
}

PreTokenizer read_digits(const JsonPlace& at, StageNotes&) {
  return split_words(characters_in(numeric_set()), at["individual_digits"].flag_or(false)
                                                       ? SplitBehavior::isolated
                                                       : SplitBehavior::contiguous);
}

PreTokenizer read_split(const JsonPlace& at, StageNotes&) {
  if (const auto known = split_pattern(at)) return words_by(*known);
  const SplitBehavior behavior = read_split_behavior(at.required("behavior"));
  FindParts find = read_pattern(at.required("pattern"));
  return split_words(at["invert"].flag_or(false) ? inverted(std::move(find)) : std::move(find), behavior);
}

PreTokenizer read_character_delimiter(const JsonPlace& at, StageNotes&) {
  return split_words(parts_of_text(at.required("delimiter").text()), SplitBehavior::removed);
}

PreTokenizer read_fixed_length(const JsonPlace& at, StageNotes&) {
  const JsonPlace length = at["length"];
  const std::int64_t count = length.is_null() ? 5 : length.whole();
  if (count < 1) length.refuse("a length of no characters", length.shown());
  return [count](Words& words) {
    std::vector<Word> cut;
    for (const Word& whole : words.all) {
      std::int64_t held = count;
      for (std::size_t begin = whole.begin; begin < whole.end; ++held) {
        const std::size_t bytes = std::max<std::size_t>(1, code_point_at(words.text, begin).bytes);
        if (held == count) {
          cut.push_back({begin, begin, begin == whole.begin ? whole.place : TextPlace{.first = false}});
          held = 0;
        }
        cut.back().end = begin += bytes;
      }
    }
    words.all = std::move(cut);
  };
}

// Hiragana, katakana and the sign that lengthens count as Han. A space belongs to whatever stands before it;
// where nothing does, it is lost, as it is elsewhere.
PreTokenizer read_unicode_scripts(const JsonPlace&, StageNotes&) {
  return [](Words& words) {
    std::vector<Word> cut;
    for (const Word& whole : words.all) {
      std::uint8_t last = 0;
      for (std::size_t at = whole.begin; at < whole.end;) {
        const CodePoint c = code_point_at(words.text, at);
        const std::uint8_t script = c.bytes == 0 ? 0 : split_script(c.value);
        if (script != 0 && script != last)
          cut.push_back({at, at, at == whole.begin ? whole.place : TextPlace{.first = false}});
        if (script != 0) last = script;
        at += std::max<std::size_t>(1, c.bytes);
        if (last != 0) cut.back().end = at;
      }
    }
    words.all = std::move(cut);
  };
}

PreTokenizer read_sequence(const JsonPlace& at, StageNotes& notes) {
  std::vector<PreTokenizer> all;
  for (const JsonPlace& one : at.required("pretokenizers").elements())
    if (PreTokenizer made = read_pre_tokenizer(one, notes)) all.push_back(std::move(made));
  return [all = std::move(all)](Words& words) {
    for (const PreTokenizer& one : all) one(words);
  };
}

constexpr StageKind<PreTokenizer> kinds[] = {
    {"ByteLevel", {"add_prefix_space", "trim_offsets", "use_regex"}, read_byte_level},
    {"Whitespace", {}, read_whitespace},
    {"WhitespaceSplit", {}, read_whitespace_split},
    {"BertPreTokenizer", {}, read_bert},
    {"Metaspace", {"replacement", "add_prefix_space", "prepend_scheme", "split", "str_rep"}, read_metaspace},
    {"Punctuation", {"behavior"}, read_punctuation},
    {"Digits", {"individual_digits"}, read_digits},
    {"Split", {"pattern", "behavior", "invert"}, read_split},
    {"CharDelimiterSplit", {"delimiter"}, read_character_delimiter},
    {"UnicodeScripts", {}, read_unicode_scripts},
    {"FixedLength", {"length"}, read_fixed_length},
    {"Sequence", {"pretokenizers"}, read_sequence},
};

}  // namespace

std::optional<WordPattern> split_pattern(const JsonPlace& at) {
  const JsonPlace regex = at["pattern"]["Regex"];
  if (at.type() != "Split" || regex.is_null() || at["invert"].flag_or(false) ||
      read_split_behavior(at.required("behavior")) != SplitBehavior::isolated)
    return std::nullopt;
  return known_word_pattern(regex.text());
}

PreTokenizer words_by(WordPattern pattern) {
  return [pattern](Words& words) {
    std::vector<Word> cut;
    for (const Word& whole : words.all) {
      WordCursor cursor(words.of(whole), pattern);
      std::size_t begin = whole.begin;
      for (std::string_view word; cursor.next(word); begin += word.size())
        cut.push_back(
            {begin, begin + word.size(), begin == whole.begin ? whole.place : TextPlace{.first = false}});
    }
    words.all = std::move(cut);
  };
}

// As bytes where a byte-level model follows, which knows them as they are; else as the characters that stand
// for them.
PreTokenizer byte_level_words(bool prefix_space, bool splits, bool as_characters) {
  return [=, split = words_by(WordPattern::gpt2)](Words& words) {
    if (prefix_space)
      rewrite_words(words, [](std::string& out, std::string_view word, TextPlace place) {
        if (!place.continued && !word.starts_with(' ')) out += ' ';
        out += word;
      });
    if (splits) split(words);
    if (as_characters)
      rewrite_words(
          words, [](std::string& out, std::string_view word, TextPlace) { out += to_byte_characters(word); });
  };
}

std::vector<JsonPlace> pre_tokenizer_chain(const JsonPlace& at) {
  if (at.is_null()) return {};
  if (at.type() != "Sequence") return {at};
  std::vector<JsonPlace> chain;
  for (const JsonPlace& one : at.required("pretokenizers").elements())
    for (JsonPlace& inner : pre_tokenizer_chain(one)) chain.push_back(std::move(inner));
  return chain;
}

PreTokenizer read_pre_tokenizer(const JsonPlace& at, StageNotes& notes) {
  if (at.is_null()) return {};
  return read_stage(kinds, "pre_tokenizer", at, notes);
}

}  // namespace hone
