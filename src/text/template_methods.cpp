// Methods of strings, dicts and lists: those of Python that change nothing.
#include <algorithm>
#include <array>

#include "base/utf8.hpp"
#include "text/template_globals.hpp"
#include "text/template_runtime.hpp"
#include "text/template_strings.hpp"
#include "text/unicode.hpp"

namespace hone::jinja {
namespace {

using Items = std::vector<Value>;

Value pieces_of(Runtime& r, const std::vector<std::string_view>& pieces) {
  r.work.spend(64 * pieces.size());
  Items all;
  for (const std::string_view p : pieces) all.emplace_back(p);
  return Value::list(std::move(all));
}

// str.split() without a separator: runs of white space, none at either end.
std::vector<std::string_view> words(std::string_view s, std::int64_t most) {
  std::vector<std::string_view> all;
  for (s = stripped_left(s); !s.empty(); s = stripped_left(s)) {
    std::size_t end = 0;
    if (most >= 0 && std::ssize(all) == most) {
      all.push_back(stripped_right(s));
      break;
    }
    while (end < s.size()) {
      const CodePoint c = code_point_at(s, end);
      if (c.bytes && is_space(c.value)) break;
      end += std::max<std::size_t>(1, c.bytes);
    }
    all.push_back(s.substr(0, end));
    s.remove_prefix(end);
  }
  return all;
}

// The last so many words, and what is left in front of them.
std::vector<std::string_view> last_words(std::string_view s, std::int64_t most) {
  std::vector<std::string_view> all = words(s, -1);
  if (std::ssize(all) <= most) return all;
  const auto kept = all.end() - static_cast<std::ptrdiff_t>(most);
  const std::size_t end = kept == all.end() ? s.size() : static_cast<std::size_t>(kept->data() - s.data());
  std::vector<std::string_view> out{stripped_right(s.substr(0, end))};
  out.insert(out.end(), kept, all.end());
  return out;
}

std::vector<std::string_view> split(std::string_view s, std::string_view by, std::int64_t most) {
  std::vector<std::string_view> all;
  for (std::size_t at = s.find(by); at != std::string_view::npos && most-- != 0; at = s.find(by)) {
    all.push_back(s.substr(0, at));
    s.remove_prefix(at + by.size());
  }
  all.push_back(s);
  return all;
}

std::vector<std::string_view> split_from_right(std::string_view s, std::string_view by, std::int64_t most) {
  std::vector<std::string_view> all;
  for (std::size_t at = s.rfind(by); at != std::string_view::npos && most-- != 0; at = s.rfind(by)) {
    all.push_back(s.substr(at + by.size()));
    s = s.substr(0, at);
  }
  all.push_back(s);
  std::reverse(all.begin(), all.end());
  return all;
}

Value split_method(Runtime& r, std::string_view s, const Arguments& given, bool right) {
  const Bound a(r, right ? "rsplit" : "split", given, {"sep", "maxsplit"});
  const std::int64_t most = a.integer(1, -1);
  if (!a[0] || a[0]->is_none())
    return pieces_of(r, right && most >= 0 ? last_words(s, most) : words(s, most));
  if (a.string(0).empty()) r.work.fail("split() wants a separator that is not empty");
  return pieces_of(r, (right ? split_from_right : split)(s, a.string(0), most));
}

Value split_lines(Runtime& r, std::string_view s, const Arguments& given) {
  const Bound a(r, "splitlines", given, {"keepends"});
  auto all = lines(s);
  for (std::size_t i = 0; a.truth(0, false) && i < all.size(); ++i) {
    const char* end = i + 1 < all.size() ? all[i + 1].data() : s.data() + s.size();
    all[i] = {all[i].data(), static_cast<std::size_t>(end - all[i].data())};
  }
  return pieces_of(r, all);
}

Value partition(std::string_view s, std::string_view by, bool right) {
  const std::size_t at = right ? s.rfind(by) : s.find(by);
  const bool found = at != std::string_view::npos;
  const Value none(""), whole(s);
  if (!found) return Value::list(right ? Items{none, none, whole} : Items{whole, none, none}, true);
  return Value::list({Value(s.substr(0, at)), Value(by), Value(s.substr(at + by.size()))}, true);
}

// s[start:end] of what find() and its like look at; none where it begins behind its end.
struct Part {
  std::string_view text;
  std::int64_t characters_before;
};
std::optional<Part> part_of(std::string_view s, const Bound& a) {
  const auto all = characters(s);
  const std::int64_t size = std::ssize(all);
  const auto bound = [&](std::size_t i, std::int64_t otherwise) {
    const std::int64_t at = a.integer(i, otherwise);
    return at < 0 ? std::max<std::int64_t>(0, std::max(at, -size) + size) : at;
  };
  const std::int64_t first = bound(1, 0), last = std::min(bound(2, size), size);
  if (first > last) return {};
  const auto byte = [&](std::int64_t i) {
    return i == size ? s.size()
                     : static_cast<std::size_t>(all[static_cast<std::size_t>(i)].data() - s.data());
  };
  return Part{s.substr(byte(first), byte(last) - byte(first)), first};
}

// A string, or a tuple of some, any of which will do.
bool affixed(Runtime& r, std::string_view s, const Arguments& given, bool prefix) {
  const Bound a(r, prefix ? "startswith" : "endswith", given, {"affix", "start", "end"});
  const auto part = part_of(s, a);
  const auto has = [&](std::string_view affix) {
    return part && (prefix ? part->text.starts_with(affix) : part->text.ends_with(affix));
  };
  if (!a.required(0).list()) return has(a.string(0));
  const Items& all = a[0]->list()->items;
  return std::any_of(all.begin(), all.end(), [&](const Value& v) { return v.string() && has(*v.string()); });
}

std::int64_t place(Runtime& r, std::string_view s, const Arguments& given, bool right, const char* name) {
  const Bound a(r, name, given, {"sub", "start", "end"});
  const auto part = part_of(s, a);
  if (!part) return -1;
  const std::size_t at = right ? part->text.rfind(a.string(0)) : part->text.find(a.string(0));
  if (at == std::string_view::npos) return -1;
  return part->characters_before + length(part->text.substr(0, at));
}

Value find(Runtime& r, std::string_view s, const Arguments& given) {
  return place(r, s, given, false, "find");
}
Value rfind(Runtime& r, std::string_view s, const Arguments& given) {
  return place(r, s, given, true, "rfind");
}

Value index(Runtime& r, std::string_view s, const Arguments& given, bool right) {
  const std::int64_t at = place(r, s, given, right, right ? "rindex" : "index");
  if (at < 0) r.work.fail("index() of what is not in the string");
  return at;
}

Value count(Runtime& r, std::string_view s, const Arguments& given) {
  const Bound a(r, "count", given, {"sub", "start", "end"});
  const auto part = part_of(s, a);
  if (!part) return 0;
  if (a.string(0).empty()) return length(part->text) + 1;
  return std::ssize(split(part->text, a.string(0), -1)) - 1;
}

Value strip(Runtime& r, std::string_view s, const Arguments& given,
            std::string_view (*stripper)(std::string_view, std::optional<std::string_view>)) {
  const Bound a(r, "strip", given, {"chars"});
  if (!a[0] || a[0]->is_none()) return Value(stripper(s, {}));
  return Value(stripper(s, a.string(0)));
}

Value join(Runtime& r, std::string_view by, const Arguments& given) {
  const Bound a(r, "join", given, {"iterable"});
  std::string out;
  bool first = true;
  for (const Value& v : items_of(r, a.required(0))) {
    if (!v.string()) r.work.fail(std::string("join() wants strings, found a ") + v.type());
    if (!first) out += by;
    first = false;
    out += *v.string();
    r.work.spend(by.size() + v.string()->size());
  }
  return out;
}

Value padded(Runtime& r, std::string_view s, const Arguments& given, std::string_view name) {
  const Bound a(r, name, given, {"width", "fillchar"});
  const std::int64_t missing = a.integer(0, 0) - length(s);
  if (missing <= 0) return Value(s);
  r.work.spend(static_cast<std::size_t>(missing));
  const std::string fill = name == "zfill" ? "0" : a[1] ? std::string(a.string(1)) : " ";
  if (fill.size() != 1) r.work.fail(std::string(name) + "() fills with one character");
  // str.center() puts an odd blank left where the width is odd.
  const std::int64_t left = name == "ljust"    ? 0
                            : name == "center" ? missing / 2 + (missing & a.integer(0, 0) & 1)
                                               : missing;
  const bool behind_sign = name == "zfill" && !s.empty() && (s[0] == '-' || s[0] == '+');
  std::string out(s.substr(0, behind_sign ? 1 : 0));
  out.append(static_cast<std::size_t>(left), fill[0]);
  out += s.substr(behind_sign ? 1 : 0);
  return out.append(static_cast<std::size_t>(missing - left), fill[0]);
}

template <class Is>
bool all_are(std::string_view s, const Is& is) {
  for (const std::string_view c : characters(s)) {
    const CodePoint p = code_point_at(c, 0);
    if (!p.bytes || !is(UnicodeTable::get().character_class(p.value), UnicodeTable::get().category(p.value)))
      return false;
  }
  return !s.empty();
}

using Of = std::string_view;
using Call = Value (*)(Runtime&, std::string_view, const Arguments&);
struct StringMethod {
  std::string_view name;
  Call call;
};

std::string swapped_case(std::string_view s) {
  std::string out;
  for (const std::string_view c : characters(s)) out += upper(c) == c ? lower(c) : upper(c);
  return out;
}

constexpr auto number = CharacterClass::number;
constexpr auto letter = CharacterClass::letter;

constexpr StringMethod string_methods[] = {
    {"capitalize", [](Runtime&, Of s, const Arguments&) { return Value(capitalized(s)); }},
    {"center", [](Runtime& r, Of s, const Arguments& a) { return padded(r, s, a, "center"); }},
    {"count", count},
    {"endswith", [](Runtime& r, Of s, const Arguments& a) { return Value(affixed(r, s, a, false)); }},
    {"find", find},
    {"format", [](Runtime& r, Of s, const Arguments& a) { return Value(str_format(r, s, a)); }},
    {"index", [](Runtime& r, Of s, const Arguments& a) { return index(r, s, a, false); }},
    {"isalnum",
     [](Runtime&, Of s, const Arguments&) {
       return Value(all_are(s, [](auto c, auto) { return c == letter || c == number; }));
     }},
    {"isalpha", [](Runtime&, Of s,
                   const Arguments&) { return Value(all_are(s, [](auto c, auto) { return c == letter; })); }},
    {"isascii",
     [](Runtime&, Of s, const Arguments&) {
       return Value(std::ranges::all_of(s, [](unsigned char c) { return c < 0x80; }));
     }},
    {"isdecimal",
     [](Runtime&, Of s, const Arguments&) {
       return Value(all_are(s, [](auto, auto g) { return g == GeneralCategory::Nd; }));
     }},
    {"isdigit",
     [](Runtime&, Of s, const Arguments&) {
       return Value(all_are(s, [](auto, auto g) { return g == GeneralCategory::Nd; }));
     }},
    {"islower", [](Runtime&, Of s, const Arguments&) { return Value(lower(s) == s && upper(s) != s); }},
    {"isnumeric",
     [](Runtime&, Of s, const Arguments&) {
       return Value(all_are(s, [](auto c, auto) { return c == number; }));
     }},
    {"isspace", [](Runtime&, Of s, const Arguments&) { return Value(all_space(s)); }},
    {"isupper", [](Runtime&, Of s, const Arguments&) { return Value(upper(s) == s && lower(s) != s); }},
    {"join", join},
    {"ljust", [](Runtime& r, Of s, const Arguments& a) { return padded(r, s, a, "ljust"); }},
    {"lower", [](Runtime&, Of s, const Arguments&) { return Value(lower(s)); }},
    {"lstrip", [](Runtime& r, Of s, const Arguments& a) { return strip(r, s, a, stripped_left); }},
    {"partition",
     [](Runtime& r, Of s, const Arguments& a) {
       return partition(s, Bound(r, "partition", a, {"sep"}).string(0), false);
     }},
    {"removeprefix",
     [](Runtime& r, Of s, const Arguments& a) {
       const std::string_view affix = Bound(r, "removeprefix", a, {"prefix"}).string(0);
       return Value(s.starts_with(affix) ? s.substr(affix.size()) : s);
     }},
    {"removesuffix",
     [](Runtime& r, Of s, const Arguments& a) {
       const std::string_view affix = Bound(r, "removesuffix", a, {"suffix"}).string(0);
       return Value(s.ends_with(affix) ? s.substr(0, s.size() - affix.size()) : s);
     }},
    {"replace",
     [](Runtime& r, Of s, const Arguments& a) {
       const Bound b(r, "replace", a, {"old", "new", "count"});
       r.work.spend((s.size() + 1) * (b.string(0).size() < 2 ? b.string(1).size() + 1 : 1) +
                    b.string(1).size());
       return Value(replaced(s, b.string(0), b.string(1), b.integer(2, -1)));
     }},
    {"rfind", rfind},
    {"rindex", [](Runtime& r, Of s, const Arguments& a) { return index(r, s, a, true); }},
    {"rjust", [](Runtime& r, Of s, const Arguments& a) { return padded(r, s, a, "rjust"); }},
    {"rpartition",
     [](Runtime& r, Of s, const Arguments& a) {
       return partition(s, Bound(r, "rpartition", a, {"sep"}).string(0), true);
     }},
    {"rsplit", [](Runtime& r, Of s, const Arguments& a) { return split_method(r, s, a, true); }},
    {"rstrip", [](Runtime& r, Of s, const Arguments& a) { return strip(r, s, a, stripped_right); }},
    {"split", [](Runtime& r, Of s, const Arguments& a) { return split_method(r, s, a, false); }},
    {"splitlines", split_lines},
    {"startswith", [](Runtime& r, Of s, const Arguments& a) { return Value(affixed(r, s, a, true)); }},
    {"strip", [](Runtime& r, Of s, const Arguments& a) { return strip(r, s, a, stripped); }},
    {"swapcase", [](Runtime&, Of s, const Arguments&) { return Value(swapped_case(s)); }},
    {"title", [](Runtime&, Of s, const Arguments&) { return Value(title(s)); }},
    {"upper", [](Runtime&, Of s, const Arguments&) { return Value(upper(s)); }},
    {"zfill", [](Runtime& r, Of s, const Arguments& a) { return padded(r, s, a, "zfill"); }},
};

Value dict_method(Runtime& r, const Value& of, const std::string& name) {
  if (name == "get")
    return function(name, [&r, of](const Arguments& given) {
      const Bound a(r, "get", given, {"key", "default"});
      for (const auto& [key, value] : of.dict()->items)
        if (equal(key, a.required(0), r.work)) return value;
      return a[1] ? *a[1] : Value();
    });
  if (name == "copy") return function(name, [of](const Arguments&) { return of; });
  if (name != "items" && name != "keys" && name != "values") return {};
  return function(name, [&r, of, name](const Arguments&) {
    Items all;
    r.work.spend(4 * sizeof(Value) * of.dict()->items.size());
    for (const auto& [key, value] : of.dict()->items)
      all.push_back(name == "keys" ? key : name == "values" ? value : Value::list({key, value}, true));
    return Value::list(std::move(all));
  });
}

Value list_method(Runtime& r, const Value& of, const std::string& name) {
  if (name != "index" && name != "count") return {};
  return function(name, [&r, of, name](const Arguments& given) {
    const Bound a(r, name, given, {"value"});
    const Items& all = of.list()->items;
    std::int64_t many = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (!equal(all[i], a.required(0), r.work)) continue;
      if (name == "index") return Value(static_cast<std::int64_t>(i));
      ++many;
    }
    if (name == "index") r.work.fail("index() of what is not in the list");
    return Value(many);
  });
}

// Transformers' sandbox refuses these too.
void refuse_change(Runtime& r, const Value& of, std::string_view name) {
  constexpr std::string_view of_lists[] = {"append", "clear",  "extend",  "insert",
                                           "pop",    "remove", "reverse", "sort"};
  constexpr std::string_view of_dicts[] = {"clear", "pop", "popitem", "setdefault", "update"};
  const bool changes =
      of.list() ? std::ranges::count(of_lists, name) > 0 : std::ranges::count(of_dicts, name) > 0;
  if (changes)
    r.work.fail(std::string("a template may not change a ") + of.type() + ": " + std::string(name) + "()");
}

}  // namespace

Value method(Runtime& r, const Value& of, const std::string& name) {
  if (of.string()) {
    for (const StringMethod& m : string_methods)
      if (m.name == name)
        return function(name, [&r, of, &m](const Arguments& given) {
          r.work.spend(16 + 16 * of.string()->size());
          return m.call(r, *of.string(), given);
        });
    return {};
  }
  if (of.dict() || of.list()) refuse_change(r, of, name);
  return of.dict() ? dict_method(r, of, name) : of.list() ? list_method(r, of, name) : Value();
}

}  // namespace hone::jinja
