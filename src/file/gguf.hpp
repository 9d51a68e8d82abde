// GGUF, versions 2 and 3: the format of llama.cpp's models. Metadata by key, then what tensors there are,
// then their bytes, each at a multiple of the alignment.
//
//   const GgufFile file("model.gguf");
//   const std::string family = file.text("general.architecture");
//   const GgufTensor& table = file.at("token_embd.weight");   // Q8_0, {49152, 576}
//   use(file.bytes(table));                                   // where they lie: the file is mapped
//
// A reader believes nothing: counts, lengths, shapes, alignment and offsets are checked against the file's
// size before anything is taken or made, and with no sum that can overflow. Shapes are [out,in], outermost
// first, as everywhere in hone; the file has them the other way round.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "file/gguf_types.hpp"
#include "file/mapped.hpp"

namespace hone {

// An array as the file has it: strings, numbers, flags, or arrays.
struct GgufArray {
  GgufValueType type = GgufValueType::u8;  // of each
  std::uint64_t count = 0;
  std::span<const std::byte> bytes{};
};

// u8 to u64 and i8 to i64 by their sign, f32 and f64, a flag, a text, an array. Texts and arrays lie in the
// file's bytes.
using GgufValue = std::variant<std::uint64_t, std::int64_t, double, bool, std::string_view, GgufArray>;

struct GgufEntry {
  GgufValueType type;
  GgufValue value;
};

struct GgufTensor {
  std::string name;
  GgufType type;
  std::vector<std::int64_t> shape;  // outermost first
  std::uint64_t offset, bytes;      // in the file
};

struct GgufIndex {
  std::uint32_t version = 0;
  std::uint64_t alignment = 0;
  std::map<std::string, GgufEntry, std::less<>> metadata;
  std::vector<GgufTensor> tensors;  // in the order of the header
};

// Checks a file wholly. `where` opens every message.
GgufIndex parse_gguf(std::span<const std::byte> file, const std::string& where);

// A file that begins as one, or has the name of one and begins as nothing else that hone reads: where it is
// damaged, the message is about what it should have been.
bool is_gguf(const std::string& path);

class GgufFile {
 public:
  explicit GgufFile(const std::string& path);

  const std::string& path() const { return file_.path(); }
  const std::map<std::string, GgufEntry, std::less<>>& metadata() const { return index_.metadata; }
  const std::vector<GgufTensor>& tensors() const { return index_.tensors; }
  const GgufTensor* find(std::string_view name) const;  // null if there is none
  const GgufTensor& at(std::string_view name) const;    // Error(input) if there is none
  std::size_t size() const { return file_.size(); }
  std::span<const std::byte> bytes(const GgufTensor& tensor) const;

  bool has(std::string_view key) const { return index_.metadata.find(key) != index_.metadata.end(); }
  // Of a key; Error(input) where it is missing or of another kind. With a second argument, that for a missing
  // one. A whole number may stand for a number.
  std::string_view text(std::string_view key) const;
  std::int64_t integer(std::string_view key) const;
  double number(std::string_view key) const;
  bool flag(std::string_view key) const;
  std::string_view text(std::string_view key, std::string_view missing) const;
  std::int64_t integer(std::string_view key, std::int64_t missing) const;
  double number(std::string_view key, double missing) const;
  bool flag(std::string_view key, bool missing) const;
  // Of an array; empty where the key is missing.
  std::vector<std::string_view> texts(std::string_view key) const;
  std::vector<std::int64_t> integers(std::string_view key) const;  // flags too, as 0 and 1
  std::vector<float> numbers(std::string_view key) const;

 private:
  const GgufValue* value(std::string_view key) const;
  [[noreturn]] void refuse(std::string_view key, const char* expected) const;

  MappedFile file_;
  GgufIndex index_;
  std::map<std::string_view, std::size_t> by_name_;
};

}  // namespace hone
