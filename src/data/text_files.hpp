// Which files of a folder are text: all below it, by name, folder by folder, whatever the locale says.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "file/byte_stream.hpp"
#include "hone/text.hpp"

namespace hone {

// A file, and what of it is known without reading all of it.
struct TextFile {
  std::string path;
  bool json_lines = false;
  Packing packing = Packing::none;
};
std::size_t mark_bytes_of(std::string_view text);  // of a byte-order mark at its start, which is no text

// "a.tsv" of "a.tsv.gz".
std::string_view unpacked_name(std::string_view path);
// As the format says; by name: .jsonl and .ndjson, with .gz or .zst behind it or without, are JSON lines.
bool is_json_lines(std::string_view path, TextFormat format);

struct TextFiles {
  std::vector<TextFile> files;       // none is empty
  std::vector<std::string> skipped;  // "texts/a.zip (a ZIP archive)": what is not taken; what is hidden, last
};

// Error(input) for a packed file that is damaged at its beginning. Left out without a word: what is empty.
// Left out and named: what is hidden (".git"), files that are packed, binary or not UTF-8, links to nothing,
// and folders that hold a model, a checkpoint or token shards (a run's own --out may lie below its --data). A
// folder that is reached twice, by links, counts once.
TextFiles text_files_in(const std::string& folder, TextFormat format);

// What a file's beginning says that it is, "a ZIP archive", "binary", "not UTF-8"; empty for a text. One that
// is named itself may hold NUL, if it is UTF-8.
std::string_view why_no_text(std::string_view head, bool named_itself);

}  // namespace hone
