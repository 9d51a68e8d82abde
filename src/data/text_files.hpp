// Which files of a folder are text: all below it, by name, folder by folder, whatever the locale says.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "file/format.hpp"

namespace hone {

struct TextFiles {
  struct File {
    std::string path;
    std::size_t bytes;  // more than 0
  };
  std::vector<File> files;
  std::vector<std::string> skipped;  // "texts/a.zip (a ZIP archive)": what lies there and is no text
};

// Left out without a word: what is hidden (".git"), what is empty. Left out and named: files that are packed,
// binary or not UTF-8, links to nothing, and folders that hold a model, a checkpoint or token shards (a run's
// own --out may lie below its --data). A folder that is reached twice, by links, counts once.
TextFiles text_files_in(const std::string& folder);

}  // namespace hone
