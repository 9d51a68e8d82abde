// The tensors of a model folder: model.safetensors, or shards with their index, mapped.
//
//   const WeightFiles files("model");
//   for (const auto& [file, entry] : files.tensors()) std::puts(entry->name.c_str());
//
// Names are the files' own; what they mean to a model is the store's business (store/weight_names.hpp).
#pragma once
#include <cstddef>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "file/safetensors.hpp"

namespace hone {

inline constexpr const char* weight_file_name = "model.safetensors";
inline constexpr const char* weight_index_name = "model.safetensors.index.json";

struct MappedTensor {
  const SafetensorsFile* file;
  const SafetensorsEntry* entry;

  std::string where() const { return file->path() + ", tensor " + entry->name; }
};

class WeightFiles {
 public:
  // The shards that model.safetensors.index.json lists; where there is none, model.safetensors. Error(input):
  // neither is there (and what is); a shard is missing; a tensor is not in the one shard that the index says.
  explicit WeightFiles(const std::string& folder);

  const std::string& path() const { return path_; }                 // the file, or the index
  const std::vector<std::string>& notes() const { return notes_; }  // of files that are not read
  const std::vector<MappedTensor>& tensors() const { return tensors_; }

 private:
  void open_shards(const std::string& folder);

  std::string path_;
  std::vector<std::string> notes_;
  std::vector<std::unique_ptr<const SafetensorsFile>> files_;
  std::vector<MappedTensor> tensors_;
};

// The shards that the folder's index names; none where there is no index. Error(input) where it is no index.
std::set<std::string> shard_names(const std::string& folder);

// The first of the folder's files by which it is a model's, hone's or another tool's; empty: it has none.
std::string model_file_in(const std::string& folder);

// Error(input) for a folder that cannot be opened as a model, with what stands there instead: a pickle, an
// adapter, the checkpoints of a run that is not finished, ... `lacking` is the file that was looked for.
[[noreturn]] void refuse_folder(const std::string& folder, const std::string& lacking);

}  // namespace hone
