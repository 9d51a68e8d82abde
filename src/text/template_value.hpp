// Values of chat templates: those of JSON, and what a template makes of them. They behave as Python's do,
// because templates are written for Jinja in Python (https://jinja.palletsprojects.com, version 3.1): strings
// are code points, true is 1, a dict keeps the order of its keys.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "text/template_work.hpp"

namespace hone::jinja {

class Value;

// What a name stands for that nobody gave a value: empty when printed, false when asked, an error in most
// else.
struct Undefined {
  std::shared_ptr<const std::string> what;  // "'tools' is undefined"
};

struct None {};

struct List;
struct Dict;
struct Namespace;
struct Function;

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

class Value {
 public:
  using Holds = std::variant<Undefined, None, bool, std::int64_t, double, std::shared_ptr<const std::string>,
                             std::shared_ptr<const List>, std::shared_ptr<const Dict>,
                             std::shared_ptr<Namespace>, std::shared_ptr<const Function>>;

  Value() : holds_(None{}) {}
  Value(bool x) : holds_(x) {}
  Value(std::int64_t x) : holds_(x) {}
  Value(int x) : holds_(std::int64_t{x}) {}
  Value(double x) : holds_(x) {}
  Value(std::string x) : holds_(std::make_shared<const std::string>(std::move(x))) {}
  Value(std::string_view x) : Value(std::string(x)) {}
  Value(const char* x) : Value(std::string(x)) {}
  template <class T>
  Value(T*) = delete;  // would be a bool
  explicit Value(Holds holds) : holds_(std::move(holds)) {}
  static Value undefined(std::string what);
  static Value list(std::vector<Value> items, bool tuple = false);
  static Value named_tuple(std::vector<Value> items, std::span<const std::string_view> names);
  static Value dict(std::vector<std::pair<Value, Value>> items);

  bool is_undefined() const { return std::holds_alternative<Undefined>(holds_); }
  bool is_none() const { return std::holds_alternative<None>(holds_); }
  bool is_bool() const { return std::holds_alternative<bool>(holds_); }
  bool is_integer() const { return std::holds_alternative<std::int64_t>(holds_); }  // true is not one here
  bool is_float() const { return std::holds_alternative<double>(holds_); }
  bool is_number() const { return is_bool() || is_integer() || is_float(); }
  // None, if it is no such thing; valid as long as the value.
  const std::string* string() const { return held<const std::string>(); }
  const List* list() const { return held<const List>(); }
  const Dict* dict() const { return held<const Dict>(); }
  Namespace* names() const { return held<Namespace>(); }
  const Function* function() const { return held<const Function>(); }
  const Undefined* undefined() const { return std::get_if<Undefined>(&holds_); }
  const Holds& holds() const { return holds_; }

  std::int64_t integer() const;  // of a bool or an integer
  double real() const;           // of any number
  bool truth() const;            // as Python's bool()
  const char* type() const;      // Python's name of it, for messages: "dict"
  int depth() const;             // levels of lists and dicts

 private:
  template <class T>
  T* held() const {
    const auto* p = std::get_if<std::shared_ptr<T>>(&holds_);
    return p ? p->get() : nullptr;
  }
  Holds holds_;
};

// A list, or a tuple, which only prints differently. Nothing changes a list once it is made.
struct List {
  std::vector<Value> items;
  bool tuple = false;
  int depth = 1;
  std::span<const std::string_view> names{};  // of a tuple whose items have some
};

struct Dict {
  std::vector<std::pair<Value, Value>> items;  // in the order of their making
  int depth = 1;
  const Value* find(std::string_view key) const;
};

// The one thing that a template may change: {% set ns.x = 1 %}.
struct Namespace {
  std::vector<std::pair<std::string, Value>> items;
  const Value* find(std::string_view key) const;
  void set(const std::string& key, Value value);
};

struct Function {
  std::string name;
  std::function<Value(const Arguments&)> call;
};

// As Python's == has it.
bool equal(const Value& a, const Value& b, Work& work);
// str() and repr(); what a template prints is str().
std::string to_string(const Value& v, Work& work);
std::string repr(const Value& v, Work& work);
std::string float_text(double x);  // as Python prints it: 1.0, 1e-05

// How json.dumps writes a value.
struct JsonStyle {
  bool ascii = false, sorted = false;
  std::optional<std::string> indent{};  // of a level; none: all on one line
  std::string between = ", ", colon = ": ";
};
std::string to_json(const Value& v, const JsonStyle& style, Work& work);

// Any JSON text as a value, keys in its order. Error(input) as parse_json has it.
Value from_json(std::string_view text, const std::string& where);

}  // namespace hone::jinja
