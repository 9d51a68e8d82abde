#include "hone/samples.hpp"

namespace hone {

Samples& Samples::set(const std::string& input, std::span<const std::int32_t> values) {
  values_[input] = {std::as_bytes(values), true, false};
  return *this;
}

Samples& Samples::set(const std::string& input, std::span<const float> values) {
  values_[input] = {std::as_bytes(values), false, false};
  return *this;
}

Samples& Samples::set_once(const std::string& input, std::span<const float> values) {
  values_[input] = {std::as_bytes(values), false, true};
  return *this;
}

Samples Samples::rows(std::int64_t first, std::int64_t count) const {
  Samples part(count);
  for (const auto& [name, values] : values_) {
    Values& some = part.values_[name] = values;
    if (values.once || count_ <= 0) continue;
    const std::size_t each = values.bytes.size() / static_cast<std::size_t>(count_);
    some.bytes =
        values.bytes.subspan(each * static_cast<std::size_t>(first), each * static_cast<std::size_t>(count));
  }
  return part;
}

}  // namespace hone
