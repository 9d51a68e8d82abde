#include "cli/numbers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cfloat>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>

#include "hone/error.hpp"

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

namespace {

// "KiB", "Ki", "K": of 1024, as ulimit and docker have a letter alone. "KB": of 1000. "B", nothing: bytes.
std::optional<double> unit_size(std::string unit) {
  std::transform(unit.begin(), unit.end(), unit.begin(), [](unsigned char c) { return std::tolower(c); });
  if (unit.empty() || unit == "b" || unit == "bytes") return 1;
  const auto power = std::string_view("kmgt").find(unit[0]);
  if (power == std::string_view::npos) return {};
  const std::string_view rest = std::string_view(unit).substr(1);
  if (rest == "b") return std::pow(1e3, static_cast<double>(power + 1));
  if (rest.empty() || rest == "i" || rest == "ib") return std::exp2(10 * static_cast<double>(power + 1));
  return {};
}

}  // namespace

std::int64_t bytes_from_text(const std::string& text, const std::string& option) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  const double bytes = number * unit_size(std::string(unit)).value_or(0);
  if (error == std::errc() && bytes >= 1 && bytes < 0x1p62) return static_cast<std::int64_t>(bytes);
  throw Error(
      ErrorKind::usage,
      {.what = "not a size",
       .where = option,
       .expected = "a number above 0 with KiB, MiB, GiB or TiB (or K, M, G, T), with KB, MB, GB or TB (of "
                   "1000), or of bytes: 1GiB, 700M, 1.5GB",
       .found = "'" + text + "'"});
}

}  // namespace hone::cli
