#include "text/template_strings.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/utf8.hpp"
#include "text/unicode.hpp"

namespace hone::jinja {
namespace {

// A byte that is no UTF-8 counts as a character of its own.
CodePoint character_at(std::string_view s, std::size_t at) {
  const CodePoint c = code_point_at(s, at);
  return c.bytes ? c : CodePoint{0xFFFD, 1};
}

CodePoint last_character(std::string_view s) {
  std::size_t at = s.size() - 1;
  while (at > 0 && s.size() - at < 4 && continues_character(s[at])) --at;
  const CodePoint c = character_at(s, at);
  return at + c.bytes == s.size() ? c : CodePoint{0xFFFD, 1};
}

bool strips(std::uint32_t c, std::string_view here, const std::optional<std::string_view>& of) {
  return of ? of->find(here) != std::string_view::npos : is_space(c);
}

}  // namespace

bool is_space(std::uint32_t c) {
  return (c >= 0x1C && c <= 0x1F) || UnicodeTable::get().character_class(c) == CharacterClass::space;
}

bool all_space(std::string_view s) { return !s.empty() && stripped_left(s).empty(); }

std::string_view stripped_left(std::string_view s, std::optional<std::string_view> of) {
  while (!s.empty()) {
    const CodePoint c = character_at(s, 0);
    if (!strips(c.value, s.substr(0, c.bytes), of)) break;
    s.remove_prefix(c.bytes);
  }
  return s;
}

std::string_view stripped_right(std::string_view s, std::optional<std::string_view> of) {
  while (!s.empty()) {
    const CodePoint c = last_character(s);
    if (!strips(c.value, s.substr(s.size() - c.bytes), of)) break;
    s.remove_suffix(c.bytes);
  }
  return s;
}

std::string_view stripped(std::string_view s, std::optional<std::string_view> of) {
  return stripped_left(stripped_right(s, of), of);
}

std::int64_t length(std::string_view s) { return std::ssize(characters(s)); }

std::vector<std::string_view> characters(std::string_view s) {
  std::vector<std::string_view> all;
  for (std::size_t at = 0; at < s.size(); at += all.back().size())
    all.push_back(s.substr(at, character_at(s, at).bytes));
  return all;
}

std::vector<std::string_view> lines(std::string_view s) {
  const auto ends = [](std::uint32_t c) {
    return (c >= 0xA && c <= 0xD) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
  };
  std::vector<std::string_view> all;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < s.size();) {
    const CodePoint c = character_at(s, at);
    const std::size_t end = at;
    at += c.bytes;
    if (!ends(c.value)) continue;
    if (c.value == '\r' && at < s.size() && s[at] == '\n') ++at;
    all.push_back(s.substr(begin, end - begin));
    begin = at;
  }
  if (begin < s.size()) all.push_back(s.substr(begin));
  return all;
}

namespace {

// Where capitals and small letters stand in pairs: Latin up to U+017F, Greek, Cyrillic. What has another
// mapping (ß, the Turkish i) and other scripts stay as they are: templates change the case of roles and names
// of tools.
struct CasePairs {
  std::uint32_t first, last;  // capitals
  std::uint32_t step, apart;  // from one to the next; from a capital to its small letter
};
constexpr std::array<CasePairs, 11> case_pairs{{{'A', 'Z', 1, 32},
                                                {0xC0, 0xD6, 1, 32},
                                                {0xD8, 0xDE, 1, 32},
                                                {0x100, 0x12E, 2, 1},
                                                {0x132, 0x136, 2, 1},
                                                {0x139, 0x147, 2, 1},
                                                {0x14A, 0x176, 2, 1},
                                                {0x391, 0x3A1, 1, 32},
                                                {0x3A3, 0x3A9, 1, 32},
                                                {0x400, 0x40F, 1, 80},
                                                {0x410, 0x42F, 1, 32}}};

std::uint32_t to_lower(std::uint32_t c) {
  for (const CasePairs& p : case_pairs)
    if (c >= p.first && c <= p.last && (c - p.first) % p.step == 0) return c + p.apart;
  return c;
}

std::uint32_t to_upper(std::uint32_t c) {
  for (const CasePairs& p : case_pairs)
    if (c >= p.first + p.apart && c <= p.last + p.apart && (c - p.first - p.apart) % p.step == 0)
      return c - p.apart;
  return c;
}

template <class Map>
std::string mapped(std::string_view s, const Map& map) {
  std::string out;
  for (std::size_t at = 0; at < s.size();) {
    const CodePoint c = code_point_at(s, at);
    if (c.bytes)
      append_utf8(out, map(c.value));
    else
      out += s[at];
    at += std::max<std::size_t>(1, c.bytes);
  }
  return out;
}

}  // namespace

// Two letters where Unicode has no single one (SpecialCasing.txt): ligatures and the sharp s.
std::string upper(std::string_view s) {
  constexpr std::pair<std::string_view, std::string_view> longer[] = {
      {"\u00DF", "SS"},  {"\uFB00", "FF"},  {"\uFB01", "FI"}, {"\uFB02", "FL"},
      {"\uFB03", "FFI"}, {"\uFB04", "FFL"}, {"\uFB05", "ST"}, {"\uFB06", "ST"}};
  std::string text = mapped(s, to_upper);
  for (const auto& [letter, letters] : longer)
    if (text.find(letter) != std::string::npos) text = replaced(text, letter, letters, -1);
  return text;
}
std::string lower(std::string_view s) { return mapped(s, to_lower); }

std::string title(std::string_view s) {
  bool within = false;
  return mapped(s, [&](std::uint32_t c) {
    const std::uint32_t is = within ? to_lower(c) : to_upper(c);
    within = UnicodeTable::get().character_class(c) == CharacterClass::letter;
    return is;
  });
}

std::string titled(std::string_view s) {
  bool first = true;
  return mapped(s, [&](std::uint32_t c) {
    const std::uint32_t is = first ? to_upper(c) : to_lower(c);
    const bool opens =
        c < 128 && std::string_view("-({[<").find(static_cast<char>(c)) != std::string_view::npos;
    first = opens || is_space(c);
    return is;
  });
}

std::string capitalized(std::string_view s) {
  bool first = true;
  return mapped(s, [&](std::uint32_t c) {
    const std::uint32_t is = first ? to_upper(c) : to_lower(c);
    first = false;
    return is;
  });
}

std::string replaced(std::string_view s, std::string_view from, std::string_view to, std::int64_t most) {
  std::string out;
  if (from.empty()) {  // between all characters, as Python does
    for (const std::string_view c : characters(s)) {
      if (most-- != 0) out += to;
      out += c;
    }
    return most != 0 ? out + std::string(to) : out;
  }
  std::size_t at = 0;
  for (; most != 0; --most) {
    const std::size_t found = s.find(from, at);
    if (found == std::string_view::npos) break;
    out += s.substr(at, found - at);
    out += to;
    at = found + from.size();
  }
  return out += s.substr(at);
}

namespace {

bool printable_character(std::uint32_t c) {
  const GeneralCategory is = UnicodeTable::get().category(c);
  return c == ' ' || is < GeneralCategory::Zs;
}

void append_escaped(std::string& out, std::uint32_t c) {
  constexpr std::string_view digits = "0123456789abcdef";
  const int count = c < 0x100 ? 2 : c < 0x10000 ? 4 : 8;
  out += count == 2 ? "\\x" : count == 4 ? "\\u" : "\\U";
  for (int i = count - 1; i >= 0; --i) out += digits[(c >> (4 * i)) & 15];
}

}  // namespace

std::string quoted(std::string_view s) {
  const bool has_single = s.find('\'') != std::string_view::npos,
             has_double = s.find('"') != std::string_view::npos;
  const char quote = has_single && !has_double ? '"' : '\'';
  std::string out(1, quote);
  for (std::size_t at = 0; at < s.size();) {
    const CodePoint c = character_at(s, at);
    if (c.value == static_cast<std::uint32_t>(quote) || c.value == '\\')
      out += {'\\', static_cast<char>(c.value)};
    else if (c.value == '\n' || c.value == '\r' || c.value == '\t')
      out += c.value == '\n' ? "\\n" : c.value == '\r' ? "\\r" : "\\t";
    else if (printable_character(c.value))
      out += s.substr(at, c.bytes);
    else
      append_escaped(out, c.value);
    at += c.bytes;
  }
  return out + quote;
}

}  // namespace hone::jinja
