// Sets of characters in a regular expression: escapes, properties, brackets.
#include <array>
#include <utility>

#include "base/utf8.hpp"
#include "text/regex_syntax.hpp"
#include "text/unicode.hpp"
#include "text/unicode_mappings.hpp"

namespace hone {
namespace {

using enum GeneralCategory;

constexpr std::uint32_t mask(std::initializer_list<GeneralCategory> categories) {
  std::uint32_t bits = 0;
  for (const GeneralCategory c : categories) bits |= 1u << static_cast<unsigned>(c);
  return bits;
}

struct NamedCategories {
  std::string_view name, long_name;
  std::uint32_t mask;
};

constexpr std::array<NamedCategories, 38> categories{{
    {"L", "Letter", mask({Lu, Ll, Lt, Lm, Lo})},
    {"LC", "Cased_Letter", mask({Lu, Ll, Lt})},
    {"Lu", "Uppercase_Letter", mask({Lu})},
    {"Ll", "Lowercase_Letter", mask({Ll})},
    {"Lt", "Titlecase_Letter", mask({Lt})},
    {"Lm", "Modifier_Letter", mask({Lm})},
    {"Lo", "Other_Letter", mask({Lo})},
    {"M", "Mark", mask({Mn, Mc, Me})},
    {"Mn", "Nonspacing_Mark", mask({Mn})},
    {"Mc", "Spacing_Mark", mask({Mc})},
    {"Me", "Enclosing_Mark", mask({Me})},
    {"N", "Number", mask({Nd, Nl, No})},
    {"Nd", "Decimal_Number", mask({Nd})},
    {"Nl", "Letter_Number", mask({Nl})},
    {"No", "Other_Number", mask({No})},
    {"P", "Punctuation", mask({Pc, Pd, Ps, Pe, Pi, Pf, Po})},
    {"Pc", "Connector_Punctuation", mask({Pc})},
    {"Pd", "Dash_Punctuation", mask({Pd})},
    {"Ps", "Open_Punctuation", mask({Ps})},
    {"Pe", "Close_Punctuation", mask({Pe})},
    {"Pi", "Initial_Punctuation", mask({Pi})},
    {"Pf", "Final_Punctuation", mask({Pf})},
    {"Po", "Other_Punctuation", mask({Po})},
    {"S", "Symbol", mask({Sm, Sc, Sk, So})},
    {"Sm", "Math_Symbol", mask({Sm})},
    {"Sc", "Currency_Symbol", mask({Sc})},
    {"Sk", "Modifier_Symbol", mask({Sk})},
    {"So", "Other_Symbol", mask({So})},
    {"Z", "Separator", mask({Zs, Zl, Zp})},
    {"Zs", "Space_Separator", mask({Zs})},
    {"Zl", "Line_Separator", mask({Zl})},
    {"Zp", "Paragraph_Separator", mask({Zp})},
    {"C", "Other", mask({Cc, Cf, Cs, Co, Cn})},
    {"Cc", "Control", mask({Cc})},
    {"Cf", "Format", mask({Cf})},
    {"Cs", "Surrogate", mask({Cs})},
    {"Co", "Private_Use", mask({Co})},
    {"Cn", "Unassigned", mask({Cn})},
}};

const CodePointSet& space_set() {
  static const CodePointSet set =
      CodePointSet::of_categories(mask({Zs, Zl, Zp})) | CodePointSet({{0x9, 0xD}, {0x85, 0x85}});
  return set;
}

const CodePointSet& digit_set() {
  static const CodePointSet set = CodePointSet::of_categories(mask({Nd}));
  return set;
}

// Alphabetic: letters, letter numbers, circled and squared letters, marks that are vowels (all, here).
CodePointSet alphabetic_set() {
  return CodePointSet::of_categories(mask({Lu, Ll, Lt, Lm, Lo, Nl, Mn, Mc})) |
         CodePointSet({{0x24B6, 0x24E9}, {0x1F130, 0x1F149}, {0x1F150, 0x1F169}, {0x1F170, 0x1F189}});
}

// As Oniguruma takes names: without case, spaces, hyphens and underscores.
std::string plain_name(std::string_view name) {
  std::string plain;
  for (const char c : name)
    if (c != ' ' && c != '-' && c != '_') plain += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return plain;
}

bool posix_set(const std::string& name, CodePointSet& set) {
  const CodePointSet ascii_hex({{'0', '9'}, {'A', 'F'}, {'a', 'f'}});
  if (name == "alpha" || name == "alphabetic")
    set = alphabetic_set();
  else if (name == "digit")
    set = digit_set();
  else if (name == "alnum")
    set = alphabetic_set() | digit_set();
  else if (name == "space" || name == "whitespace")
    set = space_set();
  else if (name == "upper" || name == "uppercase")
    set = CodePointSet::of_categories(mask({Lu}));
  else if (name == "lower" || name == "lowercase")
    set = CodePointSet::of_categories(mask({Ll}));
  else if (name == "punct")
    set = CodePointSet::of_categories(mask({Pc, Pd, Ps, Pe, Pi, Pf, Po})) |
          CodePointSet({{'$', '$'}, {'+', '+'}, {'<', '>'}, {'^', '^'}, {'`', '`'}, {'|', '|'}, {'~', '~'}});
  else if (name == "cntrl")
    set = CodePointSet::of_categories(mask({Cc}));
  else if (name == "blank")
    set = CodePointSet::of_categories(mask({Zs})) | CodePointSet({{9, 9}});
  else if (name == "xdigit")
    set = ascii_hex;
  else if (name == "word")
    set = word_set();
  else if (name == "any")
    set = CodePointSet({{0, code_point_limit - 1}});
  else if (name == "ascii")
    set = CodePointSet({{0, 127}});
  else
    return false;
  return true;
}

CodePointSet property(RegexText& text, const std::string& name) {
  const std::string plain = plain_name(name);
  CodePointSet set;
  for (const NamedCategories& c : categories)
    if (plain == plain_name(c.name) || plain == plain_name(c.long_name))
      return CodePointSet::of_categories(c.mask);
  if (posix_set(plain, set)) return set;
  for (std::size_t i = 0; i < script_count; ++i)
    if (plain == plain_name(script_names[i])) return *script_set(script_names[i]);
  text.refuse("a property of characters that is not known, '" + name + "'");
}

// \p{L}, \p{^L}, \pL
CodePointSet parse_property(RegexText& text, bool negative) {
  std::string name;
  if (text.take("{")) {
    if (text.take("^")) negative = !negative;
    name = text.until('}');
  } else {
    append_utf8(name, text.character());
  }
  const CodePointSet set = property(text, name);
  return negative ? ~set : set;
}

CodePointSet one(std::uint32_t c) { return CodePointSet({{c, c}}); }

// A code point by its number: \x41, \x{5927}, \u5927, \101.
bool parse_number(RegexText& text, std::uint32_t& c) {
  if (text.take("x{")) {
    c = text.digits(16, 8);
    if (!text.take("}")) text.refuse("\\x{ without its end");
  } else if (text.take("x")) {
    c = text.digits(16, 2);
  } else if (text.take("u")) {
    c = text.digits(16, 4);
  } else if (text.peek() == '0') {
    c = text.digits(8, 3);
  } else {
    return false;
  }
  if (c >= code_point_limit) text.refuse("a number that is no character's");
  return true;
}

// One part of a list in brackets: a character, a range, an escape, [:alpha:], a list within.
CodePointSet parse_bracket_part(RegexText& text, bool ignores_case, int depth) {
  if (text.take("[:")) {
    const bool negative = text.take("^");
    const std::string name = text.until(':');
    CodePointSet set;
    if (!text.take("]") || !posix_set(plain_name(name), set)) text.refuse("an unknown [:class:]");
    return negative ? ~set : set;
  }
  if (text.take("[")) return parse_regex_brackets(text, ignores_case, depth + 1);
  std::uint32_t first = 0;
  const auto single = [&](std::uint32_t& c, CodePointSet& set) {  // false: a set of several
    if (!text.take("\\")) {
      c = text.character();
      return true;
    }
    if (!parse_regex_escape(text, set)) {
      c = text.character();
      return true;
    }
    if (set.ranges().size() != 1 || set.ranges()[0].first != set.ranges()[0].last) return false;
    c = set.ranges()[0].first;
    return true;
  };
  CodePointSet set;
  if (!single(first, set)) return set;
  if (text.peek() == '-' && text.peek(1) != ']' && text.peek(1) != '\0') {
    std::uint32_t last = 0;
    CodePointSet end;
    text.take("-");
    if (!single(last, end)) return one(first) | one('-') | end;
    if (last < first) text.refuse("a range whose end comes before its beginning");
    return CodePointSet({{first, last}});
  }
  return one(first);
}

}  // namespace

const CodePointSet& word_set() {
  // With the superscripts and fractions of Latin 1, which Oniguruma counts there.
  static const CodePointSet set =
      CodePointSet::of_categories(mask({Lu, Ll, Lt, Lm, Lo, Mn, Mc, Me, Nd, Nl, Pc})) | alphabetic_set() |
      CodePointSet({{0xB2, 0xB3}, {0xB9, 0xB9}, {0xBC, 0xBE}});
  return set;
}

const CodePointSet& rust_word_set() {
  static const CodePointSet joiners({{0x200C, 0x200D}});
  static const CodePointSet set =
      (word_set() & ~CodePointSet({{0xB2, 0xB3}, {0xB9, 0xB9}, {0xBC, 0xBE}})) | joiners;
  return set;
}

bool parse_regex_escape(RegexText& text, CodePointSet& set) {
  constexpr std::string_view letters = "ntrfvae";
  constexpr std::uint32_t controls[] = {'\n', '\t', '\r', '\f', '\v', 7, 27};
  const char c = text.peek();
  if (text.take("p") || text.take("P")) {
    set = parse_property(text, c == 'P');
    return true;
  }
  const char lower = static_cast<char>(c | 32);
  if (lower == 's' || lower == 'd' || lower == 'w' || lower == 'h') {
    text.character();
    set = lower == 's'   ? space_set()
          : lower == 'd' ? digit_set()
          : lower == 'w' ? word_set()
                         : CodePointSet();
    if (lower == 'h') posix_set("xdigit", set);
    if (c != lower) set = ~set;
    return true;
  }
  if (const auto i = letters.find(c); i != std::string_view::npos && c != '\0') {
    text.character();
    set = one(controls[i]);
    return true;
  }
  std::uint32_t number = 0;
  if (!parse_number(text, number)) return false;
  set = one(number);
  return true;
}

CodePointSet parse_regex_brackets(RegexText& text, bool ignores_case, int depth) {
  if (depth > 32) text.refuse("brackets nest too deeply");
  const bool negative = text.take("^");
  CodePointSet all, part;
  bool first = true, intersected = false;
  for (;; first = false) {
    if (text.at_end()) text.refuse("a bracket without its end");
    if (!first && text.take("]")) break;
    if (text.take("&&")) {
      all = intersected ? all & part : part;
      part = {};
      intersected = true;
      continue;
    }
    part = part | parse_bracket_part(text, ignores_case, depth);
  }
  all = intersected ? all & part : part;
  if (ignores_case) all = with_other_cases(all);
  return negative ? ~all : all;
}

}  // namespace hone
