// What the tests of kernels share: buffers between guard zones, the instruction sets of this CPU, thread
// counts.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/random.hpp"
#include "base/thread_pool.hpp"
#include "base/types.hpp"
#include "kernel/element.hpp"
#include "machine/isa.hpp"

namespace hone::kernel {

// n elements of a type between two guard zones, which the destructor checks. Starts as a pattern, not zeros.
class Buffer {
 public:
  Buffer(Element type, std::int64_t n) : type_(type), n_(n), bytes_(2 * guard + size(), pattern) {}
  Buffer(Element type, const std::vector<float>& values)
      : Buffer(type, static_cast<std::int64_t>(values.size())) {
    for (std::int64_t i = 0; i < n_; ++i) set(i, values[static_cast<std::size_t>(i)]);
  }
  Buffer(const Buffer&) = default;
  ~Buffer() {
    auto intact = [](auto first, auto last) {
      return std::all_of(first, last, [](auto b) { return b == pattern; });
    };
    EXPECT_TRUE(intact(bytes_.begin(), bytes_.begin() + guard)) << "written before a buffer";
    EXPECT_TRUE(intact(bytes_.end() - guard, bytes_.end())) << "written behind a buffer";
  }

  In in() const { return {bytes_.data() + guard, type_}; }
  Out out() { return {bytes_.data() + guard, type_}; }
  float* f32() { return static_cast<float*>(out().data); }
  std::uint16_t* u16() { return static_cast<std::uint16_t*>(out().data); }
  std::int64_t size_elements() const { return n_; }

  float operator[](std::int64_t i) const {
    if (type_ == Element::f32) return static_cast<const float*>(in().data)[i];
    const std::uint16_t bits = static_cast<const std::uint16_t*>(in().data)[i];
    return type_ == Element::bf16 ? to_f32(bf16{bits}) : to_f32(f16{bits});
  }
  void set(std::int64_t i, float x) {
    if (type_ == Element::f32)
      f32()[i] = x;
    else
      u16()[i] = type_ == Element::bf16 ? to_bf16(x).bits : to_f16(x).bits;
  }
  friend bool operator==(const Buffer& a, const Buffer& b) { return a.bytes_ == b.bytes_; }

 private:
  static constexpr std::size_t guard = 256;
  static constexpr unsigned char pattern = 0xa5;
  std::size_t size() const { return static_cast<std::size_t>(n_ * bytes(type_)); }

  Element type_;
  std::int64_t n_;
  std::vector<unsigned char> bytes_;
};

inline std::vector<float> normals(std::int64_t n, std::uint64_t key, float scale = 1) {
  Stream stream(key);
  std::vector<float> x(static_cast<std::size_t>(n));
  for (float& v : x) v = scale * stream.normal();
  return x;
}

inline std::vector<Isa> isas() {
  std::vector<Isa> all;
  for (const Isa isa : all_isas)
    if (cpu_has(isa)) all.push_back(isa);
  return all;
}

inline std::vector<std::int64_t> widths() { return {1, 3, 15, 17, 100, 768, 1000}; }

constexpr Element elements[] = {Element::f32, Element::bf16, Element::f16};
inline const char* name(Element e) {
  constexpr const char* names[] = {"f32", "bf16", "f16"};
  return names[static_cast<std::size_t>(e)];
}

// Half a unit in the last place of a type, relative; and what is lost of the smallest, absolute.
inline double rounding(Element e) {
  constexpr double shares[] = {0x1p-24, 0x1p-8, 0x1p-11};
  return shares[static_cast<std::size_t>(e)];
}
inline double vanishing(Element e) { return e == Element::f16 ? 0x1p-25 : 1e-37; }

}  // namespace hone::kernel
