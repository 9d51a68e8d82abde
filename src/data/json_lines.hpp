// JSON lines: each line an object, of which one member is the text of a document.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "file/byte_stream.hpp"

namespace hone {

// The text of that member of a line. Error(input), which `where` opens, for what is no JSON object, lacks the
// member or has it twice, or where it is no text.
std::string json_line_text(std::string_view line, const std::string& field, const std::string& where);

// Error(input): what is wrong with a line of a file of samples, which `where` names.
[[noreturn]] void refuse_line(const std::string& where, std::string what, std::string expected = {},
                              std::string found = {}, std::string hint = {});

// What to do about a line that is no JSON.
inline constexpr const char* bad_line_hint = "mend the line, or take it out: each line is one JSON object";

// What to rename in a line of another tool's usual sets; empty where it is none.
std::string renaming_hint(std::string_view line);

// Line after line of a stream; one is held at a time.
class LineReader {
 public:
  static constexpr std::size_t most_bytes = std::size_t{1} << 28;  // of a line; Error(input) for a longer one

  explicit LineReader(const std::string& path) : stream_(path) {}
  // False at the end. Without its newline; stays until the next call.
  bool next(std::string_view& line);
  std::int64_t number() const { return number_; }  // of that line, from 1
  std::size_t memory_bytes() const { return stream_.memory_bytes() + line_.capacity(); }
  std::string where() const { return stream_.path() + ", line " + std::to_string(number_); }

 private:
  ByteStream stream_;
  std::string_view piece_;  // what of it was not taken yet
  std::string line_;        // of which a piece before it holds the beginning
  std::int64_t number_ = 0;
  bool ended_ = false;
};

}  // namespace hone
