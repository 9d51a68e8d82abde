// Quantities for people.
#include <fmt/format.h>

#include <array>
#include <cmath>

#include "hone/report.hpp"
#include "report/text.hpp"

namespace hone {
namespace {

// Three significant digits without an exponent, for 0 <= x < 1000 or so: 1.25, 12.5, 125.
std::string three_digits(double x) {
  const int decimals = x < 9.995 ? 2 : x < 99.95 ? 1 : 0;
  return fmt::format("{:.{}f}", x, decimals);
}

// The sign apart, so that the rest deals with x >= 0; what is not finite has no unit to choose.
template <class F>
std::string signed_or_plain(double x, F f) {
  if (!std::isfinite(x)) return fmt::format("{}", x);
  return x < 0 ? fmt::format("-{}", f(-x)) : f(x);
}

std::string scaled(double x, double base, const char* const* units, std::size_t count) {
  std::size_t i = 0;
  // 999.5 would print as "1000" of the smaller unit.
  while (i + 1 < count && x >= 999.5) {
    x /= base;
    ++i;
  }
  return three_digits(x) + " " + units[i];
}

}  // namespace

std::string human_bytes(double bytes) {
  static constexpr std::array units{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  return signed_or_plain(bytes, [](double b) {
    if (b < 999.5) return fmt::format("{:.0f} B", b);
    return scaled(b / 1024, 1024, units.data(), units.size());
  });
}

std::string human_duration(double seconds) {
  return signed_or_plain(seconds, [](double s) -> std::string {
    if (s == 0) return "0 s";
    if (s < 0.9995e-3) return three_digits(s * 1e6) + " us";
    if (s < 0.9995) return three_digits(s * 1e3) + " ms";
    if (s < 59.95) return three_digits(s) + " s";
    const double whole = std::round(s), minutes = std::floor(whole / 60), hours = std::floor(minutes / 60);
    if (minutes < 60) return fmt::format("{:.0f} m {:02.0f} s", minutes, whole - 60 * minutes);
    if (hours < 24) return fmt::format("{:.0f} h {:02.0f} m", hours, minutes - 60 * hours);
    const double days = std::floor(hours / 24);
    return fmt::format("{:.0f} d {:02.0f} h", days, hours - 24 * days);
  });
}

std::string human_count(double n) {
  static constexpr std::array units{"k", "M", "G", "T", "P", "E"};
  return signed_or_plain(n, [](double x) {
    if (x < 99999.5) return with_commas(x);
    return scaled(x / 1000, 1000, units.data(), units.size());
  });
}

std::string human_rate(double per_second, std::string_view unit) {
  const auto number =
      signed_or_plain(per_second, [](double x) { return x < 99.95 ? three_digits(x) : human_count(x); });
  // "1.25 M" and "tok/s" make "1.25 Mtok/s".
  const bool prefixed = !number.empty() && number.find(' ') != std::string::npos;
  return number + (prefixed ? "" : " ") + std::string(unit);
}

std::string human_share(double part, double whole) {
  if (!(whole > 0) || !std::isfinite(whole) || !std::isfinite(part)) return "-";
  return fmt::format("{:.1f} %", 100 * part / whole);
}

}  // namespace hone
