// Text to token ids and back: single bytes, single characters, or whatever a tokenizer.json of Hugging Face's
// tokenizers 0.23 says: BPE, WordPiece, Unigram or WordLevel, with the same ids.
//
//   const auto tokenizer = hone::Tokenizer::train_bpe(hone::read_texts("book.txt"), {.vocab_size = 4096});
//   tokenizer.save("out");  // out/tokenizer.json, as Hugging Face writes it
//   const std::vector<std::int32_t> ids = tokenizer.encode("To be, or not to be");
//   const std::string same = tokenizer.decode(ids);
//   const auto again = hone::Tokenizer::open("out");
//
// A Tokenizer is a value that is cheap to copy, and may be used by several threads at once. encode() adds the
// special tokens that frame a text (`[CLS]`, `<s>`) only where asked to; special tokens that stand in the
// text
// (`<|endoftext|>`) become their ids.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hone/error.hpp"

namespace hone {

struct BpeOptions {
  std::int64_t vocab_size = 4096;                               // special tokens and the 256 bytes included
  std::vector<std::string> special_tokens = {"<|endoftext|>"};  // get the first ids, in this order
};

enum class TokenizerKind { byte, character, bpe, word_piece, unigram, word_level };

// What frames the sequences of an encoder-decoder: bos_token_id, eos_token_id and pad_token_id of a config.
struct SequenceTokens {
  std::optional<std::int32_t> begin{}, end{}, padding{};
  bool operator==(const SequenceTokens&) const = default;
};

class HONE_API Tokenizer {
 public:
  Tokenizer(const Tokenizer&) = default;  // shares; a move copies
  Tokenizer(Tokenizer&& other) noexcept { impl_ = other.impl_; }
  Tokenizer& operator=(const Tokenizer&) = default;

  static Tokenizer bytes();                       // id = byte, 256 of them
  static Tokenizer chars(std::string_view text);  // the text's code points, sorted
  // A tokenizer.json, or a folder with one, or with what Transformers makes one of: vocab.json and merges.txt
  // of GPT-2, RoBERTa or Qwen 2, or BERT's vocab.txt, with tokenizer_config.json.
  static Tokenizer open(const std::string& path);
  static std::optional<Tokenizer> of_model(const std::string& folder);      // its own, if it has one
  static Tokenizer parse(std::string_view json, const std::string& where);  // the same from memory
  static Tokenizer train_bpe(std::string_view text, const BpeOptions& options = {});

  bool operator==(const Tokenizer& other) const;  // each id stands for the same in both
  TokenizerKind kind() const;
  std::int64_t vocab_size() const;
  // The id that ends a document or an answer (`<|endoftext|>` and its like), if there is one.
  std::optional<std::int32_t> end_of_text() const;
  // Special tokens by the names that these go by: <s>, <bos>, [CLS]; end_of_text(), [SEP]; <pad>, [PAD].
  SequenceTokens sequence_tokens() const;
  // The same tokenizer, with those that it lacks as special tokens <s>, </s> and <pad> behind its ids.
  Tokenizer with_sequence_tokens() const;

  // What its file holds that changes no id (truncation, keys that are not known), a line each, for a person.
  const std::vector<std::string>& notes() const;

  // With specials: framed as the file's post_processor says. Error(input) for a character that a character
  // vocabulary lacks, and, unless the vocabulary is of bytes, for what is no UTF-8, with the place in the
  // text.
  std::vector<std::int32_t> encode(std::string_view text, bool with_specials = false) const;
  // Special tokens leave nothing behind unless asked for. The bytes need not be valid UTF-8: a token may end
  // within a character. Error(input) for an id outside the vocabulary.
  std::string decode(std::span<const std::int32_t> ids, bool with_specials = false) const;
  // One token: its bytes where tokens are bytes, else as the vocabulary writes it. What it adds to a text may
  // depend on its neighbours: see TextDecoder.
  std::string_view token(std::int32_t id) const;
  bool is_special(std::int32_t id) const;
  // The id of a token of that name: special and other added tokens, and those of the vocabulary.
  std::optional<std::int32_t> find(std::string_view token) const;

  std::string json() const;                    // the text of tokenizer.json, as it was where it was read
  void save(const std::string& folder) const;  // writes FOLDER/tokenizer.json

  struct Impl;
  explicit Tokenizer(std::shared_ptr<const Impl> impl);
  const Impl& impl() const { return *impl_; }

 private:
  std::shared_ptr<const Impl> impl_;
};

// A text decoded while its ids come, for printing while generating.
//
//   hone::TextDecoder decoder(tokenizer);
//   for (const std::int32_t id : ids) std::cout << decoder.add(id);
//   std::cout << decoder.finish();
//
// The parts together are tokenizer.decode(ids, with_specials). None ends within a character, unless the text
// does.
class HONE_API TextDecoder {
 public:
  explicit TextDecoder(const Tokenizer& tokenizer, bool with_specials = false);
  ~TextDecoder();
  TextDecoder(TextDecoder&&) noexcept;
  TextDecoder& operator=(TextDecoder&&) noexcept;

  // What is sure now, and was not before. Error(input) for an id outside the vocabulary.
  std::string add(std::int32_t id);
  std::string finish();  // what is left; the next id begins a text anew

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

// A tokenizer beside what another program made of the same texts.
struct TokenizerReport {
  bool ok = true;
  std::int64_t texts = 0, ids = 0;  // compared
  std::int64_t differing = 0;       // texts of which something differs; of the first:
  std::string text{}, what{};       // "ids", "ids_without_specials", "decoded" or "decoded_with_specials"
  std::string expected{}, found{};  // the ids, or the text
};

// `golden_file` is a JSON list of objects with "text", "ids" (with the special tokens that frame it),
// "ids_without_specials", "decoded" (of "ids", without specials) and "decoded_with_specials"; each but the
// first may be missing. Texts are compared as_utf8. Error(input) for another file.
HONE_API TokenizerReport verify_tokenizer(const Tokenizer& tokenizer, const std::string& golden_file);

// Of the tables that say which characters are letters, and so decide where words end.
HONE_API const char* unicode_version();

// The same text with U+FFFD where it is no UTF-8, as Hugging Face's decode() gives it; for JSON, or a
// terminal.
HONE_API std::string as_utf8(std::string_view bytes);

}  // namespace hone
