// Python's printf: "%s is %d" % ("x", 3), and "%(name)s" % {"name": "x"}.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "text/template_runtime.hpp"
#include "text/template_strings.hpp"

namespace hone::jinja {
namespace {

constexpr int widest = 1000;

struct Spec {
  bool left = false, zeros = false, plus = false, blank = false;
  int width = 0, precision = -1;
  char kind = 's';
};

class Formatter {
 public:
  Formatter(Runtime& r, std::string_view format, const Value& values)
      : r_(r), format_(format), values_(values) {}

  std::string text() {
    std::string out;
    while (at_ < format_.size()) {
      if (format_[at_] != '%')
        out += format_[at_++];
      else
        out += conversion();
      r_.work.step();
    }
    const auto* tuple = values_.list() && values_.list()->tuple ? values_.list() : nullptr;
    const bool unused =
        tuple ? used_ != tuple->items.size() : used_ == 0 && !values_.dict() && !values_.list();
    if (unused) r_.work.fail("'%' has more values than the format takes");
    return out;
  }

 private:
  char here() const { return at_ < format_.size() ? format_[at_] : '\0'; }

  const Value& next() {
    if (const auto* l = values_.list(); l && l->tuple) {
      if (used_ == l->items.size()) r_.work.fail("'%' has too few values for the format");
      return l->items[used_++];
    }
    if (used_++ > 0) r_.work.fail("'%' has too few values for the format");
    return values_;
  }

  const Value& named() {
    const std::size_t end = format_.find(')', at_);
    if (end == std::string_view::npos || !values_.dict()) r_.work.fail("'%(name)' wants a dict");
    const std::string_view name = format_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    const Value* found = values_.dict()->find(name);
    if (!found) r_.work.fail("'%' finds no key '" + std::string(name) + "'");
    return *found;
  }

  int number() {
    int n = 0;
    while (here() >= '0' && here() <= '9') {
      n = 10 * n + (format_[at_++] - '0');
      if (n > widest) r_.work.fail("a format is too wide");
    }
    return n;
  }

  Spec spec() {
    Spec s;
    for (;; ++at_) {
      if (here() == '-')
        s.left = true;
      else if (here() == '0')
        s.zeros = true;
      else if (here() == '+')
        s.plus = true;
      else if (here() == ' ')
        s.blank = true;
      else
        break;
    }
    s.width = number();
    if (here() == '.') {
      ++at_;
      s.precision = number();
    }
    s.kind = here();
    ++at_;
    return s;
  }

  std::string conversion() {
    ++at_;
    if (here() == '%') return ++at_, "%";
    const Value* value = here() == '(' ? &named() : nullptr;
    const Spec s = spec();
    if (std::string_view("srdiufFeEgGxXo").find(s.kind) == std::string_view::npos || s.kind == '\0')
      r_.work.fail("the format '%" + std::string(1, s.kind) + "' is not known");
    if (!value) value = &next();
    return padded(text_of(*value, s), s);
  }

  std::string text_of(const Value& value, const Spec& s) {
    if (s.kind == 's') return cut(to_string(value, r_.work), s);
    if (s.kind == 'r') return cut(repr(value, r_.work), s);
    return number_text(value, s);
  }

  static std::string padded(std::string body, const Spec& s) {
    const auto size = static_cast<int>(length(body));
    if (s.width <= size) return body;
    const auto pad = static_cast<std::size_t>(s.width - size);
    if (s.left) return body + std::string(pad, ' ');
    if (!s.zeros || s.kind == 's' || s.kind == 'r') return std::string(pad, ' ') + body;
    const std::size_t sign = body.front() == '-' || body.front() == '+' || body.front() == ' ' ? 1 : 0;
    return body.substr(0, sign) + std::string(pad, '0') + body.substr(sign);
  }

  static std::string cut(std::string text, const Spec& s) {
    if (s.precision < 0) return text;
    std::string out;
    int left = s.precision;
    for (const std::string_view c : characters(text))
      if (left-- > 0) out += c;
    return out;
  }

  std::string number_text(const Value& v, const Spec& s) {
    if (!v.is_number())
      r_.work.fail(std::string("the format '%") + s.kind + "' wants a number, found a " + v.type());
    const bool whole = std::string_view("diuxXo").find(s.kind) != std::string_view::npos;
    const bool negative = whole ? v.real() < 0 : std::signbit(v.real());
    std::string text = whole ? whole_text(v, s) : real_text(std::abs(v.real()), s);
    if (s.kind >= 'A' && s.kind <= 'Z') text = upper(text);
    return (negative ? "-" : s.plus ? "+" : s.blank ? " " : "") + text;
  }

  std::string whole_text(const Value& v, const Spec& s) {
    if (v.is_float() && !(std::abs(v.real()) < 0x1p63))
      r_.work.fail("a number that is too large for its format");
    const std::int64_t n = v.is_float() ? static_cast<std::int64_t>(v.real()) : v.integer();
    const std::uint64_t size = n < 0 ? 0 - static_cast<std::uint64_t>(n) : static_cast<std::uint64_t>(n);
    std::array<char, 32> buffer{};
    const int base = s.kind == 'x' || s.kind == 'X' ? 16 : s.kind == 'o' ? 8 : 10;
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), size, base);
    const std::string digits(buffer.data(), end.ptr);
    const auto wanted = static_cast<std::size_t>(std::max(s.precision, 0));
    return digits.size() < wanted ? std::string(wanted - digits.size(), '0') + digits : digits;
  }

  static std::string real_text(double x, const Spec& s) {
    using std::chars_format;
    const char kind = static_cast<char>(s.kind | 0x20);
    const chars_format format = kind == 'f'   ? chars_format::fixed
                                : kind == 'e' ? chars_format::scientific
                                              : chars_format::general;
    std::array<char, widest + 400> buffer{};
    const int precision = s.precision < 0 ? 6 : s.precision;
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), x, format, precision);
    return {buffer.data(), end.ptr};
  }

  Runtime& r_;
  std::string_view format_;
  const Value& values_;
  std::size_t at_ = 0, used_ = 0;
};

}  // namespace

std::string percent_format(Runtime& r, std::string_view format, const Value& values) {
  return Formatter(r, format, values).text();
}

}  // namespace hone::jinja
