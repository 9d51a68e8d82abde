// The documents of a text, read from files in order, and which bytes of them train and which are held out.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "data/text_files.hpp"
#include "hone/text.hpp"
#include "hone/tokenizer.hpp"
#include "text/tokenizer_impl.hpp"

namespace hone {

// Where one text is cut: the first so many bytes train, the rest is held out.
std::size_t training_bytes(std::string_view text, bool by_characters);

// A file is a document, or each line of a file of JSON lines. Files are opened one at a time, when their text
// is asked for, and pass through in pieces: neither their bytes nor a table of documents is held.
class Documents {
 public:
  // Reads packed files and JSON lines once, to know their sizes. Error(input): no such file, nothing in it,
  // an archive, a line at fault.
  explicit Documents(const TextSource& source);

  // Error(input) for a file, named itself, that is binary or not UTF-8; such ones of a folder are left out.
  void require_text() const;

  // Nine tenths of the text train. One document is cut (by its characters, or by its bytes at the border of a
  // character); several are kept whole where the border between two lies near enough to that cut, so that 5
  // to 15 % are held out, else the one that the cut falls into is divided.
  void split(bool by_characters);

  const std::vector<std::string>& notes() const { return notes_; }  // what was left out
  std::int64_t count() const { return count_; }
  std::int64_t train_bytes() const { return static_cast<std::int64_t>(train_bytes_); }
  std::int64_t held_out_bytes() const { return static_cast<std::int64_t>(bytes_ - train_bytes_); }

  // The text of all, one after the other, with a newline behind each of several that has none.
  std::string text() const;
  std::size_t text_bytes() const;
  // The same in pieces of whole characters.
  void read(const std::function<void(std::string_view)>& visit) const;
  Tokenizer character_tokenizer() const;

  struct Part {
    IdSink ids;
    std::function<void()> ended = [] {};  // a document, or what of a divided one is in this part
  };
  // Encodes both parts in order, in pieces. Several documents each end with end-of-text, or with a newline if
  // the tokenizer has none. The bytes that reading took at most: what encode_stream says of the document
  // where it is most, and the buffers of a packed file.
  std::size_t encode(const Tokenizer& tokenizer, const Part& train, const Part& held_out) const;

 private:
  struct Source {
    TextFile file;
    std::string_view no_text{};                  // what it is, where it was named itself and is no text
    std::size_t bytes = 0, without_newline = 0;  // of its text; documents that do not end with one
    std::int64_t documents = 0, empty = 0;       // lines without any text, which are no documents
  };
  void add_folder(const std::string& path, TextFormat format);
  void add_file(const std::string& path, TextFormat format);
  void measure(Source& source) const;
  std::size_t cut_of_one(bool by_characters) const;
  std::size_t cut_of_several() const;

  std::string field_;
  std::vector<Source> sources_;
  std::vector<std::string> notes_;
  std::size_t bytes_ = 0, train_bytes_ = 0;
  std::int64_t count_ = 0;
};

}  // namespace hone
