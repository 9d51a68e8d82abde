#include "store/mapped_values.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/types.hpp"
#include "store/weight_store.hpp"

namespace hone {
namespace {

// The types that weights are read from, and how their elements become f32. F32 needs nothing.
struct Readable {
  const char* dtype;
  void (*widen)(const std::byte* from, std::span<float> to);
};

inline float wide(bf16 x) { return to_f32(x); }
inline float wide(f16 x) { return to_f32(x); }
template <class T>
float wide(T x) {
  return static_cast<float>(x);
}
// From the front: `from` may lie in the upper part of `to`.
template <class T>
void widen_all(const std::byte* from, std::span<float> to) {
  for (std::size_t i = 0; i < to.size(); ++i) {
    T x;
    std::memcpy(&x, from + i * sizeof x, sizeof x);
    to[i] = wide(x);
  }
}

constexpr Readable readables[] = {{"F32", nullptr},
                                  {"BF16", widen_all<bf16>},
                                  {"F16", widen_all<f16>},
                                  {"F64", widen_all<double>},
                                  {"I8", widen_all<std::int8_t>},
                                  {"U8", widen_all<std::uint8_t>},
                                  {"I32", widen_all<std::int32_t>},
                                  {"I64", widen_all<std::int64_t>}};

const Readable* readable(const SafetensorsEntry& entry) {
  const auto found =
      std::ranges::find_if(readables, [&](const Readable& r) { return entry.dtype == r.dtype; });
  return found == std::end(readables) ? nullptr : &*found;
}

// Wider elements than f32's, by pieces.
void read_wide(const MappedTensor& tensor, std::int64_t first, std::span<float> values,
               const Readable& type) {
  constexpr std::size_t item = 8, step = 4096;
  std::vector<std::byte> piece(item * std::min(step, values.size()));
  for (std::size_t done = 0; done < values.size(); done += step) {
    const std::size_t n = std::min(step, values.size() - done);
    tensor.file->read(*tensor.entry, std::span(piece).first(item * n),
                      (static_cast<std::size_t>(first) + done) * item);
    type.widen(piece.data(), values.subspan(done, n));
  }
}

}  // namespace

std::optional<DType> dtype_of_file(const MappedTensor& tensor) {
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16})
    if (safetensors_dtype(dtype) == tensor.entry->dtype) return dtype;
  return {};
}

void require_fit(const MappedTensor& tensor, const ParameterSpec& spec) {
  const Shape wanted = file_shape(spec);
  const auto& found = tensor.entry->shape;
  if (found != wanted.sizes()) {
    const bool turned = wanted.rank() == 2 && Shape{wanted[1], wanted[0]}.sizes() == found;
    throw Error(
        ErrorKind::input,
        {.what = "the weight does not fit config.json",
         .where = tensor.where(),
         .expected = to_string(wanted),
         .found = type_text("", found),
         .hint = turned ? "the file keeps it transposed: the family's files have it as expected" : ""});
  }
  if (!readable(*tensor.entry))
    throw Error(ErrorKind::input, {.what = "weights of this type cannot be read",
                                   .where = tensor.where(),
                                   .expected = "F32, BF16, F16, F64, I8, U8, I32 or I64",
                                   .found = tensor.entry->dtype});
}

void read_f32(const MappedTensor& tensor, std::int64_t first, std::span<float> values) {
  const auto item = safetensors_item_bytes(tensor.entry->dtype);
  const Readable& type = *readable(*tensor.entry);
  if (item > sizeof(float)) return read_wide(tensor, first, values, type);
  // Narrow values are read into the upper part of the room, then widened from the front: each is read before
  // it is covered.
  const auto bytes = std::as_writable_bytes(values).subspan(values.size() * (sizeof(float) - item));
  tensor.file->read(*tensor.entry, bytes, static_cast<std::size_t>(first) * item);
  if (type.widen) type.widen(bytes.data(), values);
}

bool same_values(const MappedTensor& a, const MappedTensor& b) {
  if (a.entry->shape != b.entry->shape || !readable(*a.entry) || !readable(*b.entry)) return false;
  constexpr std::size_t step = std::size_t{1} << 18;
  const std::size_t count = static_cast<std::size_t>(a.entry->bytes) / safetensors_item_bytes(a.entry->dtype);
  std::vector<float> ours(std::min(step, count)), theirs(ours.size());
  for (std::size_t first = 0; first < count; first += step) {
    const std::size_t n = std::min(step, count - first);
    read_f32(a, static_cast<std::int64_t>(first), std::span(ours).first(n));
    read_f32(b, static_cast<std::int64_t>(first), std::span(theirs).first(n));
    if (std::memcmp(ours.data(), theirs.data(), n * sizeof(float)) != 0) return false;
  }
  return true;
}

}  // namespace hone
