#include "text/template_value.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/utf8.hpp"
#include "text/template_strings.hpp"

namespace hone::jinja {

Value Value::undefined(std::string what) {
  return Value(Holds(Undefined{std::make_shared<const std::string>(std::move(what))}));
}

Value Value::list(std::vector<Value> items, bool tuple) {
  int depth = 1;
  for (const Value& item : items) depth = std::max(depth, 1 + item.depth());
  return Value(Holds(std::make_shared<const List>(List{std::move(items), tuple, depth})));
}

Value Value::named_tuple(std::vector<Value> items, std::span<const std::string_view> names) {
  const Value plain = list(std::move(items), true);
  List named = *plain.list();
  named.names = names;
  return Value(Holds(std::make_shared<const List>(std::move(named))));
}

Value Value::dict(std::vector<std::pair<Value, Value>> items) {
  int depth = 1;
  for (const auto& [key, value] : items) depth = std::max(depth, 1 + std::max(key.depth(), value.depth()));
  return Value(Holds(std::make_shared<const Dict>(Dict{std::move(items), depth})));
}

std::int64_t Value::integer() const {
  return is_bool() ? (std::get<bool>(holds_) ? 1 : 0) : std::get<std::int64_t>(holds_);
}

double Value::real() const { return is_float() ? std::get<double>(holds_) : static_cast<double>(integer()); }

bool Value::truth() const {
  if (is_number()) return real() != 0;
  if (const auto* s = string()) return !s->empty();
  if (const auto* l = list()) return !l->items.empty();
  if (const auto* d = dict()) return !d->items.empty();
  return names() || function();
}

const char* Value::type() const {
  constexpr std::array names{"undefined", "None", "bool", "int",       "float",
                             "str",       "list", "dict", "Namespace", "function"};
  return list() && list()->tuple ? "tuple" : names[holds_.index()];
}

int Value::depth() const { return list() ? list()->depth : dict() ? dict()->depth : 0; }

const Value* Dict::find(std::string_view key) const {
  for (const auto& [name, value] : items)
    if (const auto* s = name.string(); s && *s == key) return &value;
  return nullptr;
}

const Value* Namespace::find(std::string_view key) const {
  for (const auto& [name, value] : items)
    if (name == key) return &value;
  return nullptr;
}

void Namespace::set(const std::string& key, Value value) {
  for (auto& [name, old] : items)
    if (name == key) {
      old = std::move(value);
      return;
    }
  items.emplace_back(key, std::move(value));
}

namespace {

bool equal_lists(const List& a, const List& b, Work& work) {
  if (a.tuple != b.tuple || a.items.size() != b.items.size()) return false;
  for (std::size_t i = 0; i < a.items.size(); ++i)
    if (!equal(a.items[i], b.items[i], work)) return false;
  return true;
}

bool equal_dicts(const Dict& a, const Dict& b, Work& work) {
  if (a.items.size() != b.items.size()) return false;
  for (const auto& [key, value] : a.items) {
    const auto same = std::find_if(b.items.begin(), b.items.end(), [&, &key = key](const auto& item) {
      return equal(item.first, key, work);
    });
    if (same == b.items.end() || !equal(value, same->second, work)) return false;
  }
  return true;
}

}  // namespace

bool equal(const Value& a, const Value& b, Work& work) {
  work.step();
  if (a.is_number() && b.is_number())
    return a.is_float() || b.is_float() ? a.real() == b.real() : a.integer() == b.integer();
  if (a.holds().index() != b.holds().index()) return false;
  if (const auto* s = a.string()) {
    work.spend(s->size());
    return *s == *b.string();
  }
  if (const auto* l = a.list()) return equal_lists(*l, *b.list(), work);
  if (const auto* d = a.dict()) return equal_dicts(*d, *b.dict(), work);
  if (a.names()) return a.names() == b.names();
  return !a.function() || a.function() == b.function();
}

// Shortest digits that read back, laid out by Python's rule: a point where the exponent is -4 to 15.
std::string float_text(double x) {
  if (std::isnan(x)) return "nan";
  if (std::isinf(x)) return x > 0 ? "inf" : "-inf";
  std::array<char, 32> buffer{};
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), x, std::chars_format::scientific);
  const std::string_view text(buffer.data(), end.ptr);
  const std::size_t e = text.find('e');
  int exponent = 0;
  const std::string_view power = text.substr(text[e + 1] == '+' ? e + 2 : e + 1);
  std::from_chars(power.data(), power.data() + power.size(), exponent);
  if (exponent < -4 || exponent >= 16) return std::string(text);  // two digits of exponent in both
  const auto fixed = std::to_chars(buffer.data(), buffer.data() + buffer.size(), x, std::chars_format::fixed);
  std::string whole(buffer.data(), fixed.ptr);
  return whole.find('.') == std::string::npos ? whole + ".0" : whole;
}

namespace {

void add_repr(std::string& out, const Value& v, int depth, Work& work);

template <class Items, class Each>
void add_all(std::string& out, const Items& items, char open, char close, const Each& each) {
  out += open;
  bool first = true;
  for (const auto& item : items) {
    if (!first) out += ", ";
    first = false;
    each(item);
  }
  out += close;
}

void add_pair(std::string& out, const Value& key, const Value& value, int depth, Work& work) {
  add_repr(out, key, depth, work);
  out += ": ";
  add_repr(out, value, depth, work);
}

void add_repr(std::string& out, const Value& v, int depth, Work& work) {
  const Deeper deeper(depth, work);
  const std::size_t before = out.size();
  if (const auto* s = v.string()) {
    out += quoted(*s);
  } else if (const auto* l = v.list()) {
    add_all(out, l->items, l->tuple ? '(' : '[', l->tuple ? ')' : ']',
            [&](const Value& item) { add_repr(out, item, depth, work); });
    if (l->tuple && l->items.size() == 1) out.insert(out.size() - 1, ",");
  } else if (const auto* d = v.dict()) {
    add_all(out, d->items, '{', '}',
            [&](const auto& item) { add_pair(out, item.first, item.second, depth, work); });
  } else if (const auto* n = v.names()) {
    out += "<Namespace ";
    add_all(out, n->items, '{', '}',
            [&](const auto& item) { add_pair(out, Value(item.first), item.second, depth, work); });
    out += '>';
  } else if (v.is_undefined()) {
    out += "Undefined";
  } else if (const auto* f = v.function()) {
    out += "<function " + f->name + ">";
  } else {
    out += to_string(v, work);
  }
  work.spend(16 + out.size() - before);
}

}  // namespace

std::string repr(const Value& v, Work& work) {
  std::string out;
  add_repr(out, v, 0, work);
  return out;
}

std::string to_string(const Value& v, Work& work) {
  if (const auto* s = v.string()) {
    work.spend(s->size());
    return *s;
  }
  if (v.is_undefined()) return {};
  if (v.is_none()) return "None";
  if (v.is_bool()) return v.integer() ? "True" : "False";
  if (v.is_integer()) return std::to_string(v.integer());
  if (v.is_float()) return float_text(v.real());
  return repr(v, work);
}

}  // namespace hone::jinja
