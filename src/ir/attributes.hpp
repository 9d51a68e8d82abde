// The named options of a node, of whatever type its op declares: a small trivially copyable struct with
//   template <class V> void fields(V&& v) const { v("heads", heads); v("causal", causal); }
// kept by value inside the node, printed through that one field list. `v.operand("bias")` in the list prints
// whether the node has that optional operand (OpRecord::inputs).
#pragma once
#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/number.hpp"

namespace hone {

struct NoAttributes {
  template <class V>
  void fields(V&&) const {}
};

class Attributes {
 public:
  static constexpr std::size_t capacity = 64;
  // Of an optional operand by name; nothing where the op has none of that name.
  using HasOperand = std::function<std::optional<bool>(std::string_view)>;

  Attributes() = default;
  template <class T>
  Attributes(const T& value) : print_(&print_as<T>) {  // NOLINT: implicit on purpose
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= capacity);
    std::memcpy(bytes_.data(), &value, sizeof(T));
  }
  // Attributes that were never set read as T's zeros and defaults; of another type they are a bug of hone's.
  template <class T>
  T as() const {
    assert((!print_ || print_ == &print_as<T>)&&"a node's attributes are read as another op's");
    T value{};
    if (print_) std::memcpy(&value, bytes_.data(), sizeof(T));
    return value;
  }
  std::string to_string(const HasOperand& has = {}) const {
    return print_ ? print_(bytes_.data(), has) : std::string();
  }

 private:
  static std::string text(bool v) { return v ? "true" : "false"; }
  static std::string text(float v) { return to_text(static_cast<double>(v), 9); }
  static std::string text(std::int64_t v) { return std::to_string(v); }
  static std::string text(std::int32_t v) { return std::to_string(v); }
  static std::string text(std::uint64_t v) { return std::to_string(v); }
  static std::string text(std::string_view v) { return std::string(v); }

  struct Printer {
    const HasOperand& has;
    std::string text;
    template <class F>
    void operator()(std::string_view field, F value) {
      text += (text.empty() ? "" : ", ") + std::string(field) + "=" + Attributes::text(value);
    }
    void operand(std::string_view name) {
      if (const auto there = has ? has(name) : std::nullopt) (*this)(name, *there);
    }
  };

  template <class T>
  static std::string print_as(const std::byte* bytes, const HasOperand& has) {
    T value;
    std::memcpy(&value, bytes, sizeof(T));
    Printer printer{has, {}};
    value.fields(printer);
    return std::move(printer.text);
  }

  std::array<std::byte, capacity> bytes_{};
  std::string (*print_)(const std::byte*, const HasOperand&) = nullptr;
};

}  // namespace hone
