// The documents of a path, and which bytes of them train and which are held out.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "file/mapped.hpp"
#include "hone/tokenizer.hpp"
#include "text/tokenizer_impl.hpp"

namespace hone {

// Where one text is cut: the first so many bytes train, the rest is held out.
std::size_t training_bytes(std::string_view text, bool by_characters);

struct Document {
  MappedFile file;
  std::size_t train_bytes;  // the first so many train, the rest is held out
};

class Documents {
 public:
  // Error(input): no such file, nothing in it. `characters`: where a single file is cut, by its characters;
  // else by its bytes, at the border of a character.
  explicit Documents(const std::string& path);
  void split(bool by_characters);

  const std::vector<Document>& all() const { return documents_; }
  std::vector<std::string_view> texts() const;
  std::vector<std::string> names() const;
  std::int64_t train_bytes() const;
  std::int64_t held_out_bytes() const;

  // Encodes the part in order, in pieces. Several documents each end with end-of-text, if there is one.
  void encode(const Tokenizer& tokenizer, bool held_out, const IdSink& sink) const;

 private:
  std::vector<Document> documents_;
};

}  // namespace hone
