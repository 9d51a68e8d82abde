// Weights in memory for those who only read them.
#include <algorithm>

#include "base/types.hpp"
#include "store/weight_store.hpp"

namespace hone {

std::shared_ptr<const HeldWeight> WeightStore::hold(const ParameterSpec& spec, DType dtype) const {
  const std::lock_guard guard(held_->lock);
  const auto key = [&](DType type) { return spec.name + ":" + std::string(name(type)); };
  if (auto known = held_->weights[key(dtype)].lock()) return known;
  const std::int64_t count = spec.shape.elements();
  auto made = std::make_shared<const HeldWeight>(count * size_bytes(dtype));
  if (dtype == DType::f32) {
    read(spec, made->view<float>());
  } else {
    auto wide = held_->weights[key(DType::f32)].lock();
    if (!wide) {
      wide = std::make_shared<const HeldWeight>(count * size_bytes(DType::f32));
      read(spec, wide->view<float>());
    }
    const auto values = wide->view<const float>();
    std::transform(values.begin(), values.end(), made->view<bf16>().begin(),
                   [](float x) { return to_bf16(x); });
  }
  held_->weights[key(dtype)] = made;
  return made;
}

}  // namespace hone
