#include "file/gguf_writer.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace hone {
namespace {

constexpr std::uint64_t alignment = 32;

template <class T>
void put(std::string& to, T value) {
  to.append(reinterpret_cast<const char*>(&value), sizeof value);
}
void put_text(std::string& to, std::string_view text) {
  put(to, std::uint64_t{text.size()});
  to += text;
}
template <class T>
void put_array(std::string& to, GgufValueType type, const std::vector<T>& values) {
  put(to, type);
  put(to, std::uint64_t{values.size()});
  for (const T& value : values) put(to, value);
}

std::uint64_t aligned_bytes(std::uint64_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

}  // namespace

void GgufWriter::begin_key(std::string_view name, GgufValueType type) {
  put_text(keys_, name);
  put(keys_, type);
  ++key_count_;
}

void GgufWriter::key(std::string_view name, std::uint32_t value) {
  begin_key(name, GgufValueType::u32), put(keys_, value);
}
void GgufWriter::key(std::string_view name, std::int32_t value) {
  begin_key(name, GgufValueType::i32), put(keys_, value);
}
void GgufWriter::key(std::string_view name, float value) {
  begin_key(name, GgufValueType::f32), put(keys_, value);
}
void GgufWriter::key(std::string_view name, bool value) {
  begin_key(name, GgufValueType::flag), put(keys_, static_cast<std::uint8_t>(value));
}
void GgufWriter::key(std::string_view name, std::string_view value) {
  begin_key(name, GgufValueType::text), put_text(keys_, value);
}
void GgufWriter::key(std::string_view name, const std::vector<std::string>& values) {
  begin_key(name, GgufValueType::array);
  put(keys_, GgufValueType::text);
  put(keys_, std::uint64_t{values.size()});
  for (const std::string& value : values) put_text(keys_, value);
}
void GgufWriter::key(std::string_view name, const std::vector<std::int32_t>& values) {
  begin_key(name, GgufValueType::array), put_array(keys_, GgufValueType::i32, values);
}
void GgufWriter::key(std::string_view name, const std::vector<float>& values) {
  begin_key(name, GgufValueType::array), put_array(keys_, GgufValueType::f32, values);
}

void GgufWriter::key(std::string_view name, const GgufEntry& entry) {
  if (const auto* text = std::get_if<std::string_view>(&entry.value)) return key(name, *text);
  if (const auto* flag = std::get_if<bool>(&entry.value)) return key(name, *flag);
  begin_key(name, entry.type);
  if (const auto* array = std::get_if<GgufArray>(&entry.value)) {
    put(keys_, array->type);
    put(keys_, array->count);
    keys_.append(reinterpret_cast<const char*>(array->bytes.data()), array->bytes.size());
  } else if (entry.type == GgufValueType::f32) {
    put(keys_, static_cast<float>(std::get<double>(entry.value)));
  } else if (const auto* number = std::get_if<double>(&entry.value)) {
    put(keys_, *number);
  } else {  // the low bytes of a whole number are the number in fewer of them
    const auto* whole = std::get_if<std::uint64_t>(&entry.value);
    const std::uint64_t bits =
        whole ? *whole : static_cast<std::uint64_t>(std::get<std::int64_t>(entry.value));
    keys_.append(reinterpret_cast<const char*>(&bits), gguf_value_bytes(entry.type));
  }
}

void GgufWriter::tensor(std::string_view name, DType dtype, const std::vector<std::int64_t>& shape) {
  std::int64_t elements = 1;
  for (const std::int64_t size : shape) elements *= size;
  assert(shape.back() % block_elements(dtype) == 0);
  tensors_.push_back(
      {std::string(name), dtype, shape, static_cast<std::uint64_t>(row_bytes(dtype, elements))});
}

std::string GgufWriter::header() const {
  std::string header = "GGUF";
  put(header, std::uint32_t{3});
  put(header, std::uint64_t{tensors_.size()});
  put(header, key_count_);
  header += keys_;
  std::uint64_t offset = 0;
  for (const Declared& t : tensors_) {
    put_text(header, t.name);
    put(header, static_cast<std::uint32_t>(t.shape.size()));
    for (auto size = t.shape.rbegin(); size != t.shape.rend(); ++size)
      put(header, static_cast<std::uint64_t>(*size));
    put(header, gguf_type_of(t.dtype).id);
    put(header, offset);
    offset += aligned_bytes(t.bytes);
  }
  header.resize(aligned_bytes(header.size()), '\0');
  return header;
}

std::uint64_t GgufWriter::bytes() const {
  std::uint64_t bytes = header().size();
  for (const Declared& t : tensors_) bytes += aligned_bytes(t.bytes);
  return bytes;
}

void GgufWriter::write_header() {
  if (!file_) file_ = &own_.emplace(path_);
  begun_ = true;
  file_->write(header());
}

void GgufWriter::write([[maybe_unused]] std::string_view name, std::span<const std::byte> bytes) {
  if (!begun_) write_header();
  assert(next_ < tensors_.size() && tensors_[next_].name == name && tensors_[next_].bytes == bytes.size());
  ++next_;
  file_->write(bytes);
  file_->write(std::string(aligned_bytes(bytes.size()) - bytes.size(), '\0'));
}

void GgufWriter::finish() {
  if (!begun_) write_header();
  assert(next_ == tensors_.size());
}

void GgufWriter::commit() {
  finish();
  file_->commit();
}

}  // namespace hone
