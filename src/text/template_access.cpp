// Members, items and slices of values, and what a loop goes over.
#include <algorithm>

#include "hone/nearest.hpp"
#include "text/template_runtime.hpp"
#include "text/template_strings.hpp"

namespace hone::jinja {

std::vector<Value> items_of(Runtime& r, const Value& v) {
  std::vector<Value> all;
  if (const auto* l = v.list()) {
    all = l->items;
  } else if (const auto* d = v.dict()) {
    for (const auto& item : d->items) all.push_back(item.first);
  } else if (const auto* s = v.string()) {
    r.work.spend(64 * s->size());
    for (const std::string_view c : characters(*s)) all.emplace_back(c);
  } else if (!v.is_undefined()) {
    r.work.fail(std::string("a ") + v.type() + " has no items to go over");
  }
  r.work.spend(sizeof(Value) * all.size());
  return all;
}

std::int64_t size_of(Runtime& r, const Value& v) {
  if (const auto* s = v.string()) {
    r.work.spend(16 * s->size());
    return length(*s);
  }
  if (v.list()) return std::ssize(v.list()->items);
  if (v.dict()) return std::ssize(v.dict()->items);
  if (v.is_undefined()) return 0;
  r.work.fail(std::string("a ") + v.type() + " has no length");
}

namespace {

[[noreturn]] void refuse_undefined(Runtime& r, const Value& of) { r.work.fail(*of.undefined()->what); }

Value missing(const Value& of, const std::string& name) {
  return Value::undefined(std::string("'") + of.type() + " object' has no attribute '" + name + "'");
}

Value found_or_missing(const Value* found, const Value& of, const std::string& name) {
  return found ? *found : missing(of, name);
}

Value in_list(const List& l, const Value& of, std::int64_t at) {
  const auto size = std::ssize(l.items);
  if (at < -size || at >= size) return missing(of, std::to_string(at));
  return l.items[static_cast<std::size_t>(at < 0 ? at + size : at)];
}

Value in_string(Runtime& r, const std::string& s, const Value& of, std::int64_t at) {
  r.work.spend(16 * s.size());
  const auto all = characters(s);
  const auto size = std::ssize(all);
  if (at < -size || at >= size) return missing(of, std::to_string(at));
  return Value(all[static_cast<std::size_t>(at < 0 ? at + size : at)]);
}

}  // namespace

Value attribute(Runtime& r, const Value& of, const std::string& name) {
  r.work.step();
  if (of.is_undefined()) refuse_undefined(r, of);
  if (const auto* n = of.names()) return found_or_missing(n->find(name), of, name);
  if (const auto* l = of.list())
    for (std::size_t i = 0; i < l->names.size(); ++i)
      if (l->names[i] == name) return l->items[i];
  if (Value m = method(r, of, name); m.function()) return m;
  if (const auto* d = of.dict()) {
    r.work.spend(16 * d->items.size());
    return found_or_missing(d->find(name), of, name);
  }
  return missing(of, name);
}

Value item(Runtime& r, const Value& of, const Value& key) {
  r.work.step();
  if (of.is_undefined()) refuse_undefined(r, of);
  if (const auto* d = of.dict())
    for (const auto& [k, value] : d->items)
      if (equal(k, key, r.work)) return value;
  const bool whole = key.is_integer() || key.is_bool();
  if (of.list() && whole) return in_list(*of.list(), of, key.integer());
  if (of.string() && whole) return in_string(r, *of.string(), of, key.integer());
  if (key.string()) return attribute(r, of, *key.string());
  return missing(of, to_string(key, r.work));
}

namespace {

struct Range {
  std::int64_t first, last, step;  // `last` is not included
};

std::int64_t bound(Runtime& r, const Value& v, std::int64_t otherwise, std::int64_t least, std::int64_t most,
                   std::int64_t size) {
  if (v.is_none()) return otherwise;
  if (!v.is_integer() && !v.is_bool()) r.work.fail("a slice wants whole numbers");
  const std::int64_t at = v.integer();
  return std::clamp(at < 0 ? std::max(at, -size - 1) + size : std::min(at, size), least, most);
}

// As Python's slice.indices() has it.
Range range_of(Runtime& r, std::int64_t size, const Value& first, const Value& last, const Value& step) {
  if (!step.is_none() && !step.is_integer() && !step.is_bool()) r.work.fail("a slice wants whole numbers");
  const std::int64_t by = step.is_none() ? 1 : std::clamp<std::int64_t>(step.integer(), -size - 1, size + 1);
  if (by == 0) r.work.fail("a slice's step is zero");
  const std::int64_t least = by > 0 ? 0 : -1, most = by > 0 ? size : size - 1;
  return {bound(r, first, by > 0 ? least : most, least, most, size),
          bound(r, last, by > 0 ? most : least, least, most, size), by};
}

template <class Take>
void each_of(const Range& range, const Take& take) {
  for (std::int64_t i = range.first; range.step > 0 ? i < range.last : i > range.last; i += range.step)
    take(static_cast<std::size_t>(i));
}

}  // namespace

Value slice(Runtime& r, const Value& of, const Value& first, const Value& last, const Value& step) {
  r.work.step();
  if (const auto* s = of.string()) {
    r.work.spend(16 * s->size());
    const auto all = characters(*s);
    std::string out;
    each_of(range_of(r, std::ssize(all), first, last, step), [&](std::size_t i) { out += all[i]; });
    return out;
  }
  if (of.is_undefined()) return Value::list({});
  if (!of.list()) r.work.fail(std::string("a ") + of.type() + " has no slices");
  const auto& all = of.list()->items;
  r.work.spend(sizeof(Value) * all.size());
  std::vector<Value> items;
  each_of(range_of(r, std::ssize(all), first, last, step), [&](std::size_t i) { items.push_back(all[i]); });
  return Value::list(std::move(items), of.list()->tuple);
}

Bound::Bound(Runtime& runtime, std::string_view function, const Arguments& given,
             std::initializer_list<std::string_view> names)
    : runtime_(runtime), function_(function), names_(names), values_(names.size()) {
  if (given.positional.size() > names_.size())
    runtime.work.fail(function_ + "() takes at most " + std::to_string(names_.size()) + " arguments, found " +
                      std::to_string(given.positional.size()));
  for (std::size_t i = 0; i < given.positional.size(); ++i) values_[i] = &given.positional[i];
  for (const auto& [name, value] : given.named) {
    const auto found = std::find(names_.begin(), names_.end(), name);
    if (found == names_.end()) runtime.work.fail(function_ + "() has no argument '" + name + "'");
    values_[static_cast<std::size_t>(found - names_.begin())] = &value;
  }
}

void Bound::fail(std::size_t i, const char* expected) const {
  runtime_.work.fail(function_ + "() wants " + expected + " for '" + std::string(names_[i]) + "'" +
                     (values_[i] ? std::string(", found a ") + values_[i]->type() : ""));
}

const Value& Bound::required(std::size_t i) const {
  if (!values_[i]) fail(i, "a value");
  return *values_[i];
}

std::string_view Bound::string(std::size_t i) const {
  if (!values_[i] || !values_[i]->string()) fail(i, "a string");
  return *values_[i]->string();
}

std::int64_t Bound::integer(std::size_t i, std::int64_t otherwise) const {
  if (!values_[i] || values_[i]->is_none()) return otherwise;
  if (!values_[i]->is_integer() && !values_[i]->is_bool()) fail(i, "a whole number");
  return values_[i]->integer();
}

}  // namespace hone::jinja
