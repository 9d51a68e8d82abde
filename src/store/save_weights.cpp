#include "store/save_weights.hpp"

#include <algorithm>
#include <filesystem>
#include <list>
#include <nlohmann/json.hpp>
#include <set>

#include "file/json.hpp"

namespace hone {
namespace {

using Shard = std::vector<ParameterSpec>;

std::int64_t bytes_of(const ParameterSpec& spec) { return TensorType{spec.shape, spec.dtype}.bytes(); }

std::vector<Shard> shards_of(std::vector<ParameterSpec> parameters, std::int64_t most) {
  std::ranges::sort(parameters, {}, &ParameterSpec::name);
  std::vector<Shard> shards(1);
  std::int64_t filled = 0;
  for (ParameterSpec& spec : parameters) {
    const std::int64_t bytes = bytes_of(spec);
    if (!shards.back().empty() && bytes > most - filled) shards.emplace_back(), filled = 0;
    filled += bytes;
    shards.back().push_back(std::move(spec));
  }
  return shards;
}

// model-00002-of-00007.safetensors
std::string shard_name(std::size_t number, std::size_t count) {
  const auto digits = [](std::size_t n) {
    const std::string text = std::to_string(n);
    return std::string(5 - std::min<std::size_t>(5, text.size()), '0') + text;
  };
  return "model-" + digits(number + 1) + "-of-" + digits(count) + ".safetensors";
}

std::string index_of(const std::vector<Shard>& shards, const std::vector<std::string>& names) {
  std::int64_t total = 0;
  nlohmann::json map = nlohmann::json::object();
  for (std::size_t i = 0; i < shards.size(); ++i)
    for (const ParameterSpec& spec : shards[i]) {
      map[spec.name] = names[i];
      total += bytes_of(spec);
    }
  return nlohmann::json{{"metadata", {{"total_size", total}}}, {"weight_map", map}}.dump(2) + "\n";
}

// The shards that a folder's index names. One that cannot be read names none.
std::set<std::string> shards_in(const std::string& folder) {
  try {
    return shard_names(folder);
  } catch (const Error&) {
    return {};
  }
}

void remove(const std::string& folder, const std::string& name) {
  std::error_code ignored;
  std::filesystem::remove(folder + "/" + name, ignored);
}

}  // namespace

void save_weights(const std::string& folder, std::vector<ParameterSpec> parameters, const WeightReader& read,
                  std::int64_t max_shard_bytes) {
  if (max_shard_bytes <= 0)
    throw Error(ErrorKind::usage, {.what = "shards need room",
                                   .where = "max_shard_bytes",
                                   .expected = "above 0",
                                   .found = std::to_string(max_shard_bytes)});
  const std::vector<Shard> shards = shards_of(std::move(parameters), max_shard_bytes);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < shards.size(); ++i)
    names.push_back(shards.size() == 1 ? weight_file_name : shard_name(i, shards.size()));
  std::list<SafetensorsWriter> files;  // all of them written before the first appears
  for (std::size_t i = 0; i < shards.size(); ++i)
    files.push_back(written_weights(folder + "/" + names[i], shards[i], read));
  std::set<std::string> old = shards_in(folder);
  old.insert(weight_file_name);
  remove(folder, weight_index_name);  // which would place tensors in the new files
  for (SafetensorsWriter& file : files) file.commit();
  if (shards.size() > 1) write_file(folder + "/" + weight_index_name, index_of(shards, names));
  for (const std::string& name : names) old.erase(name);
  for (const std::string& name : old) remove(folder, name);
}

std::int64_t saved_bytes(std::vector<ParameterSpec> parameters, std::int64_t max_shard_bytes) {
  std::uint64_t bytes = 0;
  for (const Shard& shard : shards_of(std::move(parameters), max_shard_bytes))
    bytes += safetensors_bytes(weight_file_specs(shard));
  return static_cast<std::int64_t>(bytes);
}

}  // namespace hone
