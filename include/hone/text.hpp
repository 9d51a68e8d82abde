// Text as training data: a file, a folder of files, or a folder of token shards, served by number.
//
//   const hone::Text text("book.txt", {.tokenizer = "byte"});        // its last tenth is held out
//   for (std::int64_t n = 0; n < 1000; ++n) {
//     const hone::Batch batch = text.batch(n, 32, 256);              // the same for the same n and seed
//     trainer.step(batch, {.lr = 1e-3f});                            // labels[b,t] follows ids[b,t]
//   }
//
// Batch n is a pure function of the seed and n: nothing to save, nothing to skip after a restart, and a
// micro-batch may be drawn alone. A text is tokenised once, piece by piece, and held as the bytes that its
// ids take (1 up to 256 ids, 2 up to 65536, else 4); token shards stay on disk.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hone/samples.hpp"
#include "hone/tokenizer.hpp"

namespace hone {

// Where text comes from. A folder means all text files below it, by name, folder by folder; what is no text,
// or hidden, is left out and named in notes. Files packed by gzip or zstd are read as what they hold.
enum class TextFormat {
  by_name,
  text,
  jsonl
};  // by_name: .jsonl and .ndjson are JSON lines, all else is text
struct TextSource {
  TextSource(std::string path) : paths{std::move(path)} {}
  TextSource(const char* path) : paths{path} {}
  TextSource(std::vector<std::string> files, TextFormat as = TextFormat::by_name, std::string member = "text")
      : paths(std::move(files)), format(as), field(std::move(member)) {}

  std::vector<std::string> paths;
  TextFormat format = TextFormat::by_name;
  std::string field = "text";  // of a JSON line, which is a document: the member that is its text
};

struct TextOptions {
  std::string
      tokenizer{};         // byte, char, or a tokenizer.json or its folder; empty: the shards' own, else byte
  std::uint64_t seed = 0;  // of the order of the windows
};

// Rows of tokens that lie in somebody's memory, [batch, seq] each: a caller's own arrays, or a Batch. What
// takes one reads it before it returns and keeps nothing. labels[b,t] is the token that follows ids[b,t];
// -100 where none counts.
struct BatchView {
  std::int64_t batch = 0, seq = 0;
  std::span<const std::int32_t> ids{}, labels{};

  HONE_API std::int64_t tokens() const;  // labels that count
  HONE_API Samples samples() const;      // as the inputs "tokens" and "labels" of a language model
  HONE_API BatchView rows(std::int64_t first, std::int64_t count) const;  // [first, first + count)
};

// The same with memory of its own.
struct Batch {
  std::int64_t batch = 0, seq = 0;
  std::vector<std::int32_t> ids{}, labels{};

  std::int64_t tokens() const { return BatchView(*this).tokens(); }
  Samples samples() const { return BatchView(*this).samples(); }
  operator BatchView() const { return {batch, seq, ids, labels}; }
};

// A TextSource's path, or a folder of token shards (hone/shards.hpp). A single file that is binary or not
// UTF-8 is Error(input), unless a byte tokenizer is named; a known format (an archive, a model) always. A
// byte-order mark at a file's start does not count.
//
// What is held out: of one file, the characters after the first nine tenths; of several documents
// (files), the last ones that make up a tenth of the text. Where whole documents would make it less than 5 %
// or more than 15 %, the one that holds the cut is divided. Each of several documents ends with the
// tokenizer's end-of-text; if there is none, with a newline.
class HONE_API Text {
 public:
  // A folder of token shards brings its own tokenizer; naming another one is an error.
  explicit Text(const std::string& path, const TextOptions& options = {});
  Text(const std::string& path, Tokenizer tokenizer, std::uint64_t seed = 0);
  Text(const Text&) = default;  // shares; a move copies
  Text(Text&& other) noexcept { impl_ = other.impl_; }
  Text& operator=(const Text&) = default;

  // A text that is in memory; what the constructors say of one file holds for it.
  static Text of(std::string_view text, Tokenizer tokenizer = Tokenizer::bytes(), std::uint64_t seed = 0);

  const std::string& path() const;  // as it was named; "the text", of one that is in memory
  const Tokenizer& tokenizer() const;
  // What a person should hear: files left out, what of the tokenizer's file has no effect. A line each.
  const std::vector<std::string>& notes() const;
  std::int64_t vocab_size() const;
  std::int64_t train_tokens() const;
  std::int64_t held_out_tokens() const;
  // Of shards whose documents were cut into windows: the seq that batches of it have, and no other. Else 0.
  std::int64_t window() const;
  std::int64_t held_out_bytes() const;  // of the text that held_out_tokens() encode; for bits a byte
  std::int64_t all_tokens() const;
  std::int64_t all_bytes() const;
  // 32 hex digits of the tokens and of where the held-out part begins: the same from a file and from shards.
  // Reads all tokens.
  std::string digest() const;
  std::int64_t memory_bytes() const;  // that tokens and tokenizer take here; tokens of shards stay on disk
  // That reading it took beside these at most, given back since: what BPE needs for the text's longest word.
  std::int64_t reading_bytes() const;

  // Step n's `batch` windows of seq + 1 tokens. A pass over the training part takes its windows in a drawn
  // order, side by side from a drawn offset, so that it reads no token twice. Error(input) where that part is
  // shorter than a window, Error(usage) for numbers that are out of range.
  Batch batch(std::int64_t n, std::int64_t batch, std::int64_t seq) const;
  // Windows [first, first + count) of that batch: a micro-batch, or one rank's part.
  Batch batch(std::int64_t n, std::int64_t batch, std::int64_t seq, std::int64_t first,
              std::int64_t count) const;

  // Consecutive windows that do not overlap; the tokens after the last whole one are left out.
  std::int64_t held_out_windows(std::int64_t seq) const;
  Batch held_out(std::int64_t first_window, std::int64_t count, std::int64_t seq) const;
  // The same over the whole text, for a text that no training saw.
  std::int64_t all_windows(std::int64_t seq) const;
  Batch all(std::int64_t first_window, std::int64_t count, std::int64_t seq) const;
  // Tokens [first, first + count) of the whole text, whose last held_out_tokens() are the held-out part.
  // Error(input) where documents were cut into windows: they are no running text.
  std::vector<std::int32_t> ids(std::int64_t first, std::int64_t count) const;

 private:
  struct Impl;
  explicit Text(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

// The text of a file, or of a folder's text files, one after the other, each of several with a newline at its
// end; to train a tokenizer on. Names in `notes`, where given, what was left out. Error(input) for no text.
HONE_API std::string read_texts(const TextSource& source, std::vector<std::string>* notes = nullptr);

struct BpeReport {
  Tokenizer tokenizer;
  std::int64_t bytes = 0, tokens = 0;  // of the text that it was trained on
  std::vector<std::string> notes{};    // what was left out
};

// Tokenizer::train_bpe(read_texts(source)), or of its first nine tenths, in pieces: memory grows with the
// distinct words only. Error(input) for no text.
HONE_API BpeReport train_bpe(const TextSource& source, const BpeOptions& options = {}, bool all = true);

// The characters of a file, or of a folder's text files, as a vocabulary. Constant memory. Error(input), with
// the file, where one is not UTF-8.
HONE_API Tokenizer character_tokenizer(const TextSource& source);

}  // namespace hone
