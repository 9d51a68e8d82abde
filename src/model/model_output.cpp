#include "model/model_output.hpp"

#include <filesystem>

#include "file/disk.hpp"
#include "file/mapped.hpp"
#include "file/safetensors.hpp"
#include "file/weight_files.hpp"
#include "model/companions.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

void require_free(const std::string& to) {
  if (to.empty()) throw Error(ErrorKind::usage, {.what = "no file or folder to write to is named"});
  std::error_code unreadable;
  const bool folder = is_folder(to), gguf = is_gguf_name(to);
  const std::string found = folder && !gguf                                   ? model_file_in(to)
                            : !fs::exists(fs::symlink_status(to, unreadable)) ? ""
                            : folder                                          ? "a folder"
                                                                              : "a file";
  if (found.empty()) return;
  throw Error(ErrorKind::usage,
              {.what = folder && !gguf ? "the folder holds a model, which would be replaced"
                                       : "there is one of that name, which would be replaced",
               .where = to,
               .expected = gguf ? "no file" : "no folder or file, or a folder without a model",
               .found = found,
               .hint = "name another, or move what is there away"});
}

void require_other(const std::string& from, const std::string& to) {
  std::error_code none;
  if (from == to || fs::equivalent(from, to, none))
    throw Error(ErrorKind::usage, {.what = "the model itself is never changed",
                                   .where = to,
                                   .expected = "another folder or file to write to",
                                   .found = "the one that is read"});
}

void require_same_ids(const std::string& from, const std::string& to) {
  if (has_other_ids(to, from))
    throw Error(ErrorKind::usage, {.what = "the folder holds another tokenizer than the model's",
                                   .where = to,
                                   .expected = "no tokenizer, or the model's own",
                                   .hint = "name another folder, or move what is there away"});
}

}  // namespace

bool is_gguf_name(const std::string& path) { return path.ends_with(".gguf"); }

void require_folder_name(const std::string& to) {
  if (is_gguf_name(to))
    throw Error(ErrorKind::usage, {.what = "what is written is a folder",
                                   .where = to,
                                   .expected = "a folder's name",
                                   .hint = "hone convert makes a GGUF file of one"});
}

ModelOutput::ModelOutput(const std::string& from, const std::string& to) : to_(to) {
  if (!from.empty()) require_other(from, to);
  const bool gguf = is_gguf_name(to);
  if (gguf || !NewFolder::was_begun(to)) require_free(to);
  if (gguf)
    file_.emplace(to);
  else
    folder_.emplace(to);
  require_free(to);  // of what a process that died has left, too, and of one that ended just now
  if (!gguf && !from.empty()) require_same_ids(from, to);
}

void ModelOutput::require_empty() const {
  std::error_code absent;
  for (const auto& entry : fs::directory_iterator(to_, absent))
    if (const std::string name = entry.path().filename().string(); !NewFolder::is_of_writing(name))
      throw Error(ErrorKind::usage, {.what = "the folder has files, which would be replaced",
                                     .where = to_,
                                     .expected = "no folder, or an empty one",
                                     .found = name,
                                     .hint = "name another one"});
}

std::int64_t ModelOutput::weight_file_bytes() const {
  if (file_) return static_cast<std::int64_t>(file_->size());
  std::uintmax_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(folder()))
    for (const std::string ending : {".safetensors", ".safetensors.packed"})
      if (entry.path().filename().string().ends_with(ending)) bytes += entry.file_size();
  return static_cast<std::int64_t>(bytes);
}

void ModelOutput::publish() {
  if (folder_) return folder_->publish();
  require_free(to_);  // a file that somebody else has made meanwhile
  try {
    file_->commit();
  } catch (...) {
    disk::unlink(to_.c_str());  // where only its folder could not be flushed
    throw;
  }
}

}  // namespace hone
