// What stands behind `is`.
#include <algorithm>

#include "hone/nearest.hpp"
#include "text/template_names.hpp"
#include "text/template_runtime.hpp"
#include "text/template_strings.hpp"

namespace hone::jinja {
namespace {

using Test = bool (*)(Runtime&, const Value& of, const Value* argument);
struct Known {
  std::string_view name;
  Test test;
  bool takes = false;  // an argument
};

bool whole(Runtime& r, const Value& v, std::int64_t by, std::int64_t rest) {
  return equal(apply_operator(r, "%", v, Value(by)), Value(rest), r.work);
}

constexpr const char* comparison(std::string_view name) {
  if (name == "eq" || name == "equalto") return "==";
  if (name == "ne") return "!=";
  if (name == "lt" || name == "lessthan") return "<";
  if (name == "gt" || name == "greaterthan") return ">";
  if (name == "le") return "<=";
  if (name == "ge") return ">=";
  return nullptr;
}

// Python's `is`: lists and dicts that were made apart are not the same, however equal.
bool same(Runtime& r, const Value& a, const Value& b) {
  if (a.list() || a.dict()) return a.list() == b.list() && a.dict() == b.dict();
  return a.holds().index() == b.holds().index() && equal(a, b, r.work);
}

bool iterable(const Value& v) { return v.list() || v.dict() || v.string() || v.is_undefined(); }

constexpr Known tests[] = {
    {"boolean", [](Runtime&, const Value& v, const Value*) { return v.is_bool(); }},
    {"callable", [](Runtime&, const Value& v, const Value*) { return v.function() != nullptr; }},
    {"defined", [](Runtime&, const Value& v, const Value*) { return !v.is_undefined(); }},
    {"divisibleby",
     [](Runtime& r, const Value& v, const Value* by) {
       return whole(r, v, by->is_integer() ? by->integer() : 0, 0);
     },
     true},
    {"escaped", [](Runtime&, const Value&, const Value*) { return false; }},
    {"even", [](Runtime& r, const Value& v, const Value*) { return whole(r, v, 2, 0); }},
    {"false", [](Runtime&, const Value& v, const Value*) { return v.is_bool() && !v.truth(); }},
    {"filter", [](Runtime&, const Value& v, const Value*) { return v.string() && has_filter(*v.string()); }},
    {"float", [](Runtime&, const Value& v, const Value*) { return v.is_float(); }},
    {"in", [](Runtime& r, const Value& v, const Value* in) { return contains(r, *in, v); }, true},
    {"integer", [](Runtime&, const Value& v, const Value*) { return v.is_integer(); }},
    {"iterable", [](Runtime&, const Value& v, const Value*) { return iterable(v); }},
    {"lower",
     [](Runtime& r, const Value& v, const Value*) {
       const std::string s = to_string(v, r.work);
       return lower(s) == s && upper(s) != s;
     }},
    {"mapping", [](Runtime&, const Value& v, const Value*) { return v.dict() != nullptr; }},
    {"none", [](Runtime&, const Value& v, const Value*) { return v.is_none(); }},
    {"number", [](Runtime&, const Value& v, const Value*) { return v.is_number(); }},
    {"odd", [](Runtime& r, const Value& v, const Value*) { return whole(r, v, 2, 1); }},
    {"sameas", [](Runtime& r, const Value& v, const Value* other) { return same(r, v, *other); }, true},
    {"sequence", [](Runtime&, const Value& v, const Value*) { return iterable(v); }},
    {"string", [](Runtime&, const Value& v, const Value*) { return v.string() != nullptr; }},
    {"test", [](Runtime&, const Value& v, const Value*) { return v.string() && has_test(*v.string()); }},
    {"true", [](Runtime&, const Value& v, const Value*) { return v.is_bool() && v.truth(); }},
    {"undefined", [](Runtime&, const Value& v, const Value*) { return v.is_undefined(); }},
    {"upper",
     [](Runtime& r, const Value& v, const Value*) {
       const std::string s = to_string(v, r.work);
       return upper(s) == s && lower(s) != s;
     }},
};

constexpr std::string_view comparisons[] = {
    "eq", "equalto", "ne", "lt", "lessthan", "gt", "greaterthan", "le",
    "ge", "==",      "!=", "<",  ">",        "<=", ">="};

const Known* known(std::string_view name) {
  const auto* found =
      std::find_if(std::begin(tests), std::end(tests), [&](const Known& t) { return t.name == name; });
  return found == std::end(tests) ? nullptr : found;
}

}  // namespace

bool has_test(std::string_view name) { return known(name) || std::ranges::count(comparisons, name) > 0; }

std::vector<std::string> test_names() {
  std::vector<std::string> all(std::begin(comparisons), std::end(comparisons));
  for (const Known& t : tests) all.emplace_back(t.name);
  return all;
}

std::string like(const std::string& name, const std::vector<std::string>& all) {
  const std::string near = nearest(name, all);
  return near.empty() ? "" : ": did you mean '" + near + "'?";
}

bool apply_test(Runtime& r, std::string_view name, const Value& of, const Arguments& given) {
  r.work.step();
  const Known* t = known(name);
  if (!has_test(name)) r.work.fail("the test '" + std::string(name) + "' is not known here");
  if (t && !t->takes) return Bound(r, name, given, {}), t->test(r, of, nullptr);
  const Bound a(r, name, given, {"other"});
  if (t) return t->test(r, of, &a.required(0));
  const char* op = comparison(name);
  return compare(r, op ? std::string_view(op) : name, of, a.required(0));
}

}  // namespace hone::jinja
