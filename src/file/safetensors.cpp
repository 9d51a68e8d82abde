#include "file/safetensors.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>
#include <utility>

#include "file/format.hpp"
#include "file/json.hpp"

namespace hone {
namespace {

using nlohmann::json;
constexpr std::uint64_t most_header_bytes = 100'000'000;  // the reference reader's limit
constexpr std::size_t most_dimensions = 16;

struct Dtype {
  std::string_view name;
  std::size_t bytes;
};
constexpr std::array dtypes{Dtype{"F64", 8},  Dtype{"I64", 8}, Dtype{"U64", 8},     Dtype{"F32", 4},
                            Dtype{"I32", 4},  Dtype{"U32", 4}, Dtype{"F16", 2},     Dtype{"BF16", 2},
                            Dtype{"I16", 2},  Dtype{"U16", 2}, Dtype{"I8", 1},      Dtype{"U8", 1},
                            Dtype{"BOOL", 1}, Dtype{"C64", 8}, Dtype{"F8_E4M3", 1}, Dtype{"F8_E5M2", 1}};

[[noreturn]] void refuse(const std::string& where, std::string what, std::string expected = {},
                         std::string found = {}) {
  throw Error(
      ErrorKind::input,
      {.what = std::move(what), .where = where, .expected = std::move(expected), .found = std::move(found)});
}

void refuse_other_format(std::span<const std::byte> file, const std::string& where) {
  const auto [name, hint] = known_format({reinterpret_cast<const char*>(file.data()), file.size()});
  if (!name.empty() && name != safetensors_name)
    throw Error(ErrorKind::input, {.what = "not a safetensors file",
                                   .where = where,
                                   .found = std::string(name),
                                   .hint = std::string(hint)});
}

std::uint64_t little_endian(std::span<const std::byte> bytes) {
  std::uint64_t x = 0;
  for (std::size_t i = 8; i-- > 0;) x = (x << 8) | static_cast<std::uint64_t>(bytes[i]);
  return x;
}

// The bytes of a tensor, or nothing where the product does not fit 63 bits.
bool tensor_bytes(const std::vector<std::int64_t>& shape, std::size_t item, std::uint64_t& bytes) {
  std::int64_t product = static_cast<std::int64_t>(item);
  for (const std::int64_t d : shape)
    if (__builtin_mul_overflow(product, d, &product)) return false;
  bytes = static_cast<std::uint64_t>(product);
  return true;
}

bool natural(const json& value, std::uint64_t& x) {
  if (!value.is_number_unsigned()) return false;
  x = value.get<std::uint64_t>();
  return x <= 0x7fff'ffff'ffff'ffffull;
}

SafetensorsEntry parse_entry(const std::string& name, const json& value, std::uint64_t data_at,
                             std::uint64_t data_bytes, const std::string& file) {
  const std::string where = file + ", tensor \"" + name + "\"";
  SafetensorsEntry entry{.name = name, .dtype = json_string(value, "dtype", where), .shape = {}};
  const std::size_t item = safetensors_item_bytes(entry.dtype);
  if (item == 0) refuse(where, "the dtype is not known", "F32, BF16, F16, I64, I32, U8, ...", entry.dtype);
  const json& shape = json_member(value, "shape", where);
  if (!shape.is_array() || shape.size() > most_dimensions)
    refuse(where, "the shape is not a list of at most 16 sizes");
  for (const json& dimension : shape) {
    std::uint64_t d = 0;
    if (!natural(dimension, d)) refuse(where, "the shape has a size that is not a whole number from 0");
    entry.shape.push_back(static_cast<std::int64_t>(d));
  }
  const json& offsets = json_member(value, "data_offsets", where);
  std::uint64_t begin = 0, end = 0, bytes = 0;
  if (!offsets.is_array() || offsets.size() != 2 || !natural(offsets[0], begin) ||
      !natural(offsets[1], end) || begin > end)
    refuse(where, "data_offsets is not [begin, end] with begin <= end");
  if (end > data_bytes)
    refuse(where, "the tensor ends beyond the file, which may be cut short",
           "at least " + std::to_string(end) + " bytes of data", std::to_string(data_bytes));
  if (!tensor_bytes(entry.shape, item, bytes)) refuse(where, "the shape overflows");
  if (bytes != end - begin)
    refuse(where, "shape and data_offsets contradict each other",
           std::to_string(bytes) + " bytes by shape and dtype",
           std::to_string(end - begin) + " by data_offsets");
  entry.offset = data_at + begin;
  entry.bytes = end - begin;
  return entry;
}

std::map<std::string, std::string> parse_metadata(const json& value, const std::string& where) {
  if (!value.is_object()) refuse(where, "__metadata__ is not an object of strings");
  std::map<std::string, std::string> metadata;
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string()) refuse(where, "__metadata__ has a value that is not a string, at \"" + key + "\"");
    metadata[key] = text.get<std::string>();
  }
  return metadata;
}

}  // namespace

std::string type_text(const std::string& dtype, const std::vector<std::int64_t>& shape) {
  std::string text = dtype + "[";
  for (std::size_t axis = 0; axis < shape.size(); ++axis)
    text += (axis ? "," : "") + std::to_string(shape[axis]);
  return text + "]";
}

std::string safetensors_dtype(DType dtype) {
  constexpr std::array names{"F32", "BF16", "F16", "I32", "U8"};
  return names[static_cast<std::size_t>(dtype)];
}

std::size_t safetensors_item_bytes(std::string_view dtype) {
  for (const Dtype& d : dtypes)
    if (d.name == dtype) return d.bytes;
  return 0;
}

namespace {

// In the order of their bytes, which fill [begin, end) without holes and overlaps.
void sort_without_holes(std::vector<SafetensorsEntry>& entries, std::uint64_t begin, std::uint64_t end,
                        const std::string& where) {
  std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    return std::pair(a.offset, a.bytes) < std::pair(b.offset, b.bytes);
  });
  std::uint64_t expected = begin;
  for (const SafetensorsEntry& entry : entries) {
    if (entry.offset != expected)
      refuse(
          where + ", tensor \"" + entry.name + "\"",
          entry.offset < expected ? "its bytes overlap another tensor's" : "there is a hole before its bytes",
          "offset " + std::to_string(expected - begin), std::to_string(entry.offset - begin));
    expected += entry.bytes;
  }
  if (expected != end)
    refuse(where, "the file goes on after its last tensor",
           std::to_string(expected - begin) + " bytes of data", std::to_string(end - begin));
}

}  // namespace

SafetensorsIndex parse_safetensors(std::span<const std::byte> head, std::uint64_t file_bytes,
                                   const std::string& where) {
  if (file_bytes < 8)
    refuse(where, "too short for a safetensors file", "8 bytes or more", std::to_string(file_bytes));
  refuse_other_format(head, where);
  const std::uint64_t header = little_endian(head);
  if (header > most_header_bytes || header > file_bytes - 8)
    refuse(where, "not a safetensors file, or cut short: the header's length does not fit the file",
           "at most " + std::to_string(std::min<std::uint64_t>(most_header_bytes, file_bytes - 8)),
           std::to_string(header));
  const std::string_view text{reinterpret_cast<const char*>(head.data()) + 8,
                              static_cast<std::size_t>(header)};
  if (!text.starts_with('{'))
    refuse(where + ", byte 8", "not a safetensors file: its header does not begin with a brace");
  const json object = parse_json(text, where + ", header");
  if (const auto last = text.find_last_not_of(' '); text[last] != '}')
    refuse(where + ", byte " + std::to_string(8 + last),
           "the header is filled up with something else than spaces");
  const std::uint64_t data_at = 8 + header;
  SafetensorsIndex index;
  for (const auto& [name, value] : object.items()) {
    if (name == "__metadata__")
      index.metadata = parse_metadata(value, where);
    else
      index.entries.push_back(parse_entry(name, value, data_at, file_bytes - data_at, where));
  }
  sort_without_holes(index.entries, data_at, file_bytes, where);
  return index;
}

namespace {

using ReadAt = std::function<void(std::uint64_t offset, std::span<std::byte>)>;

// What parse_safetensors() wants of a file, and what its format is known by.
std::vector<std::byte> read_head(std::uint64_t file_bytes, const ReadAt& read) {
  std::vector<std::byte> head(std::min<std::uint64_t>(4096, file_bytes));
  read(0, head);
  if (head.size() < 8) return head;
  const std::uint64_t header = little_endian(head);
  if (header > most_header_bytes || 8 + header > file_bytes || 8 + header <= head.size()) return head;
  head.resize(8 + header);
  read(0, head);
  return head;
}

}  // namespace

bool is_safetensors_file(const std::string& path) { return is_file(path) || is_file(path + packed_suffix); }

SafetensorsFile::SafetensorsFile(const std::string& path)
    : file_(!is_file(path) && is_file(path + packed_suffix) ? path + packed_suffix : path) {
  std::vector<std::byte> head = read_head(file_.size(), [this](auto at, auto to) { file_.read(at, to); });
  std::uint64_t bytes = file_.size();
  if (PackedFile::is_one(head)) {
    packed_.emplace(file_);
    bytes = packed_->size();
    head = read_head(bytes, [this](auto at, auto to) { packed_->read(at, to); });
  }
  index_ = parse_safetensors(head, bytes, path);
  for (std::size_t i = 0; i < index_.entries.size(); ++i) by_name_[index_.entries[i].name] = i;
}

const SafetensorsEntry* SafetensorsFile::find(std::string_view name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : &index_.entries[it->second];
}

void SafetensorsFile::read(const SafetensorsEntry& entry, std::span<std::byte> to, std::size_t first) const {
  if (packed_)
    packed_->read(entry.offset + first, to);
  else
    file_.read(static_cast<std::size_t>(entry.offset) + first, to);
  file_.require_unchanged();
}

const SafetensorsEntry& SafetensorsFile::at(std::string_view name) const {
  const SafetensorsEntry* entry = find(name);
  if (entry == nullptr) refuse(path(), "the tensor \"" + std::string(name) + "\" is missing");
  return *entry;
}

namespace {

struct Header {
  std::string text;
  std::uint64_t data_bytes = 0;  // behind it
};

Header header_of(const std::vector<SafetensorsSpec>& specs,
                 const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header;
  if (!metadata.empty()) header["__metadata__"] = metadata;
  // One string by hand: ordered_json looks for a key by walking all before it.
  std::string text = metadata.empty() ? "{" : header.dump().substr(0, header.dump().size() - 1);
  std::uint64_t offset = 0;
  for (const SafetensorsSpec& spec : specs) {
    std::uint64_t bytes = 0;
    [[maybe_unused]] const bool fits = tensor_bytes(spec.shape, safetensors_item_bytes(spec.dtype), bytes);
    assert(fits && safetensors_item_bytes(spec.dtype) != 0);
    if (text.size() > 1) text += ',';
    text += json(spec.name).dump() + ":{\"dtype\":\"" + spec.dtype +
            "\",\"shape\":" + json(spec.shape).dump() + ",\"data_offsets\":[" + std::to_string(offset) + "," +
            std::to_string(offset + bytes) + "]}";
    offset += bytes;
  }
  text += '}';
  text.append((8 - text.size() % 8) % 8, ' ');  // the data start aligned to 8, and so to 64-bit elements
  return {std::move(text), offset};
}

}  // namespace

std::uint64_t safetensors_bytes(const std::vector<SafetensorsSpec>& specs,
                                const std::map<std::string, std::string>& metadata) {
  const Header header = header_of(specs, metadata);
  return 8 + header.text.size() + header.data_bytes;
}

SafetensorsWriter::SafetensorsWriter(const std::string& path, std::vector<SafetensorsSpec> specs,
                                     const std::map<std::string, std::string>& metadata,
                                     const SafetensorsWriting& writing)
    : specs_(std::move(specs)), file_(path, writing.hurry) {
  if (writing.packed) packer_.emplace();
  const std::string text = header_of(specs_, metadata).text;
  std::array<std::byte, 8> length{};
  for (std::size_t i = 0; i < 8; ++i) length[i] = static_cast<std::byte>(text.size() >> (8 * i));
  put(length, Elements::bytes);
  put(std::as_bytes(std::span(text)), Elements::bytes);
  next_tensor();
}

void SafetensorsWriter::put(std::span<const std::byte> bytes, Elements elements) {
  if (packer_) return put_packed(bytes, elements);
  digest_.add(bytes);
  file_.write(bytes);
}

// In pieces: what is packed is written before the next one, so that a tensor is never held packed as a whole.
void SafetensorsWriter::put_packed(std::span<const std::byte> bytes, Elements elements) {
  constexpr std::size_t piece_bytes = std::size_t{1} << 18;
  for (std::size_t at = 0; at < bytes.size(); at += piece_bytes) {
    packer_->add(bytes.subspan(at, std::min(piece_bytes, bytes.size() - at)), elements, packed_);
    write_packed();
  }
}

void SafetensorsWriter::write_packed() {
  digest_.add(packed_);
  file_.write(packed_);
  packed_.clear();
}

void SafetensorsWriter::finish() {
  assert(current_ == specs_.size());
  if (!packer_) return;
  packer_->finish(packed_);
  write_packed();
  packer_.reset();
}

// Sets what is left for specs_[current_], passing over tensors without elements.
void SafetensorsWriter::next_tensor() {
  for (left_ = 0; current_ < specs_.size(); ++current_) {
    tensor_bytes(specs_[current_].shape, safetensors_item_bytes(specs_[current_].dtype), left_);
    if (left_ > 0) return;
  }
}

void SafetensorsWriter::write([[maybe_unused]] std::string_view name, std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  assert(current_ < specs_.size() && specs_[current_].name == name && bytes.size() <= left_);
  put(bytes, elements_of(specs_[current_].dtype));
  left_ -= bytes.size();
  if (left_ > 0) return;
  ++current_;
  next_tensor();
}

void SafetensorsWriter::commit() {
  finish();
  file_.commit();
}

}  // namespace hone
