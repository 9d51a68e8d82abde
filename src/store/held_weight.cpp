// Weights in memory for those who only read them.
#include "store/weight_store.hpp"

namespace hone {

std::shared_ptr<const HeldWeight> WeightStore::hold(const ParameterSpec& spec) const {
  return hold(spec.name, "", spec.shape.elements() * size_bytes(spec.dtype),
              [&](const HeldWeight& made) { read(spec, made.bytes()); });
}

WeightStore::Held& WeightStore::held_of(const std::string& weight) const {
  return more_ && more_->values.contains(weight) ? more_->held : *held_;
}

std::shared_ptr<const HeldWeight> WeightStore::hold(const std::string& weight, const std::string& encoding,
                                                    std::int64_t bytes, const Make& make) const {
  Held& held = held_of(weight);
  const std::lock_guard guard(held.lock);
  auto& known = held.weights[{weight, encoding}];
  if (auto there = known.lock()) return there;
  auto made = std::make_shared<const HeldWeight>(bytes);
  make(*made);
  known = made;
  return made;
}

}  // namespace hone
