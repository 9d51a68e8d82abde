// Weights in memory for those who only read them.
#include <algorithm>
#include <cstdlib>

#include "base/types.hpp"
#include "store/weight_store.hpp"

namespace hone {
namespace {

HeldWeight allocate(std::int64_t bytes) {
  constexpr std::size_t alignment = 64;
  const auto size = (static_cast<std::size_t>(bytes) + alignment - 1) / alignment * alignment;
  auto* at = static_cast<std::byte*>(std::aligned_alloc(alignment, size));
  if (!at)
    throw Error(ErrorKind::budget, {.what = "the system refuses the memory of a weight",
                                    .expected = std::to_string(bytes) + " bytes"});
  return {{at, std::free}, {at, static_cast<std::size_t>(bytes)}};
}

}  // namespace

std::shared_ptr<const HeldWeight> WeightStore::hold(const ParameterSpec& spec, DType dtype) const {
  const std::lock_guard guard(held_->lock);
  const auto known = [&](DType type) { return held_->weights[spec.name + ":" + std::string(name(type))].lock(); };
  if (auto weight = known(dtype)) return weight;
  const std::int64_t count = spec.shape.elements();
  auto made = std::make_shared<HeldWeight>(allocate(count * size_bytes(dtype)));
  const auto size = static_cast<std::size_t>(count);
  if (dtype == DType::f32) {
    read(spec, {reinterpret_cast<float*>(made->memory.get()), size});
  } else {
    std::vector<float> buffer;
    std::span<const float> values;
    const auto wide = known(DType::f32);
    if (wide) {
      values = {reinterpret_cast<const float*>(wide->bytes.data()), size};
    } else {
      buffer.resize(size);
      read(spec, buffer);
      values = buffer;
    }
    std::transform(values.begin(), values.end(), reinterpret_cast<bf16*>(made->memory.get()), [](float x) { return to_bf16(x); });
  }
  held_->weights[spec.name + ":" + std::string(name(dtype))] = made;
  return made;
}

}  // namespace hone
