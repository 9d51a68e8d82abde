#include "file/gguf.hpp"

#include <cstring>

#include "file/format.hpp"
#include "hone/error.hpp"
#include "hone/nearest.hpp"

namespace hone {
namespace {

// The elements of an array of whole numbers, flags or numbers, each handed to `take` in its own type.
template <class Take>
bool each_number(const GgufArray& a, const Take& take) {
  const auto read = [&]<class T>(T) {
    for (std::uint64_t i = 0; i < a.count; ++i) {
      T value;
      std::memcpy(&value, a.bytes.data() + i * sizeof value, sizeof value);
      take(value);
    }
    return true;
  };
  using Type = GgufValueType;
  switch (a.type) {
    case Type::u8:
    case Type::flag:
      return read(std::uint8_t{});
    case Type::i8:
      return read(std::int8_t{});
    case Type::u16:
      return read(std::uint16_t{});
    case Type::i16:
      return read(std::int16_t{});
    case Type::u32:
      return read(std::uint32_t{});
    case Type::i32:
      return read(std::int32_t{});
    case Type::u64:
      return read(std::uint64_t{});
    case Type::i64:
      return read(std::int64_t{});
    case Type::f32:
      return read(float{});
    case Type::f64:
      return read(double{});
    default:
      return false;
  }
}

}  // namespace

bool is_gguf(const std::string& path) {
  if (!is_file(path)) return false;
  const std::string_view format = known_format(read_head(path)).name;
  return format == gguf_format || (path.ends_with(".gguf") && format != safetensors_name);
}

GgufFile::GgufFile(const std::string& path) : file_(path), index_(parse_gguf(file_.bytes(), path)) {
  for (std::size_t i = 0; i < index_.tensors.size(); ++i) by_name_[index_.tensors[i].name] = i;
}

const GgufTensor* GgufFile::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &index_.tensors[found->second];
}

const GgufTensor& GgufFile::at(std::string_view name) const {
  if (const GgufTensor* found = find(name)) return *found;
  std::vector<std::string> names;
  for (const GgufTensor& t : index_.tensors) names.push_back(t.name);
  throw Error(ErrorKind::input,
              {.what = "a tensor is missing",
               .where = path(),
               .expected = "tensor " + std::string(name),
               .found = names.empty() ? "no tensor" : "the nearest is " + nearest(std::string(name), names)});
}

std::span<const std::byte> GgufFile::bytes(const GgufTensor& tensor) const {
  return file_.bytes().subspan(tensor.offset, tensor.bytes);
}

const GgufValue* GgufFile::value(std::string_view key) const {
  const auto found = index_.metadata.find(key);
  return found == index_.metadata.end() ? nullptr : &found->second.value;
}

void GgufFile::refuse(std::string_view key, const char* expected) const {
  const auto found = index_.metadata.find(key);
  const bool missing = found == index_.metadata.end();
  throw Error(ErrorKind::input, {.what = missing ? "a key is missing" : "a key is of another type",
                                 .where = path() + ", key " + std::string(key),
                                 .expected = expected,
                                 .found = missing ? "" : std::string(name(found->second.type))});
}

std::string_view GgufFile::text(std::string_view key) const {
  const GgufValue* v = value(key);
  if (const auto* text = v ? std::get_if<std::string_view>(v) : nullptr) return *text;
  refuse(key, "a text");
}

std::int64_t GgufFile::integer(std::string_view key) const {
  const GgufValue* v = value(key);
  if (v && std::holds_alternative<std::int64_t>(*v)) return std::get<std::int64_t>(*v);
  if (const auto* n = v ? std::get_if<std::uint64_t>(v) : nullptr; n && *n <= std::uint64_t{1} << 62)
    return static_cast<std::int64_t>(*n);
  refuse(key, "a whole number");
}

double GgufFile::number(std::string_view key) const {
  const GgufValue* v = value(key);
  if (const auto* x = v ? std::get_if<double>(v) : nullptr) return *x;
  if (v && (std::holds_alternative<std::int64_t>(*v) || std::holds_alternative<std::uint64_t>(*v)))
    return static_cast<double>(integer(key));
  refuse(key, "a number");
}

bool GgufFile::flag(std::string_view key) const {
  const GgufValue* v = value(key);
  if (const auto* flag = v ? std::get_if<bool>(v) : nullptr) return *flag;
  refuse(key, "a flag");
}

std::string_view GgufFile::text(std::string_view key, std::string_view missing) const {
  return has(key) ? text(key) : missing;
}
std::int64_t GgufFile::integer(std::string_view key, std::int64_t missing) const {
  return has(key) ? integer(key) : missing;
}
double GgufFile::number(std::string_view key, double missing) const {
  return has(key) ? number(key) : missing;
}
bool GgufFile::flag(std::string_view key, bool missing) const { return has(key) ? flag(key) : missing; }

std::vector<std::string_view> GgufFile::texts(std::string_view key) const {
  const GgufValue* v = value(key);
  if (!v) return {};
  const auto* a = std::get_if<GgufArray>(v);
  if (!a || a->type != GgufValueType::text) refuse(key, "an array of texts");
  std::vector<std::string_view> all;
  all.reserve(a->count);
  const char* at = reinterpret_cast<const char*>(a->bytes.data());  // checked when the file was opened
  for (std::uint64_t i = 0; i < a->count; ++i) {
    std::uint64_t bytes;
    std::memcpy(&bytes, at, sizeof bytes);
    all.emplace_back(at + sizeof bytes, bytes);
    at += sizeof bytes + bytes;
  }
  return all;
}

std::vector<std::int64_t> GgufFile::integers(std::string_view key) const {
  const GgufValue* v = value(key);
  if (!v) return {};
  std::vector<std::int64_t> all;
  const auto* a = std::get_if<GgufArray>(v);
  const bool real = a && (a->type == GgufValueType::f32 || a->type == GgufValueType::f64);
  if (!a || real || !each_number(*a, [&](auto x) { all.push_back(static_cast<std::int64_t>(x)); }))
    refuse(key, "an array of whole numbers");
  return all;
}

std::vector<float> GgufFile::numbers(std::string_view key) const {
  const GgufValue* v = value(key);
  if (!v) return {};
  std::vector<float> all;
  const auto* a = std::get_if<GgufArray>(v);
  if (!a || !each_number(*a, [&](auto x) { all.push_back(static_cast<float>(x)); }))
    refuse(key, "an array of numbers");
  return all;
}

}  // namespace hone
