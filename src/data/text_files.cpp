#include "data/text_files.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include "base/utf8.hpp"
#include "file/atomic.hpp"
#include "file/format.hpp"
#include "file/mapped.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t head_bytes = 64 << 10;  // of a file, from which its kind is judged

std::size_t broken_bytes_in(std::string_view head) {
  std::size_t bad = 0;
  for (std::size_t at = 0; at < head.size();) {
    const std::size_t bytes = code_point_at(head, at).bytes;
    bad += bytes == 0 ? 1 : 0;
    at += bytes == 0 ? 1 : bytes;
  }
  return bad;
}

class Walk {
 public:
  TextFiles found;
  std::vector<std::string> hidden;

  explicit Walk(TextFormat format) : format_(format) {}

  void folder(const std::string& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) throw_errno(ErrorKind::input, path, "read the folder", errno);
    const bool outermost = seen_.empty();
    if (!seen_.emplace(info.st_dev, info.st_ino).second) return;
    const std::vector<std::string> names = names_in(path);
    if (!outermost && std::any_of(names.begin(), names.end(), is_of_a_model))
      return skip(path, "a model, a checkpoint or token shards");
    for (const std::string& name : names)
      if (name[0] == '.')
        hidden.push_back(path + "/" + name + " (hidden)");
      else
        entry(path + "/" + name);
  }

 private:
  static std::vector<std::string> names_in(const std::string& path) {
    std::error_code error;
    std::vector<std::string> names;
    for (fs::directory_iterator at(path, error), end; !error && at != end; at.increment(error))
      names.push_back(at->path().filename().string());
    if (error) throw_errno(ErrorKind::input, path, "read the folder", error.value());
    std::sort(names.begin(), names.end());
    return names;
  }

  static bool is_of_a_model(const std::string& name) {
    return name == "config.json" || name == "tokenizer.json" || name.ends_with(".safetensors");
  }

  void entry(const std::string& path) {
    if (is_folder(path)) return folder(path);
    if (!is_file(path)) return skip(path, "no regular file");
    ByteStream stream(path);
    const std::string_view head = stream.next();
    if (head.empty()) return;
    const std::string_view reason = why_no_text(head, false);
    if (reason.empty())
      found.files.push_back({path, is_json_lines(path, format_), stream.packing()});
    else
      skip(path, reason);
  }

  void skip(const std::string& path, std::string_view reason) {
    found.skipped.push_back(path + " (" + std::string(reason) + ")");
  }

  TextFormat format_;
  std::set<std::pair<dev_t, ino_t>> seen_;  // folders
};

}  // namespace

std::size_t mark_bytes_of(std::string_view text) { return text.starts_with("\xEF\xBB\xBF") ? 3 : 0; }

std::string_view unpacked_name(std::string_view path) {
  for (const std::string_view packed : {".gz", ".zst"})
    if (path.ends_with(packed)) path.remove_suffix(packed.size());
  return path;
}

bool is_json_lines(std::string_view path, TextFormat format) {
  if (format != TextFormat::by_name) return format == TextFormat::jsonl;
  path = unpacked_name(path);
  return path.ends_with(".jsonl") || path.ends_with(".ndjson");
}

std::string_view why_no_text(std::string_view head, bool named_itself) {
  if (const std::string_view format = packed_format(head); !format.empty()) return format;
  head = head.substr(0, head_bytes);
  const std::size_t bad = broken_bytes_in(head), cut_at_the_end = 3;
  if (head.find('\0') != std::string_view::npos && !(named_itself && bad <= cut_at_the_end)) return "binary";
  // Text in an old encoding has a stray byte here and there, and is taken as it stands where they are few.
  return bad <= head.size() / 10 + cut_at_the_end ? "" : "not UTF-8";
}

TextFiles text_files_in(const std::string& folder, TextFormat format) {
  Walk walk(format);
  walk.folder(folder);
  walk.found.skipped.insert(walk.found.skipped.end(), walk.hidden.begin(), walk.hidden.end());
  return std::move(walk.found);
}

}  // namespace hone
