// What a Tokenizer holds, for the rooms of text and data.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hone/tokenizer.hpp"
#include "text/added_tokens.hpp"
#include "text/bpe.hpp"
#include "text/models.hpp"
#include "text/stages.hpp"

namespace hone {

// Where a text may be cut so that its parts have the ids of the whole, for texts that come in pieces.
struct CutRule {
  bool possible = false;
  WordPattern words{};
  bool between_ascii = false;  // a normalizer joins characters, but none of ASCII
};

struct Tokenizer::Impl {
  TokenizerKind kind = TokenizerKind::byte;
  std::vector<std::string> tokens;          // of each id, as token() gives them; empty where one is not used
  std::vector<std::int32_t> character_ids;  // character: by code point, -1 for none
  AddedTokens added;
  std::vector<bool> special;  // by id

  // The stages of the other kinds.
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  std::optional<WordPattern> plain_words;  // all that the two do is to cut words by it
  WordModel model;
  Template around{{.text = true}};
  std::vector<MakeDecodeStep> decoder;  // none: tokens are bytes
  CutRule cut;
  bool any_bytes = false;  // a text need not be UTF-8

  // What is written where no file was read: byte-level BPE.
  std::shared_ptr<const Bpe> bpe;
  bool splits_words = true;        // by GPT-2's pattern, else the text is one word
  std::string source;              // the file, as it was read
  std::vector<std::string> notes;  // what it says that changes no id
};

// The pattern of a character tokenizer in tokenizer.json.
inline constexpr const char* any_character = "[\\s\\S]";

using IdSink = std::function<void(std::span<const std::int32_t>)>;

// Encodes a text of any size in pieces, and hands its ids on in order: the same ids as encode(text), in
// memory that grows with the longest word only. `where` and `offset` (of the text in its file) go into
// messages. The bytes that the longest word took, 0 for tokenizers that have no words.
std::size_t encode_stream(const Tokenizer& tokenizer, std::string_view text, const std::string& where,
                          std::size_t offset, const IdSink& sink);

// The same of texts that come in pieces, one text after the other; words that repeat are merged once in all
// of them.
class TextEncoder {
 public:
  TextEncoder(const Tokenizer& tokenizer, IdSink sink);
  ~TextEncoder();
  TextEncoder(const TextEncoder&) = delete;
  TextEncoder& operator=(const TextEncoder&) = delete;

  void begin(std::string where, std::size_t offset);
  void add(std::string_view piece);     // of whatever bytes
  void end();                           // of the text: hands on what is left of it
  std::size_t most_word_bytes() const;  // what encode_stream returns, and what it took to hold such a word

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

// The first place at or behind `least`, which is not 0, where a text may be cut: its words and added tokens
// are those of the two parts. Its end, if there is none.
std::size_t cut_between_words(const AddedTokens& added, std::string_view text, std::size_t least,
                              WordPattern words = WordPattern::gpt2);

[[noreturn]] void refuse_invalid_utf8(const std::string& where, std::size_t offset);

Tokenizer make_byte_tokenizer(std::vector<std::string> notes = {});
// A text has a character that the vocabulary lacks: whoever chose the tokenizer may know why.
struct UnknownCharacter : Error {
  using Error::Error;
};

// The characters of several texts, for a tokenizer of them.
class CharacterSet {
 public:
  // A text, or the piece of it from byte `offset` on. Error(input) where it is not UTF-8.
  void add(std::string_view text, const std::string& name, std::size_t offset);
  Tokenizer tokenizer() const;  // ids in order of code points; Error(input): none

 private:
  std::vector<bool> seen_ = std::vector<bool>(0x110000, false);
};
// Ids in this order; those of added tokens follow, in theirs.
Tokenizer make_character_tokenizer(const std::vector<std::uint32_t>& characters,
                                   std::vector<AddedToken> added, std::vector<std::string> notes);
// Byte-level BPE by `bpe` and `splits_words`; `tokens[id]` are bytes.
Tokenizer make_bpe_tokenizer(Tokenizer::Impl parts);
void mark_specials(Tokenizer::Impl& t);
// A tokenizer.json with more added tokens.
std::string with_added_tokens(std::string_view source, std::span<const AddedToken> added);
// Whether two say the same, in whatever layout.
bool same_settings(std::string_view a, std::string_view b);

}  // namespace hone
