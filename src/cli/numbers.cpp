#include "cli/numbers.hpp"

#include <fmt/format.h>

#include <cfloat>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <type_traits>

namespace hone::cli {
namespace {

template <class Integer>
std::string check_integer(std::string& text) {
  std::string_view digits = text;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  Integer value{};
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error == std::errc::result_out_of_range) return fmt::format("{} is too large", text);
  if (error != std::errc() || end != digits.data() + digits.size())
    return fmt::format("expected a whole number{}, found '{}'", std::is_signed_v<Integer> ? "" : " from 0",
                       text);
  text = fmt::format("{}", value);  // without zeros in front
  return {};
}

std::string check_real(std::string& text) {
  std::string_view digits = text;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  const bool read = error == std::errc() && end == digits.data() + digits.size();
  if (error != std::errc::result_out_of_range && (!read || !std::isfinite(value)))
    return fmt::format("expected a finite number, found '{}'", text);
  const double size = std::abs(value);  // hone computes in f32
  if (!read || size > FLT_MAX || (size > 0 && size < static_cast<double>(FLT_TRUE_MIN)))
    return fmt::format("{} is too large or too small for a 32-bit float", text);
  return {};
}

}  // namespace

template <class T>
std::string check_number(std::string& text) {
  if constexpr (std::is_integral_v<T>)
    return check_integer<T>(text);
  else
    return check_real(text);
}
template std::string check_number<int>(std::string&);
template std::string check_number<std::int64_t>(std::string&);
template std::string check_number<std::uint64_t>(std::string&);
template std::string check_number<float>(std::string&);
template std::string check_number<double>(std::string&);

}  // namespace hone::cli
