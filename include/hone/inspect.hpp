// What is in a file of weights, without loading it.
//
//   for (const hone::StoredTensor& t : hone::stored_tensors("out/model.safetensors"))
//     std::printf("%s %s\n", t.name.c_str(), t.dtype.c_str());
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "hone/error.hpp"

namespace hone {

struct StoredTensor {
  std::string name{}, dtype{};  // dtype as the format names it: F32, BF16, Q4_K, ...
  std::vector<std::int64_t> shape{};
  std::int64_t bytes = 0;
};

// A safetensors or GGUF file, or a model folder's; checked wholly. Error(input) says what is wrong and where.
// Shapes are outermost first, [out,in], whatever the file's own order.
HONE_API std::vector<StoredTensor> stored_tensors(const std::string& path);

struct StoredValue {
  std::string key{}, type{};  // type as the format names it: u32, text, array of text, ...
  std::string value{};        // of arrays the first elements and how many there are
};

// What the file says beside its tensors, by key: a GGUF's metadata, or a safetensors file's.
HONE_API std::vector<StoredValue> stored_metadata(const std::string& path);

}  // namespace hone
