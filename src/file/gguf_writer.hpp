// Writes a GGUF file (version 3) of any size in little memory: keys, then all tensors are declared, then come
// their bytes, tensor by tensor in that order.
//
//   GgufWriter out("model.gguf");
//   out.key("general.architecture", "llama");
//   out.tensor("token_embd.weight", DType::q8_0, {49152, 576});
//   out.write("token_embd.weight", bytes);
//   out.commit();
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "file/atomic.hpp"
#include "file/gguf.hpp"

namespace hone {

class GgufWriter {
 public:
  explicit GgufWriter(std::string path) : path_(std::move(path)) {}
  // Into a file that was opened before, and is still to be committed after finish(); none: to count alone.
  explicit GgufWriter(AtomicFile* file) : file_(file) {}

  // A number is u32, i32 or f32 by its own type: what llama.cpp expects of its keys.
  void key(std::string_view name, std::uint32_t value);
  void key(std::string_view name, std::int32_t value);
  void key(std::string_view name, float value);
  void key(std::string_view name, bool value);
  void key(std::string_view name, std::string_view value);
  void key(std::string_view name, const char* value) { key(name, std::string_view(value)); }
  void key(std::string_view name, const std::vector<std::string>& values);
  void key(std::string_view name, const std::vector<std::int32_t>& values);
  void key(std::string_view name, const std::vector<float>& values);
  void key(std::string_view name, const GgufEntry& entry);  // as another file has it

  void tensor(std::string_view name, DType dtype, const std::vector<std::int64_t>& shape);  // outermost first
  // All bytes of the next tensor.
  void write(std::string_view name, std::span<const std::byte> bytes);
  void finish();  // when all bytes were written: what commit() does first
  void commit();
  std::uint64_t bytes() const;  // of the whole file, of what was declared until now

 private:
  struct Declared {
    std::string name;
    DType dtype;
    std::vector<std::int64_t> shape;
    std::uint64_t bytes;
  };
  void begin_key(std::string_view name, GgufValueType type);
  std::string header() const;
  void write_header();

  std::string path_, keys_;
  std::uint64_t key_count_ = 0;
  std::vector<Declared> tensors_;
  std::optional<AtomicFile> own_;  // from the first bytes on, where there is a path
  AtomicFile* file_ = nullptr;
  bool begun_ = false;
  std::size_t next_ = 0;
};

}  // namespace hone
