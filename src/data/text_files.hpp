// Which files of a folder are text: all below it, by name, folder by folder, whatever the locale says.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace hone {

// A file whose text is bytes [mark_bytes, mark_bytes + bytes): what stands before it is a byte-order mark.
struct TextFile {
  std::string path;
  std::size_t mark_bytes, bytes;
};
TextFile text_file(std::string path, std::string_view content);
std::size_t mark_bytes_of(std::string_view text);

struct TextFiles {
  std::vector<TextFile> files;       // none is empty
  std::vector<std::string> skipped;  // "texts/a.zip (a ZIP archive)": what is not taken; what is hidden, last
};

// Left out without a word: what is empty. Left out and named: what is hidden (".git"), files that are packed,
// binary or not UTF-8, links to nothing, and folders that hold a model, a checkpoint or token shards (a run's
// own --out may lie below its --data). A folder that is reached twice, by links, counts once.
TextFiles text_files_in(const std::string& folder);

// What a file's content is, "a gzip archive", "binary", "not UTF-8"; empty for a text. One that is named
// itself may hold NUL, if it is UTF-8.
std::string_view why_no_text(std::string_view content, bool named_itself);

}  // namespace hone
