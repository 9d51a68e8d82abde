// A chat template as it was read: statements over expressions.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "text/template_value.hpp"

namespace hone::jinja {

struct Expression;
using ExpressionPtr = std::unique_ptr<const Expression>;

// Of a call, a filter or a test.
struct Argument {
  enum class Kind : std::uint8_t { positional, named, spread, spread_named };  // f(x, name=x, *x, **x)
  Kind kind = Kind::positional;
  std::string name{};
  ExpressionPtr value;
};

struct Expression {
  enum class Kind : std::uint8_t {
    constant,
    name,
    list,       // of parts
    tuple,      // of parts
    dict,       // key, value, key, value
    attribute,  // parts[0].text
    item,       // parts[0][parts[1]]
    slice,      // parts[0][parts[1] : parts[2] : parts[3]], each of which may be none
    call,       // parts[0](arguments)
    filter,     // parts[0] | text(arguments); no part: of a block
    test,       // parts[0] is text(arguments)
    unary,      // text: "not", "-", "+"
    binary,     // parts[0] names[0] parts[1] names[1] parts[2] .., from left to right; operators, "and", "or"
    compare,    // the same of comparisons, all of which must hold
    ternary,    // parts[1] if parts[0] else parts[2], which may be none
  };
  Kind kind = Kind::constant;
  std::uint32_t offset = 0;  // into the source
  std::string text{};
  Value constant{};
  std::vector<ExpressionPtr> parts{};
  std::vector<std::string> names{};
  std::vector<Argument> arguments{};
};

// What {% set %} and {% for %} assign to: a name, a namespace's member, or several of these, to which a tuple
// is unpacked.
struct Target {
  std::string name{}, member{};  // of namespace `name`
  bool unpacks = false;          // {% for (x,) in .. %} too
  std::vector<Target> parts{};
};

struct Statement;
using Statements = std::vector<Statement>;

struct Statement {
  enum class Kind : std::uint8_t {
    data,        // text
    output,      // expression
    set,         // target = expression
    set_block,   // target = body, through the filter in `expression`, if there is one
    loop,        // for target in expression if condition: body, else otherwise
    condition,   // if expression: body, else otherwise
    macro,       // text(parameters): body
    call,        // expression, a call, with caller(parameters): body
    filter,      // expression, filters over the body
    with,        // parameters = their values: body
    generation,  // body, marked as what a model writes
    break_loop,
    continue_loop,
  };
  Kind kind = Kind::data;
  std::uint32_t offset = 0;
  std::string text{};
  ExpressionPtr expression{}, condition{};
  Target target{};
  std::vector<std::pair<std::string, ExpressionPtr>> parameters{};  // with their defaults, which may be none
  Statements body{}, otherwise{};
  // Of a macro or call block: does its body speak of arguments beyond its parameters, and of its caller?
  bool takes_more = false, takes_more_named = false, takes_caller = false;
};

}  // namespace hone::jinja
