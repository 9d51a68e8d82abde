// A model's weights, read-only: from files, from a snapshot, or initialisers that were not run yet.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "base/arena.hpp"
#include "file/weight_files.hpp"
#include "op/builder_state.hpp"
#include "store/weight_names.hpp"

namespace hone {

// A weight as programs read it. In pages of its own: what malloc gives for 10 MB it may keep when freed (171
// MiB stayed of ten generators of gpt2).
class HeldWeight {
 public:
  explicit HeldWeight(std::int64_t bytes) : memory_(static_cast<std::size_t>(bytes)) {}
  std::span<const std::byte> bytes() const { return {memory_.data(), memory_.size()}; }
  template <class T>
  std::span<T> view() const {
    return {reinterpret_cast<T*>(memory_.data()), memory_.size() / sizeof(T)};
  }

 private:
  Arena memory_;
};

class WeightStore {
 public:
  // Fresh values by each parameter's initialiser, from streams keyed by its name and the seed.
  static WeightStore fresh(std::uint64_t seed);
  // Tensors of mapped files, by the parameters' names. Error(input) for a parameter that has none, or one of
  // another shape, or of a type that is not read.
  static WeightStore mapped(std::shared_ptr<const WeightFiles> files, NamedTensors tensors,
                            const std::vector<ParameterSpec>& parameters);
  // Values in file layout, by name.
  static WeightStore snapshot(std::map<std::string, std::vector<float>> values);

  // The values of a parameter in f32, as files keep it ([in,out] where the spec says transposed).
  void read_file_layout(const ParameterSpec& spec, std::span<float> values) const;
  // The same as programs keep it ([out,in]).
  void read(const ParameterSpec& spec, std::span<float> values) const;
  // Error(input) where one of these values of a parameter is no number or infinite, with its file.
  void require_finite(const ParameterSpec& spec, std::span<const float> values) const;
  // The same in memory, in f32 or bf16: made once, and the same for all who hold it at a time, on any thread
  // and through any copy of this store.
  std::shared_ptr<const HeldWeight> hold(const ParameterSpec& spec, DType dtype) const;

 private:
  struct Held {
    std::mutex lock;
    std::map<std::string, std::weak_ptr<const HeldWeight>> weights;  // by name and type
  };

  std::uint64_t seed_ = 0;
  std::shared_ptr<const WeightFiles> files_;
  NamedTensors tensors_;  // in files_
  std::shared_ptr<const std::map<std::string, std::vector<float>>> snapshot_;
  std::shared_ptr<Held> held_ = std::make_shared<Held>();
};

// The shape that files keep: swapped where the spec says transposed.
Shape file_shape(const ParameterSpec& spec);
// to[c,r] = from[r,c]
void transpose(std::span<const float> from, std::int64_t rows, std::int64_t columns, std::span<float> to);

// Hands out a parameter's values in file layout; the span is valid until the next call.
using WeightReader = std::function<std::span<const float>(const ParameterSpec&)>;

// model.safetensors, f32, tensors by name.
void write_weights(const std::string& path, std::vector<ParameterSpec> parameters, const WeightReader& read);
// XXH3-128 over name, shape and f32 bytes of every parameter by name, as 32 hex digits.
std::string hash_weights(std::vector<ParameterSpec> parameters, const WeightReader& read);

}  // namespace hone
