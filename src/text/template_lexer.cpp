#include "text/template_lexer.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/utf8.hpp"
#include "text/template_strings.hpp"

namespace hone::jinja {
namespace {

using Kind = Token::Kind;
constexpr auto npos = std::string_view::npos;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool begins_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool in_name(char c) { return begins_name(c) || is_digit(c); }

// Longer ones first.
constexpr std::array<std::string_view, 26> signs{"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                                 "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                                 ">",  "<",  "=",  ".",  ":",  "|",  ",", ";"};

class Lexer {
 public:
  Lexer(std::string_view source, Work& work) : source_(source), work_(work) {}

  std::vector<Token> all() {
    while (at_ < source_.size()) {
      work_.step();
      data();
    }
    add(Kind::end, "", source_.size());
    return std::move(tokens_);
  }

 private:
  void add(Kind kind, std::string text, std::size_t offset) {
    tokens_.push_back({kind, std::move(text), static_cast<std::uint32_t>(offset)});
  }
  [[noreturn]] void fail(const std::string& what, std::size_t offset) {
    work_.at(static_cast<std::uint32_t>(offset));
    work_.fail(what);
  }
  char char_at(std::size_t i) const { return i < source_.size() ? source_[i] : '\0'; }
  bool starts(std::string_view with, std::size_t at) const { return source_.substr(at).starts_with(with); }
  void skip_space() { at_ = source_.size() - stripped_left(source_.substr(at_)).size(); }

  std::size_t next_opening(std::size_t from) const {
    for (std::size_t i = source_.find('{', from); i != npos; i = source_.find('{', i + 1))
      if (const char c = char_at(i + 1); c == '{' || c == '%' || c == '#') return i;
    return npos;
  }

  // Text up to an opening, and what that opens.
  void data() {
    const std::size_t open = next_opening(at_), begin = at_;
    if (open == npos) {
      add(Kind::data, std::string(source_.substr(at_)), at_);
      at_ = source_.size();
      return;
    }
    const char kind = source_[open + 1], mark = char_at(open + 2);
    const std::string_view text = kept_before(source_.substr(begin, open - begin), kind, mark);
    if (!text.empty()) add(Kind::data, std::string(text), begin);
    at_ = open + 2 + (mark == '-' || mark == '+' ? 1 : 0);
    if (kind == '#')
      comment(open);
    else if (kind == '%' && opens_raw())
      raw(open);
    else
      code(open, kind == '%');
    line_begins_ = at_ > 0 && source_[at_ - 1] == '\n';
  }

  // `mark` stands behind the opening.
  std::string_view kept_before(std::string_view text, char kind, char mark) const {
    if (mark == '-') return stripped_right(text);
    if (mark == '+' || kind == '{') return text;
    const std::size_t line = text.rfind('\n') + 1;
    const bool blank = (line > 0 || line_begins_) && all_space(text.substr(line));
    return blank ? text.substr(0, line) : text;
  }

  // Takes the end of a block or comment where it stands here, with the white space that goes with it.
  bool take_end(std::string_view end, bool trims) {
    const char mark = char_at(at_);
    const bool marked = (mark == '-' || (mark == '+' && trims)) && starts(end, at_ + 1);
    if (!marked && !starts(end, at_)) return false;
    at_ += end.size() + (marked ? 1 : 0);
    if (marked && mark == '-')
      skip_space();
    else if (!marked && trims && char_at(at_) == '\n')
      ++at_;
    return true;
  }

  void comment(std::size_t open) {
    const std::size_t end = source_.find("#}", at_);
    if (end == npos) fail("the comment does not end", open);
    at_ = end > at_ && (source_[end - 1] == '-' || source_[end - 1] == '+') ? end - 1 : end;
    take_end("#}", true);
  }

  bool opens_raw() const {
    const std::string_view rest = stripped_left(source_.substr(at_));
    return rest.starts_with("raw") && (stripped_left(rest.substr(3)).starts_with("%}") ||
                                       stripped_left(rest.substr(3)).starts_with("-%}"));
  }

  void raw(std::size_t open) {
    at_ = source_.find("raw", at_) + 3;
    skip_space();
    const bool strips = char_at(at_) == '-';
    at_ += strips ? 3 : 2;
    if (strips) skip_space();
    const std::size_t begin = at_;
    for (std::size_t i = source_.find("{%", at_); i != npos; i = source_.find("{%", i + 1)) {
      const char mark = char_at(i + 2);
      at_ = i + 2 + (mark == '-' || mark == '+' ? 1 : 0);
      skip_space();
      if (!starts("endraw", at_)) continue;
      at_ += 6;
      skip_space();
      if (!take_end("%}", true)) continue;
      line_begins_ = false;
      add(Kind::data, std::string(kept_before(source_.substr(begin, i - begin), '%', mark)), begin);
      return;
    }
    fail("{% raw %} without {% endraw %}", open);
  }

  void code(std::size_t open, bool block) {
    add(block ? Kind::block_begin : Kind::output_begin, "", open);
    std::string closing;  // of the brackets that are open
    for (;;) {
      skip_space();
      work_.step();
      if (at_ >= source_.size()) fail(block ? "{% without %}" : "{{ without }}", open);
      const std::size_t begin = at_;
      if (closing.empty() && take_end(block ? "%}" : "}}", block)) {
        add(block ? Kind::block_end : Kind::output_end, "", begin);
        return;
      }
      const char c = source_[at_];
      if (begins_name(c))
        name();
      else if (is_digit(c))
        number();
      else if (c == '\'' || c == '"')
        string();
      else
        sign(closing);
    }
  }

  void name() {
    const std::size_t begin = at_;
    while (at_ < source_.size() && in_name(source_[at_])) ++at_;
    add(Kind::name, std::string(source_.substr(begin, at_ - begin)), begin);
  }

  void digits(std::string& text) {
    while (is_digit(char_at(at_)) || (char_at(at_) == '_' && is_digit(char_at(at_ + 1)))) {
      if (source_[at_] != '_') text += source_[at_];
      ++at_;
    }
  }

  // 0x1F, 0o17, 0b101: of the base that the letter says.
  bool take_based_number() {
    const char letter = static_cast<char>(char_at(at_ + 1) | 0x20);
    const int base = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
    const auto is_digit_at = [&](std::size_t i) {
      int digit = 0;
      const char c = char_at(i);
      return std::from_chars(&c, &c + 1, digit, base).ec == std::errc();
    };
    if (char_at(at_) != '0' || base == 0) return false;
    const std::size_t begin = at_;
    std::string text{'0', letter};
    std::size_t i = at_ + 2;
    for (; is_digit_at(i) || (char_at(i) == '_' && is_digit_at(i + 1)); ++i)
      if (source_[i] != '_') text += source_[i];
    if (text.size() == 2) return false;
    at_ = i;
    end_number();
    add(Kind::integer, std::move(text), begin);
    return true;
  }

  void end_number() {
    if (at_ < source_.size() && in_name(source_[at_]))
      fail("a number ends in '" + printed_character() + "'", at_);
  }

  // Behind a dot (`x.0`) a number is whole.
  void number() {
    if (take_based_number()) return;
    const std::size_t begin = at_;
    const bool whole = !tokens_.empty() && tokens_.back().is(".");
    std::string text;
    digits(text);
    bool real = false;
    if (!whole && char_at(at_) == '.' && is_digit(char_at(at_ + 1))) {
      real = true;
      text += source_[at_++];
      digits(text);
    }
    const bool has_sign = char_at(at_ + 1) == '-' || char_at(at_ + 1) == '+';
    if (!whole && (char_at(at_) | 0x20) == 'e' && is_digit(char_at(at_ + (has_sign ? 2 : 1)))) {
      real = true;
      text += 'e';
      ++at_;
      if (has_sign) text += source_[at_++];
      digits(text);
    }
    end_number();
    if (!real && text.front() == '0' && text.find_first_not_of('0') != npos)
      fail("a whole number begins with 0", begin);
    add(real ? Kind::real : Kind::integer, std::move(text), begin);
  }

  std::string printed_character() const {
    const std::size_t bytes = std::max<std::size_t>(1, code_point_at(source_, at_).bytes);
    return std::string(source_.substr(at_, bytes));
  }

  void sign(std::string& closing) {
    const auto found = std::find_if(signs.begin(), signs.end(), [&](auto s) { return starts(s, at_); });
    if (found == signs.end()) fail("unexpected character '" + printed_character() + "'", at_);
    const char c = found->front();
    if (c == '(' || c == '[' || c == '{') closing += c == '(' ? ')' : c == '[' ? ']' : '}';
    if (c == ')' || c == ']' || c == '}') {
      if (closing.empty() || closing.back() != c) fail(std::string("unexpected '") + c + "'", at_);
      closing.pop_back();
    }
    add(Kind::sign, std::string(*found), at_);
    at_ += found->size();
  }

  void string() {
    const std::size_t begin = at_;
    const char quote = source_[at_++];
    std::string text;
    while (char_at(at_) != quote || at_ >= source_.size()) {
      if (at_ >= source_.size()) fail("the string does not end", begin);
      if (source_[at_] == '\\')
        escape(text, begin);
      else
        text += source_[at_++];
    }
    ++at_;
    add(Kind::string, std::move(text), begin);
  }

  void escape(std::string& text, std::size_t begin) {
    const char c = char_at(at_ + 1);
    constexpr std::string_view letters = "abfnrtv\\'\"", stand_for = "\a\b\f\n\r\t\v\\'\"";
    if (at_ + 1 >= source_.size()) fail("the string does not end", begin);
    if (const auto i = letters.find(c); i != npos) {
      text += stand_for[i];
      at_ += 2;
    } else if (c == '\n') {
      at_ += 2;
    } else if (c >= '0' && c <= '7') {
      std::size_t end = at_ + 1;
      while (end < at_ + 4 && char_at(end) >= '0' && char_at(end) <= '7') ++end;
      append_utf8(text, code(at_ + 1, end, 8));
      at_ = end;
    } else if (c == 'x' || c == 'u' || c == 'U') {
      unicode(text, c == 'x' ? 2 : c == 'u' ? 4 : 8);
    } else if (c == 'N') {
      fail("\\N{...} in a string is not known here", at_);
    } else {  // Python keeps the backslash
      text += {'\\', c};
      at_ += 2;
    }
  }

  std::uint32_t code(std::size_t begin, std::size_t end, int base) {
    std::uint32_t value = 0;
    const std::string_view text = source_.substr(begin, end - begin);
    const auto read = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (read.ec != std::errc() || read.ptr != text.data() + text.size())
      fail("not an escape of a character", at_);
    return value;
  }

  void unicode(std::string& text, std::size_t length) {
    const auto here = [&] { return code(at_ + 2, std::min(at_ + 2 + length, source_.size()), 16); };
    std::uint32_t value = here();
    if (value >= 0xD800 && value < 0xDC00 && starts("\\u", at_ + 6)) {
      at_ += 6;
      value = 0x10000 + ((value - 0xD800) << 10) + (here() - 0xDC00);
    }
    if ((value >= 0xD800 && value < 0xE000) || value > 0x10FFFF) fail("not an escape of a character", at_);
    append_utf8(text, value);
    at_ += 2 + length;
  }

  std::string_view source_;
  Work& work_;
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  bool line_begins_ = true;
};

}  // namespace

std::string normalized(std::string_view source) {
  std::string out;
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r')
      out += source[i];
    else if (i + 1 >= source.size() || source[i + 1] != '\n')
      out += '\n';
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

std::vector<Token> tokens_of(std::string_view source, Work& work) { return Lexer(source, work).all(); }

}  // namespace hone::jinja
