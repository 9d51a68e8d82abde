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
  std::string name{}, dtype{};  // dtype as the format names it: F32, BF16, ...
  std::vector<std::int64_t> shape{};
  std::int64_t bytes = 0;
};

// A safetensors file, or a model folder's; checked wholly. Error(input) says what is wrong and where.
HONE_API std::vector<StoredTensor> stored_tensors(const std::string& path);

}  // namespace hone
