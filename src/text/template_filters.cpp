// Filters on text and single values; template_list_filters.cpp has those that go over items.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "text/template_filters.hpp"
#include "text/template_names.hpp"
#include "text/template_strings.hpp"

namespace hone::jinja {
namespace {

std::string text(Runtime& r, const Value& v) { return to_string(v, r.work); }

Value trim(Runtime& r, const Value& v, const Arguments& given) {
  const Bound a(r, "trim", given, {"chars"});
  const std::string s = text(r, v);
  return Value(a[0] && !a[0]->is_none() ? stripped(s, a.string(0)) : stripped(s));
}

Value tojson(Runtime& r, const Value& v, const Arguments& given) {
  const Bound a(r, "tojson", given, {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style{.ascii = a.truth(0, false), .sorted = a.truth(3, false)};
  if (a[1] && !a[1]->is_none()) {
    style.indent =
        a[1]->string()
            ? *a[1]->string()
            : std::string(static_cast<std::size_t>(std::clamp<std::int64_t>(a.integer(1, 0), 0, 64)), ' ');
    style.between = ",";
  }
  if (a[2] && !a[2]->is_none()) {
    const auto both = items_of(r, *a[2]);
    if (both.size() != 2 || !both[0].string() || !both[1].string())
      r.work.fail("tojson() wants two separators");
    style.between = *both[0].string(), style.colon = *both[1].string();
  }
  return to_json(v, style, r.work);
}

Value or_default(Runtime& r, const Value& v, const Arguments& given) {
  const Bound a(r, "default", given, {"default_value", "boolean"});
  const bool missing = v.is_undefined() || (a.truth(1, false) && !v.truth());
  return !missing ? v : a[0] ? *a[0] : Value("");
}

Value replace(Runtime& r, const Value& v, const Arguments& given) {
  const Bound a(r, "replace", given, {"old", "new", "count"});
  const std::string s = text(r, v), from = text(r, a.required(0)), to = text(r, a.required(1));
  r.work.spend((s.size() + 1) * (from.size() < 2 ? to.size() + 1 : 1) + to.size());
  return replaced(s, from, to, a.integer(2, -1));
}

std::string after_number(std::string_view s, double& value) {
  const std::string_view t = stripped(s);
  const bool plus = t.starts_with('+');
  const auto read = std::from_chars(t.data() + (plus ? 1 : 0), t.data() + t.size(), value);
  return read.ec == std::errc() ? std::string(read.ptr, t.data() + t.size()) : "?";
}

// As Python's int(): "0b11" of base 2, "1_000".
bool reads_whole(std::string_view text, int base, std::int64_t& n) {
  std::string s(stripped(text));
  if (s.starts_with('+')) s.erase(0, 1);
  const char letter = base == 16 ? 'x' : base == 8 ? 'o' : base == 2 ? 'b' : '\0';
  if (s.size() > 2 && s[0] == '0' && (s[1] | 0x20) == letter) s.erase(0, 2);
  for (std::size_t i = 1; i + 1 < s.size(); ++i)
    if (s[i] == '_' && s[i - 1] != '_' && s[i - 1] != '-' && s[i + 1] != '_') s.erase(i, 1);
  const auto read = std::from_chars(s.data(), s.data() + s.size(), n, base);
  return read.ec == std::errc() && read.ptr == s.data() + s.size();
}

Value to_int(Runtime& r, const Value& v, const Arguments& given) {
  const Bound a(r, "int", given, {"default", "base"});
  const Value otherwise = a[0] ? *a[0] : Value(0);
  double real = 0;
  if (v.is_bool() || v.is_integer()) return v.integer();
  if (const auto* s = v.string()) {
    std::int64_t n = 0;
    if (reads_whole(*s, static_cast<int>(std::clamp<std::int64_t>(a.integer(1, 10), 2, 36)), n)) return n;
    if (!after_number(*s, real).empty()) return otherwise;
  } else if (v.is_float()) {
    real = v.real();
  } else {
    return otherwise;
  }
  if (!(std::abs(real) < 0x1p63)) return otherwise;
  return static_cast<std::int64_t>(real);
}

Value to_float(Runtime& r, const Value& v, const Arguments& given) {
  const Bound a(r, "float", given, {"default"});
  double real = 0;
  if (v.is_number()) return v.real();
  if (v.string() && after_number(*v.string(), real).empty()) return real;
  return a[0] ? *a[0] : Value(0.0);
}

Value indent(Runtime& r, const Value& v, const Arguments& given) {
  const Bound a(r, "indent", given, {"width", "first", "blank"});
  const std::string s = text(r, v) + "\n";
  const bool own = a[0] && a[0]->string();
  if (!own && a.integer(0, 4) > 1000) r.work.fail("indent() of more than 1000");
  const std::string by =
      own ? *a[0]->string()
          : std::string(static_cast<std::size_t>(std::max<std::int64_t>(0, a.integer(0, 4))), ' ');
  std::string out = a.truth(1, false) ? by : "";
  bool begun = false;
  for (const std::string_view line : lines(s)) {
    r.work.spend(by.size() + line.size() + 1);
    if (begun) out += '\n';
    if (begun && (!line.empty() || a.truth(2, false))) out += by;
    out += line;
    begun = true;
  }
  return out;
}

Value absolute(Runtime& r, const Value& v, const Arguments&) {
  if (!v.is_number()) r.work.fail(std::string("abs() of a ") + v.type());
  return v.real() < 0 ? apply_sign(r, "-", v) : apply_sign(r, "+", v);
}

// Half to even, as Python's round(); a float in any case.
Value rounded(Runtime& r, const Value& v, const Arguments& given) {
  const Bound a(r, "round", given, {"precision", "method"});
  if (!v.is_number()) r.work.fail(std::string("round() of a ") + v.type());
  const std::string_view method = a[1] ? a.string(1) : "common";
  const auto digits = static_cast<int>(std::clamp<std::int64_t>(a.integer(0, 0), -300, 300));
  const double power = std::pow(10.0, digits), x = v.real();
  if (method == "ceil") return std::ceil(x * power) / power;
  if (method == "floor") return std::floor(x * power) / power;
  if (method != "common") r.work.fail("round() wants common, ceil or floor");
  if (!v.is_float()) return v;
  if (digits < 0 || std::abs(x) > 1e15) return std::nearbyint(x * power) / power;
  char buffer[700];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, x, std::chars_format::fixed, digits);
  double back = x;
  std::from_chars(buffer, end.ptr, back);
  return back;
}

Value escape(Runtime& r, const Value& v, const Arguments&) {
  std::string out;
  for (const char c : text(r, v)) {
    const char* as = c == '&'    ? "&amp;"
                     : c == '<'  ? "&lt;"
                     : c == '>'  ? "&gt;"
                     : c == '"'  ? "&#34;"
                     : c == '\'' ? "&#39;"
                                 : nullptr;
    as ? out += as : out += c;
  }
  r.work.spend(out.size());
  return out;
}

Value truncate(Runtime& r, const Value& v, const Arguments& given) {
  const Bound a(r, "truncate", given, {"length", "killwords", "end", "leeway"});
  const std::string s = text(r, v), end = a[2] ? std::string(a.string(2)) : "...";
  const auto all = characters(s);
  const std::int64_t most = a.integer(0, 255);
  if (most < length(end)) r.work.fail("truncate() to less than its end takes");
  if (std::ssize(all) <= most + a.integer(3, 5)) return s;
  std::string kept;
  for (std::int64_t i = 0; i < most - length(end); ++i) kept += all[static_cast<std::size_t>(i)];
  if (!a.truth(1, false)) kept = kept.substr(0, kept.rfind(' '));
  return kept + end;
}

Value format(Runtime& r, const Value& v, const Arguments& given) {
  if (given.named.empty()) return percent_format(r, text(r, v), Value::list(given.positional, true));
  std::vector<std::pair<Value, Value>> items;
  for (const auto& [name, value] : given.named) items.emplace_back(Value(name), value);
  return percent_format(r, text(r, v), Value::dict(std::move(items)));
}

// Never a dict's key.
Value member(Runtime& r, const Value& v, const Arguments& given) {
  const std::string name(Bound(r, "attr", given, {"name"}).string(0));
  if (!v.dict()) return attribute(r, v, name);
  const Value m = method(r, v, name);
  return m.function() ? m : Value::undefined("'dict object' has no attribute '" + name + "'");
}

Value word_count(Runtime& r, const Value& v, const Arguments&) {
  bool within = false;
  std::int64_t words = 0;
  const std::string s = text(r, v);
  for (const std::string_view c : characters(s)) {
    const bool in_word =
        c == "_" || (c.size() > 1 ? !all_space(c) : std::isalnum(static_cast<unsigned char>(c[0])) != 0);
    if (in_word && !within) ++words;
    within = in_word;
  }
  return words;
}

constexpr Filter filters[] = {
    {"abs", absolute},
    {"attr", member},
    {"capitalize",
     [](Runtime& r, const Value& v, const Arguments&) { return Value(capitalized(text(r, v))); }},
    {"count", [](Runtime& r, const Value& v, const Arguments&) { return Value(size_of(r, v)); }},
    {"d", or_default},
    {"default", or_default},
    {"e", escape},
    {"escape", escape},
    {"float", to_float},
    {"format", format},
    {"indent", indent},
    {"int", to_int},
    {"length", [](Runtime& r, const Value& v, const Arguments&) { return Value(size_of(r, v)); }},
    {"lower", [](Runtime& r, const Value& v, const Arguments&) { return Value(lower(text(r, v))); }},
    {"replace", replace},
    {"round", rounded},
    {"safe", [](Runtime& r, const Value& v, const Arguments&) { return Value(text(r, v)); }},
    {"string", [](Runtime& r, const Value& v, const Arguments&) { return Value(text(r, v)); }},
    {"title", [](Runtime& r, const Value& v, const Arguments&) { return Value(titled(text(r, v))); }},
    {"tojson", tojson},
    {"trim", trim},
    {"truncate", truncate},
    {"upper", [](Runtime& r, const Value& v, const Arguments&) { return Value(upper(text(r, v))); }},
    {"wordcount", word_count},
};

const Filter* known(std::string_view name) {
  const auto is = [&](const Filter& f) { return f.name == name; };
  for (const std::span<const Filter> all : {std::span<const Filter>(filters), list_filters()})
    if (const auto found = std::find_if(all.begin(), all.end(), is); found != all.end()) return &*found;
  return nullptr;
}

}  // namespace

bool has_filter(std::string_view name) { return known(name) != nullptr; }

std::vector<std::string> filter_names() {
  std::vector<std::string> all;
  for (const Filter& f : filters) all.emplace_back(f.name);
  for (const Filter& f : list_filters()) all.emplace_back(f.name);
  return all;
}

Value apply_filter(Runtime& r, std::string_view name, const Value& of, const Arguments& given) {
  r.work.step();
  const Deeper deeper(r.depth, r.work, deepest_calls);  // map("map", ..)
  const Filter* f = known(name);
  if (!f) r.work.fail("the filter '" + std::string(name) + "' is not known here");
  return f->apply(r, of, given);
}

}  // namespace hone::jinja
