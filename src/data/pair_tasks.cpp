#include "data/pair_tasks.hpp"

#include <fmt/format.h>

#include <array>
#include <string_view>

namespace hone {
namespace {

constexpr std::array<const char*, 20> ones{"zero",    "one",     "two",       "three",    "four",
                                           "five",    "six",     "seven",     "eight",    "nine",
                                           "ten",     "eleven",  "twelve",    "thirteen", "fourteen",
                                           "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"};
constexpr std::array<const char*, 10> tens{"",      "",      "twenty",  "thirty", "forty",
                                           "fifty", "sixty", "seventy", "eighty", "ninety"};
constexpr std::array<const char*, 20> ordinals{
    "",           "first",     "second",    "third",       "fourth",     "fifth",     "sixth",
    "seventh",    "eighth",    "ninth",     "tenth",       "eleventh",   "twelfth",   "thirteenth",
    "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth"};
constexpr std::array<const char*, 12> months{"january",   "february", "march",    "april",
                                             "may",       "june",     "july",     "august",
                                             "september", "october",  "november", "december"};

const char* at(std::span<const char* const> words, std::int64_t i) {
  return words[static_cast<std::size_t>(i)];
}

std::string below_hundred(std::int64_t n) {
  if (n < 20) return at(ones, n);
  return n % 10 == 0 ? at(tens, n / 10) : fmt::format("{}-{}", at(tens, n / 10), at(ones, n % 10));
}

std::string in_words(std::int64_t n) {
  if (n < 100) return below_hundred(n);
  const std::string hundreds = fmt::format("{} hundred", at(ones, n / 100));
  return n % 100 == 0 ? hundreds : hundreds + " " + below_hundred(n % 100);
}

std::int64_t draw(Stream& s, std::int64_t below) {
  return static_cast<std::int64_t>(s.below(static_cast<std::uint64_t>(below)));
}

// --- dates of two centuries --------------------------------------------------------------------------------

constexpr std::int64_t first_year = 1900, years = 200;

std::int64_t days_in(std::int64_t year, std::int64_t month) {
  constexpr std::array<std::int64_t, 12> days{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return days[static_cast<std::size_t>(month - 1)] + (month == 2 && leap ? 1 : 0);
}

std::string ordinal(std::int64_t n) {
  if (n < 20) return at(ordinals, n);
  if (n % 10 == 0) return n == 20 ? "twentieth" : "thirtieth";
  return fmt::format("{}-{}", at(tens, n / 10), at(ordinals, n % 10));
}

std::string short_ordinal(std::int64_t n) {
  const bool teen = n / 10 == 1;
  const char* end = teen ? "th" : n % 10 == 1 ? "st" : n % 10 == 2 ? "nd" : n % 10 == 3 ? "rd" : "th";
  return fmt::format("{}{}", n, end);
}

// "nineteen ninety-eight", "nineteen oh five", "nineteen hundred", "two thousand five"
std::string spoken_year(Stream& s, std::int64_t year) {
  const std::int64_t century = year / 100, rest = year % 100;
  if (century == 20 && rest < 10) {
    const char* joint = draw(s, 2) ? " and " : " ";
    return rest == 0 ? "two thousand" : fmt::format("two thousand{}{}", joint, at(ones, rest));
  }
  if (rest == 0) return below_hundred(century) + " hundred";
  if (rest < 10) return fmt::format("{} oh {}", below_hundred(century), at(ones, rest));
  return below_hundred(century) + " " + below_hundred(rest);
}

std::string month_name(Stream& s, std::int64_t month) {
  const std::string_view whole = at(months, month - 1);
  return std::string(draw(s, 3) ? whole : whole.substr(0, 3));
}

MadePair draw_date(Stream& s) {
  const std::int64_t year = first_year + draw(s, years), month = 1 + draw(s, 12);
  const std::int64_t day = 1 + draw(s, days_in(year, month));
  const std::string m = month_name(s, month);
  const std::string y = draw(s, 2) ? spoken_year(s, year) : std::to_string(year);
  const std::string in_figures = draw(s, 2) ? short_ordinal(day) : std::to_string(day);
  const auto source = [&]() -> std::string {
    switch (draw(s, 5)) {
      case 0:
        return fmt::format("the {} of {} {}", ordinal(day), m, y);
      case 1:
        return fmt::format("{} the {}, {}", m, ordinal(day), y);
      case 2:
        return fmt::format("{} {}, {}", m, in_figures, y);
      case 3:
        return fmt::format("{} {} {}", in_figures, m, y);
      default:
        return fmt::format("{} {} {}", m, ordinal(day), y);
    }
  };
  return {source(), fmt::format("{:04}-{:02}-{:02}", year, month, day),
          static_cast<std::uint64_t>((year * 12 + month) * 31 + day)};
}

// --- sums --------------------------------------------------------------------------------------------------

constexpr std::int64_t numbers = 1000;

// a + b and b + a are one question.
MadePair draw_sum(Stream& s) {
  const std::int64_t a = draw(s, numbers), b = draw(s, numbers);
  return {in_words(a) + " plus " + in_words(b), std::to_string(a + b),
          static_cast<std::uint64_t>(std::min(a, b) * numbers + std::max(a, b))};
}

constexpr PairTask all[] = {{"dates", " ,-0123456789abcdefghijklmnopqrstuvwxyz", 56, 10, draw_date},
                            {"sums", " -0123456789abcdefghijklmnopqrstuvwxyz", 64, 4, draw_sum}};

bool is_held_out(std::uint64_t answer) { return philox(stream_key("held out", 0), answer, 0)[0] % 10 == 0; }

}  // namespace

std::span<const PairTask> pair_tasks() { return all; }

MadePair made_pair(const PairTask& task, std::uint64_t seed, std::int64_t i, bool held_out) {
  Stream stream(stream_key(fmt::format("{} {} {}", task.name, held_out ? "held out" : "training", i), seed));
  for (;;) {  // ten draws or so for one that is held out
    MadePair pair = task.draw(stream);
    if (is_held_out(pair.answer) == held_out) return pair;
  }
}

}  // namespace hone
