// What config.json says of a folder whose weights are in types of blocks, in groups of codes that no such
// type has, of which only some elements are kept, or that are tensor trains:
//
//   "quantization_config": {"quant_method": "hone",
//                           "weights": {"model.layers.0.mlp.up_proj.weight": "q4_g64",
//                                       "model.layers.0.mlp.down_proj.weight": "bitmap/q8_g64"}}
//
// A weight in blocks is a tensor U8[rows, bytes of a row], the others several (doc/formats.md); rows are as
// programs have them: [out,in]. Bytes do not say where a row ends whose last block is filled up, so its type
// does: "q4_g64:100".
#pragma once
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>

#include "ir/type.hpp"
#include "kernel/sparse.hpp"

namespace hone {

inline constexpr const char* quantization_key = "quantization_config";

// The kinds of sparse storage there are, in their one list.
struct SparseKind {
  const char* name;  // "bitmap"
  kernel::SparseForm form;
  std::int64_t block_rows;  // 1 but of blocks
};
std::span<const SparseKind> sparse_kinds();

// Codes of so many bits in groups of so many of a row's elements.
struct CodeGroups {
  int bits = 0;
  std::int64_t group = 0;
};

inline constexpr const char* tensor_train_name = "tensor_train";  // of a table; beside the sparse kinds

struct WeightType {
  DType dtype = DType::f32;  // of blocks, of values that a sparse weight keeps, of cores; of groups of codes
                             // that of the whole weight, which its width decides
  const SparseKind* sparse = nullptr;  // none: every element is there
  std::int64_t width = 0;              // of a row in blocks, where it is said
  bool tensor_train = false;           // a tensor train
  CodeGroups groups{};                 // of codes that no type of blocks has (store/grouped_codes.hpp)
};
std::string name(const WeightType& type);  // "q4_g64", "q4_g64:100", "q4_g48", "bitmap/q8_g64", "2:4/bf16",
                                           // "tensor_train/bf16"
// Can a sparse weight keep values of this type: floating, or codes of four or eight bits about zero?
bool has_sparse_values(DType dtype);

using WeightTypes = std::map<std::string, WeightType>;  // by the weight's name

// Takes them out of the config. Error(input) for a type that there is not. A quantization_config of another
// tool is left to who refuses such keys.
WeightTypes take_weight_types(nlohmann::json& config, const std::string& where);
// Says them in a config; nothing where there are none.
void add_weight_types(nlohmann::json& config, const WeightTypes& types);
void add_weight_types(nlohmann::ordered_json& config, const WeightTypes& types);

}  // namespace hone
