#include "hone/inspect.hpp"

#include "file/weight_files.hpp"

namespace hone {

std::vector<StoredTensor> stored_tensors(const std::string& path) {
  std::vector<StoredTensor> all;
  const auto add = [&all](const SafetensorsEntry& e) {
    all.push_back({e.name, e.dtype, e.shape, static_cast<std::int64_t>(e.bytes)});
  };
  if (is_folder(path)) {
    const WeightFiles files(path);
    for (const MappedTensor& t : files.tensors()) add(*t.entry);
  } else {
    const SafetensorsFile file(path);
    for (const SafetensorsEntry& e : file.entries()) add(e);
  }
  return all;
}

}  // namespace hone
