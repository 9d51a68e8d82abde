#include "file/gguf_types.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>

namespace hone {
namespace {

struct ValueType {
  std::string_view name;
  std::uint64_t bytes;
};
constexpr std::array<ValueType, gguf_value_types> value_types{{{"u8", 1},
                                                               {"i8", 1},
                                                               {"u16", 2},
                                                               {"i16", 2},
                                                               {"u32", 4},
                                                               {"i32", 4},
                                                               {"f32", 4},
                                                               {"flag", 1},
                                                               {"text", 0},
                                                               {"array", 0},
                                                               {"u64", 8},
                                                               {"i64", 8},
                                                               {"f64", 8}}};

struct Known {
  std::uint32_t id;
  std::string_view name;
  DType dtype;
};
// ggml.h, enum ggml_type: those that hone computes with, and the rest with the size of a block, so that a
// file that has them can be looked into.
constexpr Known computed[] = {{0, "F32", DType::f32},    {1, "F16", DType::f16},    {30, "BF16", DType::bf16},
                              {2, "Q4_0", DType::q4_0},  {3, "Q4_1", DType::q4_1},  {6, "Q5_0", DType::q5_0},
                              {7, "Q5_1", DType::q5_1},  {8, "Q8_0", DType::q8_0},  {10, "Q2_K", DType::q2_k},
                              {11, "Q3_K", DType::q3_k}, {12, "Q4_K", DType::q4_k}, {13, "Q5_K", DType::q5_k},
                              {14, "Q6_K", DType::q6_k}};
const GgufType others[] = {
    {9, "Q8_1", {}, 32, 40},      {15, "Q8_K", {}, 256, 292},   {16, "IQ2_XXS", {}, 256, 66},
    {17, "IQ2_XS", {}, 256, 74},  {18, "IQ3_XXS", {}, 256, 98}, {19, "IQ1_S", {}, 256, 50},
    {20, "IQ4_NL", {}, 32, 18},   {21, "IQ3_S", {}, 256, 110},  {22, "IQ2_S", {}, 256, 82},
    {23, "IQ4_XS", {}, 256, 136}, {24, "I8", {}, 1, 1},         {25, "I16", {}, 1, 2},
    {26, "I32", {}, 1, 4},        {27, "I64", {}, 1, 8},        {28, "F64", {}, 1, 8},
    {29, "IQ1_M", {}, 256, 56},   {34, "TQ1_0", {}, 256, 54},   {35, "TQ2_0", {}, 256, 66},
    {39, "MXFP4", {}, 32, 17}};

GgufType type_of(const Known& k) {
  return {k.id, k.name, k.dtype, block_elements(k.dtype), row_bytes(k.dtype, block_elements(k.dtype))};
}

}  // namespace

std::string_view name(GgufValueType type) { return value_types[static_cast<std::size_t>(type)].name; }
std::uint64_t gguf_value_bytes(GgufValueType type) {
  return value_types[static_cast<std::size_t>(type)].bytes;
}

std::optional<GgufType> gguf_type(std::uint32_t id) {
  for (const Known& k : computed)
    if (k.id == id) return type_of(k);
  for (const GgufType& t : others)
    if (t.id == id) return t;
  return {};
}

GgufType gguf_type_of(DType dtype) {
  for (const Known& k : computed)
    if (k.dtype == dtype) return type_of(k);
  throw std::logic_error("GGUF has no " + std::string(name(dtype)));
}

}  // namespace hone
