// The documents of one file, in order and in pieces.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include "base/utf8.hpp"
#include "data/json_lines.hpp"
#include "data/text_files.hpp"

namespace hone {

// Pieces of whole characters, wherever a stream's pieces end; what is no UTF-8 is cut anywhere.
class WholeCharacters {
 public:
  // visit(piece), at most once; the last character waits for what follows it.
  template <class Visit>
  void add(std::string_view piece, const Visit& visit) {
    held_ += piece;
    std::size_t end = held_.size() - 1;
    while (end > 0 && held_.size() - end < 4 && continues_character(held_[end])) --end;
    if (end > 0) visit(std::string_view(held_).substr(0, end));
    held_.erase(0, end);
  }
  template <class Visit>
  void end(const Visit& visit) {
    if (!held_.empty()) visit(std::string_view(held_));
    held_.clear();
  }

 private:
  std::string held_;
};

// For each document: begin(where, the offset of its first byte there), piece(text) once or more often, never
// empty, end(); for a JSON line whose text is empty, which is left out, empty(). Error(input), with file and
// line, for JSON at fault. The bytes that it took to read them.
template <class Begin, class Piece, class End, class Empty>
std::size_t read_documents(const TextFile& file, const std::string& field, const Begin& begin,
                           const Piece& piece, const End& end, const Empty& empty) {
  if (file.json_lines) {
    LineReader lines(file.path);
    for (std::string_view line; lines.next(line);) {
      if (lines.number() == 1) line.remove_prefix(mark_bytes_of(line));
      if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
      const std::string text = json_line_text(line, field, lines.where());
      if (text.empty()) {
        empty();
        continue;
      }
      begin(lines.where(), 0);
      piece(std::string_view(text));
      end();
    }
    return lines.memory_bytes();
  }
  ByteStream stream(file.path);
  WholeCharacters whole;
  std::string_view bytes = stream.next();
  const std::size_t mark_bytes = mark_bytes_of(bytes);
  bytes.remove_prefix(mark_bytes);
  if (bytes.empty() && (bytes = stream.next()).empty()) return stream.memory_bytes();
  begin(file.path, mark_bytes);
  for (; !bytes.empty(); bytes = stream.next()) whole.add(bytes, piece);
  whole.end(piece);
  end();
  return stream.memory_bytes();
}
template <class Begin, class Piece, class End>
std::size_t read_documents(const TextFile& file, const std::string& field, const Begin& begin,
                           const Piece& piece, const End& end) {
  return read_documents(file, field, begin, piece, end, [] {});
}

}  // namespace hone
