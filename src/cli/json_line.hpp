// One JSON object on one line, keys in the order of adding. Whatever bytes a text has, it is JSON: what is no
// UTF-8 becomes U+FFFD, and a number that is not finite null.
#pragma once
#include <fmt/format.h>

#include <cmath>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "hone/machine.hpp"

namespace hone::cli {

class JsonLine {
 public:
  template <std::floating_point Real>  // as few digits as read back to the same value
  JsonLine& add(std::string_view key, Real value) {
    return raw(key, std::isfinite(value) ? fmt::format("{}", value) : "null");
  }
  JsonLine& add(std::string_view key, std::int64_t value) { return raw(key, fmt::format("{}", value)); }
  JsonLine& add(std::string_view key, int value) { return raw(key, fmt::format("{}", value)); }
  JsonLine& add(std::string_view key, bool value) { return raw(key, value ? "true" : "false"); }
  JsonLine& add(std::string_view key, std::string_view value) { return raw(key, quoted(value)); }
  JsonLine& add(std::string_view key, const char* value) { return raw(key, quoted(value)); }
  JsonLine& add(std::string_view key, const JsonLine& value) { return raw(key, value.text()); }
  JsonLine& add(std::string_view key, const std::vector<std::int64_t>& values) {
    return raw(key, fmt::format("[{}]", fmt::join(values, ",")));
  }
  JsonLine& add(std::string_view key, const std::vector<JsonLine>& values) {
    std::string list;
    for (const JsonLine& value : values) list += (list.empty() ? "" : ",") + value.text();
    return raw(key, "[" + list + "]");
  }
  std::string text() const { return "{" + body_ + "}"; }

  static std::string quoted(std::string_view s);

 private:
  JsonLine& raw(std::string_view key, const std::string& value) {
    body_ += (body_.empty() ? "" : ",") + quoted(key) + ":" + value;
    return *this;
  }
  std::string body_;
};

inline JsonLine spread_json(const Spread& s) {
  return JsonLine().add("median", s.median).add("min", s.min).add("max", s.max);
}

}  // namespace hone::cli
