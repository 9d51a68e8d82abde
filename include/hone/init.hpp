// Initial values of a weight, drawn from a stream keyed by the weight's name and the seed.
//
//   hone::Tensor table(hone::Builder& b) { return b.parameter("table", {256, 64}, {.init =
//   hone::normal(0.02f)}); }
#pragma once
#include <cmath>
#include <cstdint>

namespace hone {

struct Init {
  enum class Kind : std::uint8_t { zeros, ones, normal, uniform } kind = Kind::zeros;
  float deviation = 0;  // of uniform values: how far from 0 they may be
  bool operator==(const Init&) const = default;
};
inline Init normal(float deviation) { return {Init::Kind::normal, deviation}; }
inline Init uniform(float most) { return {Init::Kind::uniform, most}; }  // in [-most, most)
// Of a matrix [out,in], so that values keep their variance on the way forward and back (Glorot & Bengio,
// 2010).
inline Init xavier_uniform(std::int64_t in, std::int64_t out) {
  return uniform(std::sqrt(6.0f / static_cast<float>(in + out)));
}
inline Init zeros() { return {}; }
inline Init ones() { return {Init::Kind::ones, 0}; }

}  // namespace hone
