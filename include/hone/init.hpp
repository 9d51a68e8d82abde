// Initial values of a weight, drawn from a stream keyed by the weight's name and the seed.
//
//   hone::Tensor table(hone::Builder& b) { return b.parameter("table", {256, 64}, {.init =
//   hone::normal(0.02f)}); }
#pragma once
#include <cstdint>

namespace hone {

struct Init {
  enum class Kind : std::uint8_t { zeros, ones, normal } kind = Kind::zeros;
  float deviation = 0;
  bool operator==(const Init&) const = default;
};
inline Init normal(float deviation) { return {Init::Kind::normal, deviation}; }
inline Init zeros() { return {}; }
inline Init ones() { return {Init::Kind::ones, 0}; }

}  // namespace hone
