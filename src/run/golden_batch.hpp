// The batch of a reference run's file, as samples for the model's inputs.
#pragma once
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "file/safetensors.hpp"
#include "hone/error.hpp"
#include "hone/samples.hpp"

namespace hone {

struct GoldenBatch {
  std::int64_t count = 0, seq = 0;
  std::map<std::string, std::vector<std::int32_t>> inputs{};
  std::map<std::string, std::int64_t, std::less<>> sizes{};  // TrainPlanOptions::sizes
  std::vector<std::int32_t> lengths{};  // how much of each row is no padding, which stands behind; none: all

  Samples samples() const {
    Samples all(count);
    for (const auto& [name, values] : inputs) all.set(name, values);
    return all;
  }
};

// Of whichever kind of model the file holds (hone/verify.hpp). Error(input) for inputs that are no batch.
GoldenBatch read_golden_batch(const SafetensorsFile& file);

// A tensor's values; Error(input) where it has another type.
template <class T>
std::vector<T> golden_values(const SafetensorsFile& file, const std::string& name, const char* dtype) {
  const SafetensorsEntry& entry = file.at(name);
  if (entry.dtype != dtype)
    throw Error(ErrorKind::input, {.what = "not a golden file of hone's",
                                   .where = file.path() + ", tensor " + name,
                                   .expected = dtype,
                                   .found = entry.dtype});
  std::vector<T> v(entry.bytes / sizeof(T));
  file.read(entry, std::as_writable_bytes(std::span(v)));
  return v;
}

}  // namespace hone
