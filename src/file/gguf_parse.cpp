// What a GGUF file may be, checked from its first byte on.
#include <algorithm>
#include <cstring>
#include <limits>
#include <set>

#include "base/utf8.hpp"
#include "file/format.hpp"
#include "file/gguf.hpp"
#include "hone/error.hpp"

namespace hone {
namespace {

// Metadata and names of tensors: a vocabulary of 256k tokens takes some ten MB.
constexpr std::uint64_t longest_header = std::uint64_t{256} << 20;
constexpr std::uint64_t longest_key = 65535;  // gguf.md
constexpr int most_dimensions = 4;            // GGML_MAX_DIMS
constexpr int deepest_array = 4;              // arrays of arrays have no use so far

// Bytes of the least key with its value, and of the least description of a tensor.
constexpr std::uint64_t least_entry = 8 + 1 + 4 + 1, least_tensor = 8 + 1 + 4 + 4 + 8;

// The header from its start on; each read is checked.
class Cursor {
 public:
  Cursor(std::span<const std::byte> file, std::string where) : file_(file), where_(std::move(where)) {}

  [[noreturn]] void fail(const std::string& what, const std::string& expected = {},
                         const std::string& found = {}, const std::string& hint = {}) const {
    throw Error(ErrorKind::input, {.what = what,
                                   .where = where_ + (of_.empty() ? "" : ", " + of_),
                                   .expected = expected,
                                   .found = found,
                                   .hint = hint});
  }
  void of(std::string what) { of_ = std::move(what); }  // what is read now, for messages

  std::uint64_t at() const { return at_; }
  std::uint64_t left() const { return std::min<std::uint64_t>(file_.size(), longest_header) - at_; }

  std::span<const std::byte> take(std::uint64_t bytes, const char* what) {
    if (bytes > left()) fail_short(bytes, what);
    const auto part = file_.subspan(at_, bytes);
    at_ += bytes;
    return part;
  }
  template <class T>
  T read(const char* what) {
    T value;
    std::memcpy(&value, take(sizeof value, what).data(), sizeof value);
    return value;
  }
  std::uint64_t count(const char* what, std::uint64_t least_bytes) {
    const auto n = read<std::uint64_t>(what);
    if (n > left() / least_bytes) fail_short(n, what);
    return n;
  }
  std::string_view text(const char* what) {
    const auto bytes = take(read<std::uint64_t>(what), what);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  std::string name(const char* what) {
    const std::string_view name = text(what);
    const std::string expected = "UTF-8 of 1 to 65535 bytes";
    if (name.empty() || name.size() > longest_key)
      fail(std::string("the name of ") + what + " is none", expected, std::to_string(name.size()) + " bytes");
    if (!valid_utf8(name) || name.find('\0') != std::string_view::npos)
      fail(std::string("the name of ") + what + " is no text", expected);
    return std::string(name);
  }

 private:
  [[noreturn]] void fail_short(std::uint64_t wanted, const char* what) const {
    if (file_.size() > longest_header)
      fail("the header is longer than any may be", "at most " + std::to_string(longest_header) + " bytes",
           std::string(what) + " of " + std::to_string(wanted), "the file is damaged, or no GGUF model");
    fail("the file ends within its header", std::to_string(wanted) + " more for " + what,
         std::to_string(left()) + " bytes left", "the file is damaged, or its download was cut short");
  }

  std::span<const std::byte> file_;
  std::string where_, of_;
  std::uint64_t at_ = 0;
};

GgufValueType read_value_type(Cursor& c) {
  const auto type = c.read<std::uint32_t>("a value's type");
  if (type >= gguf_value_types)
    c.fail("a value's type is unknown", "0 to " + std::to_string(gguf_value_types - 1), std::to_string(type));
  return static_cast<GgufValueType>(type);
}

GgufArray read_array(Cursor& c, std::span<const std::byte> file, int depth) {
  if (depth > deepest_array) c.fail("arrays are nested too deep", std::to_string(deepest_array) + " levels");
  GgufArray array{.type = read_value_type(c)};
  const std::uint64_t each = gguf_value_bytes(array.type);
  const std::uint64_t least = each ? each : array.type == GgufValueType::text ? 8 : 12;
  array.count = c.count("an array's elements", least);
  const std::uint64_t first = c.at();
  if (each)
    c.take(array.count * each, "an array");
  else
    for (std::uint64_t i = 0; i < array.count; ++i)
      array.type == GgufValueType::text ? (void)c.text("a text") : (void)read_array(c, file, depth + 1);
  array.bytes = file.subspan(first, c.at() - first);
  return array;
}

GgufValue read_value(Cursor& c, GgufValueType type, std::span<const std::byte> file) {
  constexpr const char* what = "a value";
  using Type = GgufValueType;
  switch (type) {
    case Type::u8:
      return std::uint64_t{c.read<std::uint8_t>(what)};
    case Type::u16:
      return std::uint64_t{c.read<std::uint16_t>(what)};
    case Type::u32:
      return std::uint64_t{c.read<std::uint32_t>(what)};
    case Type::u64:
      return c.read<std::uint64_t>(what);
    case Type::i8:
      return std::int64_t{c.read<std::int8_t>(what)};
    case Type::i16:
      return std::int64_t{c.read<std::int16_t>(what)};
    case Type::i32:
      return std::int64_t{c.read<std::int32_t>(what)};
    case Type::i64:
      return c.read<std::int64_t>(what);
    case Type::f32:
      return static_cast<double>(c.read<float>(what));
    case Type::f64:
      return c.read<double>(what);
    case Type::flag: {
      const auto flag = c.read<std::uint8_t>(what);
      if (flag > 1) c.fail("a flag is neither true nor false", "0 or 1", std::to_string(flag));
      return flag == 1;
    }
    case Type::text:
      return c.text(what);
    case Type::array:
      return read_array(c, file, 1);
  }
  return {};
}

void read_metadata(Cursor& c, std::uint64_t count, std::span<const std::byte> file, GgufIndex& index) {
  for (std::uint64_t i = 0; i < count; ++i) {
    c.of("key " + std::to_string(i + 1) + " of " + std::to_string(count));
    std::string key = c.name("a key");
    c.of("key " + key);
    const GgufValueType type = read_value_type(c);
    if (!index.metadata.try_emplace(std::move(key), GgufEntry{type, read_value(c, type, file)}).second)
      c.fail("a key stands there twice");
  }
  c.of("");
}

std::uint64_t alignment_of(const Cursor& c, const GgufIndex& index) {
  const auto found = index.metadata.find("general.alignment");
  if (found == index.metadata.end()) return 32;
  const auto* value = std::get_if<std::uint64_t>(&found->second.value);
  if (!value || *value == 0 || *value > (1u << 20) || (*value & (*value - 1)) != 0)
    c.fail("the alignment is none", "general.alignment a power of two",
           value ? std::to_string(*value) : std::string(name(found->second.type)));
  return *value;
}

GgufTensor read_tensor(Cursor& c, std::uint64_t number, std::uint64_t count) {
  c.of("tensor " + std::to_string(number + 1) + " of " + std::to_string(count));
  GgufTensor t{.name = c.name("a tensor"), .type = {}, .shape = {}, .offset = 0, .bytes = 0};
  c.of("tensor " + t.name);
  const auto dimensions = c.read<std::uint32_t>("the number of dimensions");
  if (dimensions < 1 || dimensions > most_dimensions)
    c.fail("so many dimensions has no tensor", "1 to 4", std::to_string(dimensions));
  std::uint64_t elements = 1;
  for (std::uint32_t i = 0; i < dimensions; ++i) {
    const auto size = c.read<std::uint64_t>("a dimension");
    constexpr std::uint64_t most = std::uint64_t{1} << 48;  // elements; their bytes cannot overflow
    if (size == 0 || size > most || elements > most / size)
      c.fail("the shape is none", "sizes above 0, fewer than 2^48 elements", std::to_string(size));
    elements *= size;
    t.shape.insert(t.shape.begin(), static_cast<std::int64_t>(size));
  }
  const auto id = c.read<std::uint32_t>("a type");
  const auto type = gguf_type(id);
  if (!type)
    c.fail("the tensor is of a type that is unknown", "a type of ggml's", "type " + std::to_string(id),
           "the file was made by a newer tool");
  t.type = *type;
  if (t.shape.back() % type->block_elements != 0)
    c.fail("rows are not divisible into blocks",
           "a multiple of " + std::to_string(type->block_elements) + " for " + std::string(type->name),
           std::to_string(t.shape.back()));
  t.bytes = elements / static_cast<std::uint64_t>(type->block_elements) *
            static_cast<std::uint64_t>(type->block_bytes);
  t.offset = c.read<std::uint64_t>("an offset");
  return t;
}

// Offsets in the file hold from where the data begin.
void place(Cursor& c, std::uint64_t file_bytes, GgufIndex& index) {
  const std::uint64_t first = (c.at() + index.alignment - 1) / index.alignment * index.alignment;
  std::vector<GgufTensor*> in_order;
  for (GgufTensor& t : index.tensors) {
    c.of("tensor " + t.name);
    if (t.offset % index.alignment != 0)
      c.fail("the tensor is not aligned", "a multiple of " + std::to_string(index.alignment),
             "offset " + std::to_string(t.offset));
    const std::uint64_t room = file_bytes > first ? file_bytes - first : 0;
    if (t.offset > room || t.bytes > room - t.offset)
      c.fail("the tensor runs past the file's end",
             std::to_string(t.bytes) + " bytes at " + std::to_string(t.offset) + " of the data",
             std::to_string(room) + " bytes of data", "the file is damaged, or its download was cut short");
    t.offset += first;
    in_order.push_back(&t);
  }
  std::sort(in_order.begin(), in_order.end(),
            [](const GgufTensor* a, const GgufTensor* b) { return a->offset < b->offset; });
  for (std::size_t i = 1; i < in_order.size(); ++i)
    if (const GgufTensor& a = *in_order[i - 1], &b = *in_order[i]; a.offset + a.bytes > b.offset) {
      c.of("tensor " + b.name);
      c.fail("two tensors overlap", "", "the bytes of " + a.name);
    }
}

std::uint32_t read_version(Cursor& c) {
  const auto version = c.read<std::uint32_t>("the version");
  if (version == 2 || version == 3) return version;
  const bool swapped = version == 0x02000000 || version == 0x03000000;
  c.fail("a GGUF of this version cannot be read", "version 2 or 3",
         swapped ? "one of the other byte order" : "version " + std::to_string(version),
         version == 1 ? "convert it anew, from the model's safetensors" : "");
}

}  // namespace

GgufIndex parse_gguf(std::span<const std::byte> file, const std::string& where) {
  Cursor c(file, where);
  const std::string_view head(reinterpret_cast<const char*>(file.data()),
                              std::min<std::size_t>(file.size(), 512));
  if (!head.starts_with("GGUF")) {
    const KnownFormat format = known_format(head);
    c.fail("not a GGUF file", "the letters GGUF",
           format.name.empty() ? file.empty() ? "an empty file" : "something else" : std::string(format.name),
           std::string(format.hint));
  }
  c.take(4, "the magic");
  GgufIndex index{.version = read_version(c), .alignment = 0, .metadata = {}, .tensors = {}};
  const std::uint64_t tensors = c.count("tensors", least_tensor);
  const std::uint64_t entries = c.count("keys", least_entry);
  read_metadata(c, entries, file, index);
  index.alignment = alignment_of(c, index);
  if (tensors > c.left() / least_tensor)
    c.fail("the file ends within its header", std::to_string(tensors) + " tensors");
  std::set<std::string_view> names;
  index.tensors.reserve(tensors);
  for (std::uint64_t i = 0; i < tensors; ++i) {
    index.tensors.push_back(read_tensor(c, i, tensors));
    if (!names.insert(index.tensors.back().name).second) c.fail("a tensor stands there twice");
  }
  place(c, file.size(), index);
  return index;
}

}  // namespace hone
