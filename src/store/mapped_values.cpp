#include "store/mapped_values.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/types.hpp"
#include "store/weight_store.hpp"

namespace hone {
namespace {

bool readable(const SafetensorsEntry& entry) {
  return entry.dtype == "F32" || entry.dtype == "BF16" || entry.dtype == "F16";
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
                                   .expected = "F32, BF16 or F16",
                                   .found = tensor.entry->dtype});
}

void read_f32(const MappedTensor& tensor, std::int64_t first, std::span<float> values) {
  const auto item = safetensors_item_bytes(tensor.entry->dtype);
  // Narrow values are read into the upper half of the room, then widened from the front: each is read before
  // it is covered.
  const auto bytes = std::as_writable_bytes(values).subspan(values.size() * (sizeof(float) - item));
  tensor.file->read(*tensor.entry, bytes, static_cast<std::size_t>(first) * item);
  if (item == sizeof(float)) return;
  const bool brain = tensor.entry->dtype == "BF16";
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::uint16_t bits;
    std::memcpy(&bits, bytes.data() + 2 * i, 2);
    values[i] = brain ? to_f32(bf16{bits}) : to_f32(f16{bits});
  }
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
