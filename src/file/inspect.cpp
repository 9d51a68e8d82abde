#include "hone/inspect.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "file/gguf.hpp"
#include "file/json.hpp"
#include "file/weight_files.hpp"
#include "file/weight_types.hpp"

namespace hone {
namespace {

std::string shown(const GgufFile& file, const std::string& key, const GgufArray& a) {
  constexpr std::size_t most = 4;
  std::string text;
  const auto add = [&](std::size_t i, const std::string& element) {
    if (i < most) text += (i ? ", " : "") + element;
  };
  if (a.type == GgufValueType::text) {
    const auto all = file.texts(key);
    for (std::size_t i = 0; i < all.size(); ++i) add(i, "\"" + std::string(all[i]) + "\"");
  } else if (a.type == GgufValueType::f32 || a.type == GgufValueType::f64) {
    const auto all = file.numbers(key);
    for (std::size_t i = 0; i < all.size(); ++i) add(i, fmt::format("{}", all[i]));
  } else if (a.type != GgufValueType::array) {
    const auto all = file.integers(key);
    for (std::size_t i = 0; i < all.size(); ++i) add(i, std::to_string(all[i]));
  }
  return a.count > most ? text + fmt::format(", ... ({})", a.count) : text;
}

StoredValue stored_value(const GgufFile& file, const std::string& key, const GgufEntry& entry) {
  StoredValue v{.key = key, .type = std::string(name(entry.type))};
  if (const auto* a = std::get_if<GgufArray>(&entry.value)) {
    v.type += " of " + std::string(name(a->type));
    v.value = shown(file, key, *a);
  } else if (const auto* text = std::get_if<std::string_view>(&entry.value)) {
    v.value = *text;
  } else if (const auto* flag = std::get_if<bool>(&entry.value)) {
    v.value = *flag ? "true" : "false";
  } else if (const auto* number = std::get_if<double>(&entry.value)) {
    v.value = entry.type == GgufValueType::f32 ? fmt::format("{}", static_cast<float>(*number))
                                               : fmt::format("{}", *number);
  } else if (const auto* whole = std::get_if<std::uint64_t>(&entry.value)) {
    v.value = std::to_string(*whole);
  } else {
    v.value = std::to_string(std::get<std::int64_t>(entry.value));
  }
  return v;
}

}  // namespace

namespace {

WeightTypes weight_types_beside(const std::string& folder) {
  const std::string config_path = folder + "/config.json";
  if (!is_file(config_path)) return {};
  nlohmann::json config = read_json(config_path);
  return config.is_object() ? take_weight_types(config, config_path) : WeightTypes{};
}

}  // namespace

std::vector<StoredTensor> stored_tensors(const std::string& path) {
  std::vector<StoredTensor> all;
  const auto add = [&all](const SafetensorsEntry& e) {
    all.push_back({e.name, e.dtype, e.shape, static_cast<std::int64_t>(e.bytes)});
  };
  if (is_folder(path)) {
    const WeightFiles files(path);
    const WeightTypes types = weight_types_beside(path);
    for (const MappedTensor& t : files.tensors()) {
      add(*t.entry);
      const auto blocks = types.find(t.entry->name);
      if (blocks == types.end() || blocks->second.sparse || t.entry->shape.empty()) continue;
      const WeightType& type = blocks->second;
      const std::int64_t elements = block_elements(type.dtype);
      all.back().dtype = name(type.dtype);
      all.back().shape.back() =
          type.width > 0 ? type.width : all.back().shape.back() / row_bytes(type.dtype, elements) * elements;
    }
  } else if (is_gguf(path)) {
    const GgufFile file(path);
    for (const GgufTensor& t : file.tensors())
      all.push_back({t.name, std::string(t.type.name), t.shape, static_cast<std::int64_t>(t.bytes)});
  } else {
    const SafetensorsFile file(path);
    for (const SafetensorsEntry& e : file.entries()) add(e);
  }
  return all;
}

std::vector<StoredValue> stored_metadata(const std::string& path) {
  std::vector<StoredValue> all;
  if (is_gguf(path)) {
    const GgufFile file(path);
    for (const auto& [key, entry] : file.metadata()) all.push_back(stored_value(file, key, entry));
    return all;
  }
  const auto add = [&all](const SafetensorsFile& file) {
    for (const auto& [key, value] : file.metadata()) all.push_back({key, "text", value});
  };
  if (!is_folder(path)) {
    add(SafetensorsFile(path));
    return all;
  }
  const WeightFiles files(path);
  const SafetensorsFile* last = nullptr;
  for (const MappedTensor& t : files.tensors())
    if (t.file != std::exchange(last, t.file)) add(*t.file);
  return all;
}

}  // namespace hone
