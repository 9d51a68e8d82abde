// Python's "{} is {x:.1f}".format("it", x=2.5).
#include <string>

#include "text/template_runtime.hpp"

namespace hone::jinja {
namespace {

class StrFormat {
 public:
  StrFormat(Runtime& r, std::string_view format, const Arguments& given)
      : r_(r), format_(format), given_(given) {}

  std::string text() {
    std::string out;
    while (at_ < format_.size()) {
      const char c = format_[at_++];
      const bool brace = c == '{' || c == '}', twice = brace && at_ < format_.size() && format_[at_] == c;
      if (twice) ++at_;
      if (brace && !twice && c == '}') r_.work.fail("format() finds a single '}'");
      if (brace && !twice)
        out += field();
      else
        out += c;
      r_.work.step();
    }
    return out;
  }

 private:
  std::string field() {
    const std::size_t end = format_.find('}', at_);
    if (end == std::string_view::npos) r_.work.fail("format() finds no '}' for a '{'");
    const std::string_view inside = format_.substr(at_, end - at_);
    at_ = end + 1;
    const std::size_t colon = inside.find(':');
    const Value& value = named(inside.substr(0, colon));
    return colon == std::string_view::npos ? to_string(value, r_.work)
                                           : formatted(value, inside.substr(colon + 1));
  }

  const Value& named(std::string_view name) {
    if (name.find_first_not_of("0123456789") == std::string_view::npos) {
      const std::size_t place = name.empty()      ? next_++
                                : name.size() > 4 ? given_.positional.size()
                                                  : std::stoul(std::string(name));
      if (place >= given_.positional.size()) r_.work.fail("format() has too few values");
      return given_.positional[place];
    }
    for (const auto& [key, value] : given_.named)
      if (key == name) return value;
    r_.work.fail("format() has no value '" + std::string(name) + "'");
  }

  // What is as in "%5.2f"; a string stands at the left of its width.
  std::string formatted(const Value& value, std::string_view spec) {
    if (spec.empty()) return to_string(value, r_.work);
    const std::string_view width = spec.substr(0, spec.find_first_not_of("0123456789."));
    const std::string_view kind = spec.substr(width.size());
    const bool known =
        kind.empty() || (kind.size() == 1 && std::string_view("dfeEgGxXos").find(kind[0]) != kind.npos);
    const bool plain = kind.empty() && width.find('.') == std::string_view::npos;
    if (!known || (kind.empty() && value.is_number() && !plain))
      r_.work.fail("format() does not know ':" + std::string(spec) + "'");
    const std::string as = kind.empty() ? "s" : std::string(kind);
    return percent_format(r_, std::string(as == "s" && value.string() ? "%-" : "%") + std::string(width) + as,
                          Value::list({value}, true));
  }

  Runtime& r_;
  std::string_view format_;
  const Arguments& given_;
  std::size_t at_ = 0, next_ = 0;
};

}  // namespace

std::string str_format(Runtime& r, std::string_view format, const Arguments& given) {
  return StrFormat(r, format, given).text();
}

}  // namespace hone::jinja
