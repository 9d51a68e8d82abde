// The safetensors format: 8 bytes of header length, a JSON header, the tensors' bytes one after the other.
//
//   const SafetensorsFile file("model.safetensors");
//   const SafetensorsEntry& wte = file.at("transformer.wte.weight");  // "F32", {50257, 768}
//   file.read(wte, bytes);                                            // nothing was read until here
//
// A reader believes nothing: header length, JSON, dtypes, sizes, offsets, holes and overlaps are checked,
// with no sum that can overflow. Nothing is mapped: a file that is cut short or written to while it is open
// would end the process by a signal, or be taken for what it was; so it is an Error(input).
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "file/atomic.hpp"
#include "file/hash.hpp"
#include "file/mapped.hpp"
#include "file/packed_file.hpp"

#include "ir/type.hpp"

namespace hone {

// Bytes of an element of "F32", "BF16", "I64", ...; 0 for a name that the format does not have.
std::size_t safetensors_item_bytes(std::string_view dtype);
std::string safetensors_dtype(DType dtype);  // "F32"

struct SafetensorsEntry {
  std::string name, dtype;
  std::vector<std::int64_t> shape;
  std::uint64_t offset = 0, bytes = 0;  // in the file
};

std::string type_text(const std::string& dtype, const std::vector<std::int64_t>& shape);  // F32[2,3]

struct SafetensorsIndex {
  std::vector<SafetensorsEntry> entries;  // in the order of their bytes, which is a writer's order
  std::map<std::string, std::string> metadata;
};

// Checks the header of a file of so many bytes wholly. `head` begins it, and has the whole header unless that
// is longer than the file or than any may be. `where` opens every message.
SafetensorsIndex parse_safetensors(std::span<const std::byte> head, std::uint64_t file_bytes,
                                   const std::string& where);

// The file, or where there is none what stands packed in its place.
inline constexpr const char* packed_suffix = ".packed";
bool is_safetensors_file(const std::string& path);  // is one of them there?

class SafetensorsFile {
 public:
  // Also where only PATH.packed is there, or where the file is packed itself.
  explicit SafetensorsFile(const std::string& path);

  const std::string& path() const { return file_.path(); }
  bool is_packed() const { return packed_.has_value(); }  // then entries' offsets are not the file's
  const std::vector<SafetensorsEntry>& entries() const { return index_.entries; }
  const std::map<std::string, std::string>& metadata() const { return index_.metadata; }
  const SafetensorsEntry* find(std::string_view name) const;  // null if there is none
  const SafetensorsEntry& at(std::string_view name) const;    // Error(input) if there is none
  // An entry's bytes from `first` on. Error(input) where the file was cut short or written to since it was
  // opened.
  void read(const SafetensorsEntry& entry, std::span<std::byte> to, std::size_t first = 0) const;

 private:
  OffsetFile file_;
  std::optional<PackedFile> packed_;  // of file_, where it is one
  SafetensorsIndex index_;
  std::map<std::string_view, std::size_t> by_name_;
};

struct SafetensorsSpec {
  std::string name, dtype;
  std::vector<std::int64_t> shape;
};

// What SafetensorsWriter makes of them, header and all, where nothing is packed.
std::uint64_t safetensors_bytes(const std::vector<SafetensorsSpec>& specs,
                                const std::map<std::string, std::string>& metadata = {{"format", "pt"}});

struct SafetensorsWriting {
  bool packed = false;  // as SafetensorsFile reads it and no other tool: file/packed_file.hpp
  const std::atomic<bool>* hurry = nullptr;  // as AtomicFile has it
};

// Writes a file of any size in constant memory: all entries are declared first, then come the bytes, tensor
// by tensor in that order, each in as many pieces as is handy. The file appears at commit(). Who mixes dtypes
// puts the wide ones first, which keeps each tensor aligned to its element.
class SafetensorsWriter {
 public:
  SafetensorsWriter(const std::string& path, std::vector<SafetensorsSpec> specs,
                    const std::map<std::string, std::string>& metadata = {{"format", "pt"}},
                    const SafetensorsWriting& writing = {});

  void write(std::string_view name, std::span<const std::byte> bytes);  // the next bytes of tensor `name`
  void finish();  // when all bytes were written: what commit() does first, and the digest is the file's
  std::string digest() const { return digest_.hex(); }
  void commit();

 private:
  void put(std::span<const std::byte> bytes, Elements elements);
  void put_packed(std::span<const std::byte> bytes, Elements elements);
  void write_packed();
  void next_tensor();

  std::vector<SafetensorsSpec> specs_;
  AtomicFile file_;
  Digest digest_;
  std::optional<BlockPacker> packer_;
  std::vector<std::byte> packed_;  // what it has ready
  std::size_t current_ = 0;
  std::uint64_t left_ = 0;  // bytes that the current tensor still needs
};

}  // namespace hone
