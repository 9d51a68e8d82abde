// The documents of a path, and which bytes of them train and which are held out.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "data/text_files.hpp"
#include "hone/tokenizer.hpp"
#include "text/tokenizer_impl.hpp"

namespace hone {

// Where one text is cut: the first so many bytes train, the rest is held out.
std::size_t training_bytes(std::string_view text, bool by_characters);

struct Document {
  TextFile file;
  std::size_t train_bytes = 0;  // the first so many train, the rest is held out
};

// Files are opened one at a time, when their text is asked for: a folder may have more of them than a process
// may map.
class Documents {
 public:
  // A file, or all text files below a folder. Error(input): no such file, nothing in it, an archive.
  explicit Documents(const std::string& path);

  // Error(input) for a single file that is binary or not UTF-8; such ones of a folder are left out.
  void require_text() const;

  // Nine tenths of the text train. One document is cut (by its characters, or by its bytes at the border of a
  // character); several are kept whole where the border between two lies near enough to that cut, so that 5
  // to 15 % are held out, else the one that the cut falls into is divided.
  void split(bool by_characters);

  const std::vector<Document>& all() const { return documents_; }
  const std::vector<std::string>& notes() const { return notes_; }  // what was left out
  std::int64_t train_bytes() const;
  std::int64_t held_out_bytes() const;

  // The text of all, one after the other, with a newline behind each of several that has none.
  std::string text() const;
  std::size_t text_bytes() const;
  // The same in pieces of whole characters.
  void read(const std::function<void(std::string_view)>& visit) const;
  Tokenizer character_tokenizer() const;

  // Encodes the part in order, in pieces. Several documents each end with end-of-text, or with a newline if
  // the tokenizer has none. What encode_stream says of the memory, of the document where it is most.
  std::size_t encode(const Tokenizer& tokenizer, bool held_out, const IdSink& sink) const;

 private:
  std::vector<Document> documents_;
  std::vector<std::string> notes_;
};

}  // namespace hone
