// What a template's expressions are made of while it runs: operators, members, filters, tests. All of them
// throw Error(input) at the place that `work` has.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "text/template_value.hpp"

namespace hone::jinja {

struct Runtime {
  Work& work;
  std::int64_t time;  // seconds since 1970, for strftime_now
  int depth = 0;      // of what calls one another
};

// template_operators.cpp
Value apply_operator(Runtime&, std::string_view op, const Value& a, const Value& b);
Value apply_sign(Runtime&, std::string_view op, const Value& v);  // "-", "+"
bool compare(Runtime&, std::string_view op, const Value& a, const Value& b);
bool less(Runtime&, const Value& a, const Value& b);  // Error for kinds that have no order
bool contains(Runtime&, const Value& in, const Value& what);

// template_access.cpp
std::vector<Value> items_of(Runtime&,
                            const Value& iterable);  // a dict's are its keys, a string's its characters
std::int64_t size_of(Runtime&, const Value&);        // len()
Value attribute(Runtime&, const Value& of, const std::string& name);  // of.name: a method before a key
Value item(Runtime&, const Value& of, const Value& key);              // of[key]
Value slice(Runtime&, const Value& of, const Value& first, const Value& last, const Value& step);

// template_methods.cpp: `None` where `of` has no method of that name, else a function.
Value method(Runtime&, const Value& of, const std::string& name);

// template_format.cpp: Python's "%s" % values.
std::string percent_format(Runtime&, std::string_view format, const Value& values);

// template_str_format.cpp: Python's "{}".format(values).
std::string str_format(Runtime&, std::string_view format, const Arguments& given);

// template_filters.cpp, template_tests.cpp
Value apply_filter(Runtime&, std::string_view name, const Value& of, const Arguments&);
bool apply_test(Runtime&, std::string_view name, const Value& of, const Arguments&);

// Arguments by their parameters: `names` in order, each given by place or by name.
class Bound {
 public:
  Bound(Runtime& runtime, std::string_view function, const Arguments& given,
        std::initializer_list<std::string_view> names);

  const Value* operator[](std::size_t i) const { return values_[i]; }  // none, if it was not given
  const Value& required(std::size_t i) const;
  std::string_view string(std::size_t i) const;  // required(), a string
  std::int64_t integer(std::size_t i, std::int64_t otherwise) const;
  bool truth(std::size_t i, bool otherwise) const { return values_[i] ? values_[i]->truth() : otherwise; }

 private:
  [[noreturn]] void fail(std::size_t i, const char* expected) const;

  Runtime& runtime_;
  std::string function_;
  std::vector<std::string_view> names_;
  std::vector<const Value*> values_;
};

}  // namespace hone::jinja
