// A model's weights as a GGUF file has them: their types, their order of rows, their norms.
#pragma once
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "model/gguf_family.hpp"
#include "model/model_impl.hpp"

namespace hone {

// The type that GGUF has for a weight in this one, without its codes being chosen anew: q4_g64 and q4_g128
// are Q4_1 with scale and minimum repeated, q8_g64 and q8_g128 are Q8_0. Error(usage) for one that it has
// none for.
DType gguf_type_for(DType stored, const std::string& weight);

class GgufWeights {
 public:
  GgufWeights(const Model& model, const GgufFamily& family, std::int64_t head_dim);

  // The bytes of the tensor `gguf`, in this type: a weight that is in blocks keeps its codes where the type
  // is gguf_type_for() them, others are encoded of their f32 values. Error(input) where one is not finite.
  std::vector<std::byte> of(const ParameterSpec& spec, const std::string& gguf, DType dtype);

  // Of the products' weights that were encoded anew, the head's apart: how many, and which are zero.
  struct Zeros {
    double all = 0, before = 0, after = 0;
  };
  const Zeros& zeros() const { return zeros_; }

 private:
  void require_reached(const ParameterSpec& spec, DType dtype, std::span<const std::byte> bytes);
  void count_zeros(const ParameterSpec& spec, DType dtype, std::span<const std::byte> bytes);
  std::vector<std::byte> encoded(const ParameterSpec& spec, const std::string& gguf, DType dtype);

  const Model& model_;
  const GgufFamily& family_;
  std::int64_t head_dim_;
  std::map<std::string, DType> stored_;
  std::vector<float> values_;
  std::set<std::string> products_;  // by weight, the head's apart
  Zeros zeros_;
};

}  // namespace hone
