// What a Tokenizer holds, for the rooms of text and data.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hone/tokenizer.hpp"
#include "text/added_tokens.hpp"
#include "text/bpe.hpp"

namespace hone {

struct Tokenizer::Impl {
  TokenizerKind kind = TokenizerKind::byte;
  std::vector<std::string> tokens;          // the bytes of each id; empty where an id is not used
  std::vector<std::int32_t> character_ids;  // character: by code point, -1 for none
  Bpe bpe;                                  // bpe
  bool splits_words = true;                 // bpe: by GPT-2's pattern, else the text is one word
  bool whole_words_first = false;           // bpe: a word that is a token needs no merges to it
  std::unordered_map<std::string_view, std::int32_t> words;  // into tokens; filled where whole_words_first
  AddedTokens added;
  std::vector<bool> special;       // by id
  std::vector<std::string> notes;  // what its file says that changes no id
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
std::size_t cut_between_words(const AddedTokens& added, std::string_view text, std::size_t least);

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
// `tokens[id]` are bytes; byte_ids where each single byte stands.
Tokenizer make_bpe_tokenizer(Tokenizer::Impl parts);

}  // namespace hone
