// The numbers by which GGUF knows types: of values in the metadata, and of tensors.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ir/type.hpp"

namespace hone {

enum class GgufValueType : std::uint32_t {
  u8,
  i8,
  u16,
  i16,
  u32,
  i32,
  f32,
  flag,
  text,
  array,
  u64,
  i64,
  f64
};
inline constexpr std::uint32_t gguf_value_types = 13;

std::string_view name(GgufValueType type);           // "u32"
std::uint64_t gguf_value_bytes(GgufValueType type);  // 0 of texts and arrays

// A type of ggml's tensors.
struct GgufType {
  std::uint32_t id = 0;
  std::string_view name{};       // "Q4_K"
  std::optional<DType> dtype{};  // where hone computes with it
  std::int64_t block_elements = 1, block_bytes = 4;
};

std::optional<GgufType> gguf_type(std::uint32_t id);  // none for a number that no type has
GgufType gguf_type_of(DType dtype);                   // one that files have

}  // namespace hone
