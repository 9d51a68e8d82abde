// What a file is, by its first bytes: for messages that say what stands where something else should.
#pragma once
#include <string>
#include <string_view>

namespace hone {

// "a gzip archive", "a GGUF model", "a safetensors file": of a file that is no text; empty where they say
// nothing.
std::string_view packed_format(std::string_view head);

inline constexpr std::string_view safetensors_name = "a safetensors file", gguf_format = "a GGUF model";

struct KnownFormat {
  std::string_view name;  // empty: not known
  std::string_view hint;  // what to do about it, where something is sure
};

// The same, and what is text but only stands in for a file: "a web page", "a pointer of Git LFS".
KnownFormat known_format(std::string_view head);

}  // namespace hone
