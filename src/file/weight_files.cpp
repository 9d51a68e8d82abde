#include "file/weight_files.hpp"

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "file/checksums.hpp"
#include "file/json.hpp"

namespace hone {
namespace {

// Which shard of the folder each tensor is in.
std::map<std::string, std::string> read_index(const std::string& path) {
  const nlohmann::json index = read_json(path);
  const nlohmann::json& map = json_member(index, "weight_map", path);
  if (!map.is_object() || map.empty())
    throw Error(ErrorKind::input,
                {.what = "\"weight_map\" is not an object that names a file for each tensor", .where = path});
  std::map<std::string, std::string> shards;
  for (const auto& item : map.items()) {
    const std::string shard = json_string(map, item.key().c_str(), path + ", weight_map");
    if (shard.empty() || shard.front() == '.' || shard.find('/') != std::string::npos)
      throw Error(ErrorKind::input, {.what = "a shard is not a file of this folder",
                                     .where = path + ", weight_map, " + item.key(),
                                     .found = "\"" + shard + "\""});
    shards[item.key()] = shard;
  }
  return shards;
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < 3; ++i) text += (i ? ", " : "") + names[i];
  return names.size() > 3 ? text + " and " + std::to_string(names.size() - 3) + " more" : text;
}

void require_shards(const std::set<std::string>& names, const std::string& folder, const std::string& index) {
  std::vector<std::string> missing;
  for (const std::string& name : names)
    if (!is_safetensors_file(folder + "/" + name)) missing.push_back(name);
  if (!missing.empty())
    throw Error(ErrorKind::input, {.what = missing.size() == 1 ? "a shard is missing" : "shards are missing",
                                   .where = index,
                                   .expected = std::to_string(names.size()) + " files beside it",
                                   .found = "no " + listed(missing),
                                   .hint = "download or copy what is missing into " + folder});
}

struct Stranger {
  const char* file;  // its name, or how it ends where that begins with a dot
  const char* hint;
};
constexpr const char* convert_pickle =
    "it is a pickle, which is a program as much as data, and hone opens none; where it was made: "
    "AutoModelForCausalLM.from_pretrained(FOLDER).save_pretrained(NEW) writes safetensors";
constexpr Stranger strangers[] = {
    {"adapter_model.safetensors",
     "it is an adapter (LoRA or alike): name it by --adapter DIR behind its base model, or merge it into its "
     "base model"},
    {"adapter_model.bin",
     "it is an adapter (LoRA or alike): merge it into its base model first, by merge_and_unload() of peft"},
    {"pytorch_model.bin", convert_pickle},
    {"pytorch_model.bin.index.json", convert_pickle},
    {".bin", convert_pickle},
    {".pt", convert_pickle},
    {".pth", convert_pickle},
    {".ckpt", convert_pickle},
    {"tf_model.h5", "it holds TensorFlow's weights: load it with from_tf=True and save it as safetensors"},
    {"flax_model.msgpack", "it holds Flax's weights: load it with from_flax=True and save it as safetensors"},
    {".gguf", "name that file itself as the model"},
    {".safetensors", "the weights must be called model.safetensors; rename the file if these are they"},
};

// The first of the folder's files that says what the folder is, with what to do about it.
std::pair<std::string, std::string> stranger_in(const std::vector<std::string>& names) {
  for (const Stranger& s : strangers)
    for (const std::string& name : names)
      if (s.file[0] == '.' ? name.ends_with(s.file) : name == s.file) return {name, s.hint};
  return {};
}

std::vector<std::string> files_in(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error))
    if (entry.is_regular_file(error)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

std::string model_file_in(const std::string& folder) {
  for (const char* name : {"config.json", weight_file_name, weight_index_name})
    if (is_safetensors_file(folder + "/" + name)) return name;
  return stranger_in(files_in(folder)).first;
}

void refuse_folder(const std::string& folder, const std::string& lacking) {
  if (!is_folder(folder))
    throw Error(ErrorKind::input,
                {.what = "no such file or folder", .where = folder, .expected = "a model folder"});
  const auto names = files_in(folder);
  auto [found, hint] = stranger_in(names);
  if (found.empty() && is_folder(folder + "/snapshots")) {
    found = "a folder of snapshots, as the Hub's cache has it";
    hint = "name one of the folders in " + folder + "/snapshots";
  }
  if (found.empty() && is_folder(folder + "/checkpoints")) {
    found = "checkpoints of a run that has not ended";
    hint = "the same training command finishes the run and leaves the model here";
  }
  if (found.empty()) found = names.empty() ? "no file" : listed(names);
  throw Error(ErrorKind::input,
              {.what = "not a model folder: it has no " + lacking,
               .where = folder,
               .expected = "config.json with model.safetensors, or with shards and their index",
               .found = found,
               .hint = hint});
}

std::set<std::string> shard_names(const std::string& folder) {
  const std::string path = folder + "/" + weight_index_name;
  std::set<std::string> names;
  if (is_file(path))
    for (const auto& [tensor, shard] : read_index(path)) names.insert(shard);
  return names;
}

namespace {

// A checkpoint has the digests of its files beside them (state.json tells it from a folder of somebody's with
// a file of that name); a byte that flipped in a weight shows nowhere else.
void require_as_saved(const std::string& folder) {
  if (!is_file(folder + "/state.json") || !is_file(folder + "/" + checksums_file)) return;
  const Checksums checksums = read_checksums(folder);
  if (const auto weights = checksums.find(weight_file_name); weights != checksums.end())
    require_checksum(folder + "/" + weight_file_name, weights->second);
}

}  // namespace

WeightFiles::WeightFiles(const std::string& folder) : path_(folder + "/" + weight_file_name) {
  const bool whole = is_safetensors_file(path_);
  if (whole) require_as_saved(folder);
  if (is_file(folder + "/" + weight_index_name)) {
    open_shards(folder);
    if (whole && !shard_names(folder).contains(weight_file_name))
      notes_.push_back(folder + "/" + weight_file_name + " is not read: the weights are in the shards of " +
                       weight_index_name);
  } else if (whole) {
    files_.push_back(std::make_unique<SafetensorsFile>(path_));
  } else {
    refuse_folder(folder, weight_file_name);
  }
  for (const auto& file : files_)
    for (const SafetensorsEntry& entry : file->entries()) tensors_.push_back({file.get(), &entry});
}

void WeightFiles::open_shards(const std::string& folder) {
  path_ = folder + "/" + weight_index_name;
  auto expected = read_index(path_);
  std::set<std::string> names;
  for (const auto& [tensor, shard] : expected) names.insert(shard);
  require_shards(names, folder, path_);
  for (const std::string& name : names) {
    files_.push_back(std::make_unique<SafetensorsFile>(folder + "/" + name));
    for (const SafetensorsEntry& entry : files_.back()->entries()) {
      const auto at = expected.find(entry.name);
      if (at == expected.end() || at->second != name)
        throw Error(
            ErrorKind::input,
            {.what = "the index does not place this tensor here",
             .where = files_.back()->path() + ", tensor " + entry.name,
             .expected = "each tensor in the one shard that " + std::string(weight_index_name) + " says",
             .found = at == expected.end() ? "no place, or one more of it" : at->second,
             .hint = "are the files of one download?"});
      expected.erase(at);
    }
  }
  if (!expected.empty())
    throw Error(ErrorKind::input,
                {.what = "a tensor is not in its shard",
                 .where = folder + "/" + expected.begin()->second,
                 .expected = "tensor " + expected.begin()->first + ", by " + weight_index_name,
                 .hint = "are the files of one download?"});
}

}  // namespace hone
