// The named options of a node, of whatever type its op declares: a small trivially copyable struct with
//   template <class V> void fields(V&& visit) const { visit("heads", heads); visit("causal", causal); }
// kept by value inside the node, printed through that one field list.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/number.hpp"

namespace hone {

struct NoAttributes {
  template <class V>
  void fields(V&&) const {}
};

class Attributes {
 public:
  static constexpr std::size_t capacity = 64;

  Attributes() = default;
  template <class T>
  Attributes(const T& value) : print_(&print_as<T>) {  // NOLINT: implicit on purpose
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= capacity);
    std::memcpy(bytes_.data(), &value, sizeof(T));
  }
  template <class T>
  T as() const {
    T value;
    std::memcpy(&value, bytes_.data(), sizeof(T));
    return value;
  }
  std::string to_string() const { return print_ ? print_(bytes_.data()) : std::string(); }

 private:
  static std::string text(bool v) { return v ? "true" : "false"; }
  static std::string text(float v) { return to_text(static_cast<double>(v), 9); }
  static std::string text(std::int64_t v) { return std::to_string(v); }
  static std::string text(std::int32_t v) { return std::to_string(v); }
  static std::string text(std::uint64_t v) { return std::to_string(v); }
  static std::string text(std::string_view v) { return std::string(v); }

  template <class T>
  static std::string print_as(const std::byte* bytes) {
    T value;
    std::memcpy(&value, bytes, sizeof(T));
    std::string s;
    value.fields([&s](std::string_view field, auto v) {
      s += (s.empty() ? "" : ", ") + std::string(field) + "=" + text(v);
    });
    return s;
  }

  std::array<std::byte, capacity> bytes_{};
  std::string (*print_)(const std::byte*) = nullptr;
};

}  // namespace hone
