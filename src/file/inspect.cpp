#include "hone/inspect.hpp"

#include "file/safetensors.hpp"

namespace hone {

std::vector<StoredTensor> stored_tensors(const std::string& path) {
  const SafetensorsFile file(is_folder(path) ? path + "/model.safetensors" : path);
  std::vector<StoredTensor> all;
  for (const SafetensorsEntry& e : file.entries())
    all.push_back({e.name, e.dtype, e.shape, static_cast<std::int64_t>(e.bytes.size())});
  return all;
}

}  // namespace hone
