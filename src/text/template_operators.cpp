// Operators, with Python's meaning.
#include <cmath>
#include <limits>

#include "text/template_runtime.hpp"

namespace hone::jinja {
namespace {

constexpr std::size_t value_bytes = sizeof(Value);

[[noreturn]] void refuse(Runtime& r, std::string_view op, const Value& a, const Value& b) {
  for (const Value* v : {&a, &b})
    if (v->is_undefined()) r.work.fail(*v->undefined()->what);
  r.work.fail("'" + std::string(op) + "' does not go with a " + a.type() + " and a " + b.type());
}

[[noreturn]] void refuse_zero(Runtime& r) { r.work.fail("a division by zero"); }

[[noreturn]] void refuse_large(Runtime& r) { r.work.fail("a whole number of more than 64 bits"); }

std::int64_t floor_divided(std::int64_t a, std::int64_t b) {
  const std::int64_t q = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;
}

Value of_integers(Runtime& r, char op, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  bool overflow = false;
  if (op == '+') overflow = __builtin_add_overflow(a, b, &result);
  if (op == '-') overflow = __builtin_sub_overflow(a, b, &result);
  if (op == '*') overflow = __builtin_mul_overflow(a, b, &result);
  if (op == 'f' || op == '%') {
    if (b == 0) refuse_zero(r);
    overflow = a == std::numeric_limits<std::int64_t>::min() && b == -1;
    if (!overflow) result = op == 'f' ? floor_divided(a, b) : a - b * floor_divided(a, b);
  }
  if (overflow) refuse_large(r);
  return result;
}

Value of_reals(Runtime& r, char op, double a, double b) {
  if (op == '+') return a + b;
  if (op == '-') return a - b;
  if (op == '*') return a * b;
  if (b == 0) refuse_zero(r);
  if (op == '/') return a / b;
  const double floor = std::floor(a / b);
  return op == 'f' ? floor : a - b * floor;
}

Value power(Runtime& r, const Value& a, const Value& b) {
  if (a.is_float() || b.is_float() || b.integer() < 0) {
    if (a.real() == 0 && b.real() < 0) refuse_zero(r);
    return std::pow(a.real(), b.real());
  }
  std::int64_t result = 1;
  for (std::int64_t i = b.integer(); i > 0; --i) {
    r.work.step();
    if (__builtin_mul_overflow(result, a.integer(), &result)) refuse_large(r);
  }
  return result;
}

// op: + - * / % and f for //
Value of_numbers(Runtime& r, char op, const Value& a, const Value& b) {
  const bool real = op == '/' || a.is_float() || b.is_float();
  return real ? of_reals(r, op, a.real(), b.real()) : of_integers(r, op, a.integer(), b.integer());
}

Value joined(Runtime& r, const List& a, const List& b) {
  r.work.spend(value_bytes * (a.items.size() + b.items.size()));
  std::vector<Value> items = a.items;
  items.insert(items.end(), b.items.begin(), b.items.end());
  return Value::list(std::move(items), a.tuple);
}

std::size_t times(Runtime& r, std::size_t bytes, std::int64_t count) {
  const std::size_t n = count > 0 ? static_cast<std::size_t>(count) : 0;
  std::size_t all = 0;
  if (__builtin_mul_overflow(bytes, n, &all)) all = std::numeric_limits<std::size_t>::max();
  r.work.spend(all);
  return bytes == 0 ? 0 : n;
}

Value repeated(Runtime& r, const Value& v, std::int64_t count) {
  if (const auto* s = v.string()) {
    std::string out;
    for (std::size_t i = times(r, s->size(), count); i > 0; --i) out += *s;
    return out;
  }
  std::vector<Value> items;
  const List& l = *v.list();
  for (std::size_t i = times(r, value_bytes * l.items.size(), count); i > 0; --i)
    items.insert(items.end(), l.items.begin(), l.items.end());
  return Value::list(std::move(items), l.tuple);
}

bool is_whole(const Value& v) { return v.is_bool() || v.is_integer(); }

}  // namespace

Value apply_operator(Runtime& r, std::string_view op, const Value& a, const Value& b) {
  r.work.step();
  if (op == "~") return to_string(a, r.work) + to_string(b, r.work);
  if (op == "%" && a.string()) return percent_format(r, *a.string(), b);
  if (op == "+" && a.string() && b.string()) {
    r.work.spend(a.string()->size() + b.string()->size());
    return *a.string() + *b.string();
  }
  if (op == "+" && a.list() && b.list() && a.list()->tuple == b.list()->tuple)
    return joined(r, *a.list(), *b.list());
  if (op == "*" && (a.string() || a.list()) && is_whole(b)) return repeated(r, a, b.integer());
  if (op == "*" && (b.string() || b.list()) && is_whole(a)) return repeated(r, b, a.integer());
  if (!a.is_number() || !b.is_number()) refuse(r, op, a, b);
  if (op == "**") return power(r, a, b);
  return of_numbers(r, op == "//" ? 'f' : op.front(), a, b);
}

Value apply_sign(Runtime& r, std::string_view op, const Value& v) {
  if (!v.is_number()) refuse(r, op, Value(0), v);
  return op == "-" ? of_numbers(r, '-', v.is_float() ? Value(-0.0) : Value(0), v)
                   : of_numbers(r, '+', v, Value(0));
}

bool less(Runtime& r, const Value& a, const Value& b) {
  r.work.step();
  if (a.is_number() && b.is_number())
    return a.is_float() || b.is_float() ? a.real() < b.real() : a.integer() < b.integer();
  if (a.string() && b.string()) {  // UTF-8 sorts by code points
    r.work.spend(a.string()->size());
    return *a.string() < *b.string();
  }
  if (!a.list() || !b.list() || a.list()->tuple != b.list()->tuple) refuse(r, "<", a, b);
  const auto &x = a.list()->items, &y = b.list()->items;
  for (std::size_t i = 0; i < std::min(x.size(), y.size()); ++i)
    if (!equal(x[i], y[i], r.work)) return less(r, x[i], y[i]);
  return x.size() < y.size();
}

bool contains(Runtime& r, const Value& in, const Value& what) {
  if (in.string()) {
    if (!what.string()) refuse(r, "in", what, in);
    r.work.spend(in.string()->size());
    return in.string()->find(*what.string()) != std::string::npos;
  }
  for (const Value& v : items_of(r, in))
    if (equal(v, what, r.work)) return true;
  return false;
}

bool compare(Runtime& r, std::string_view op, const Value& a, const Value& b) {
  if (op == "==") return equal(a, b, r.work);
  if (op == "!=") return !equal(a, b, r.work);
  if (op == "in") return contains(r, b, a);
  if (op == "not in") return !contains(r, b, a);
  const bool is_nan = (a.is_float() && std::isnan(a.real())) || (b.is_float() && std::isnan(b.real()));
  if (op == "<") return less(r, a, b);
  if (op == ">") return less(r, b, a);
  if (op == "<=") return !less(r, b, a) && !is_nan;
  return !less(r, a, b) && !is_nan;
}

}  // namespace hone::jinja
