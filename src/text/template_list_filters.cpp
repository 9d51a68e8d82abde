// Filters that go over items.
#include <algorithm>

#include "text/template_filters.hpp"
#include "text/template_strings.hpp"

namespace hone::jinja {
namespace {

using Items = std::vector<Value>;

std::vector<std::string_view> parted(std::string_view s, char by) {
  std::vector<std::string_view> all;
  for (std::size_t at = s.find(by); at != std::string_view::npos; at = s.find(by)) {
    all.push_back(s.substr(0, at));
    s.remove_prefix(at + 1);
  }
  all.push_back(s);
  return all;
}

// attribute="function.name", or a number: items of items.
Value looked_up(Runtime& r, const Value& v, const Value& path, const Value* otherwise = nullptr) {
  if (!path.string()) return item(r, v, path);
  Value at = v;
  for (const std::string_view part : parted(*path.string(), '.')) {
    std::int64_t index = 0;
    const bool number =
        !part.empty() && part.size() < 10 && part.find_first_not_of("0123456789") == part.npos;
    for (const char c : number ? part : "") index = 10 * index + (c - '0');
    at = item(r, at, number ? Value(index) : Value(part));
    if (at.is_undefined() && otherwise && !otherwise->is_none())
      at = *otherwise;  // of which the rest is asked
  }
  return at;
}

Value without_case(const Value& v) { return v.string() ? Value(lower(*v.string())) : v; }

Value join(Runtime& r, const Value& v, const Arguments& given) {
  const Bound a(r, "join", given, {"d", "attribute"});
  const std::string by = a[0] ? to_string(*a[0], r.work) : "";
  std::string out;
  bool first = true;
  for (const Value& each : items_of(r, v)) {
    if (!first) out += by;
    first = false;
    r.work.spend(by.size());
    out += to_string(a[1] && !a[1]->is_none() ? looked_up(r, each, *a[1]) : each, r.work);
  }
  return out;
}

Value edge(Runtime& r, const Value& v, bool first) {
  const Items all = items_of(r, v);
  if (all.empty())
    return Value::undefined(std::string("No ") + (first ? "first" : "last") + " item, sequence was empty.");
  return first ? all.front() : all.back();
}

Value map(Runtime& r, const Value& v, const Arguments& given) {
  Items out;
  if (given.positional.empty()) {
    const Bound a(r, "map", given, {"attribute", "default"});
    for (const Value& each : items_of(r, v)) out.push_back(looked_up(r, each, a.required(0), a[1]));
    return Value::list(std::move(out));
  }
  if (!given.positional.front().string()) r.work.fail("map() wants a filter's name, or attribute=");
  const Arguments rest{{given.positional.begin() + 1, given.positional.end()}, given.named};
  for (const Value& each : items_of(r, v))
    out.push_back(apply_filter(r, *given.positional.front().string(), each, rest));
  return Value::list(std::move(out));
}

// Those of which a test holds; of an attribute where `by_attribute`.
Value chosen(Runtime& r, const Value& v, const Arguments& given, bool by_attribute, bool keep) {
  const auto& p = given.positional;
  const std::size_t own = by_attribute ? 1 : 0;
  if (p.size() < own) r.work.fail("the filter wants an attribute");
  if (p.size() > own && !p[own].string()) r.work.fail("the filter wants a test's name");
  const std::size_t used = std::min(p.size(), own + 1);
  const Arguments rest{{p.begin() + static_cast<std::ptrdiff_t>(used), p.end()}, given.named};
  Items out;
  for (const Value& each : items_of(r, v)) {
    const Value asked = by_attribute ? looked_up(r, each, p[0]) : each;
    const bool holds = p.size() > own ? apply_test(r, *p[own].string(), asked, rest) : asked.truth();
    if (holds == keep) out.push_back(each);
  }
  return Value::list(std::move(out));
}

// Keys that sort, one for each item.
Items keys_of(Runtime& r, const Items& all, const Value* attribute, bool case_sensitive) {
  Items keys;
  const auto key_of = [&](const Value& v) { return case_sensitive ? v : without_case(v); };
  for (const Value& each : all) {
    if (!attribute || attribute->is_none()) {
      keys.push_back(key_of(each));
    } else if (!attribute->string()) {
      keys.push_back(key_of(looked_up(r, each, *attribute)));
    } else {
      Items several;
      for (const std::string_view part : parted(*attribute->string(), ','))
        several.push_back(key_of(looked_up(r, each, Value(part))));
      keys.push_back(several.size() == 1 ? several.front() : Value::list(std::move(several)));
    }
  }
  return keys;
}

// Stable, in either direction, as Python's sorted(): a merge by hand, since an order that templates make need
// not be one.
Items sorted(Runtime& r, const Items& all, const Items& keys, bool reverse) {
  std::vector<std::size_t> order(all.size()), other(all.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto second_first = [&](std::size_t a, std::size_t b) {
    return reverse ? less(r, keys[a], keys[b]) : less(r, keys[b], keys[a]);
  };
  for (std::size_t run = 1; run < order.size(); run *= 2) {
    for (std::size_t begin = 0; begin < order.size(); begin += 2 * run) {
      const std::size_t middle = std::min(begin + run, order.size()),
                        end = std::min(begin + 2 * run, order.size());
      for (std::size_t a = begin, b = middle, to = begin; to < end; ++to)
        other[to] = a == middle || (b < end && second_first(order[a], order[b])) ? order[b++] : order[a++];
    }
    order.swap(other);
  }
  Items out;
  for (const std::size_t i : order) out.push_back(all[i]);
  return out;
}

Value sort(Runtime& r, const Value& v, const Arguments& given) {
  const Bound a(r, "sort", given, {"reverse", "case_sensitive", "attribute"});
  const Items all = items_of(r, v);
  return Value::list(sorted(r, all, keys_of(r, all, a[2], a.truth(1, false)), a.truth(0, false)));
}

Value dictsort(Runtime& r, const Value& v, const Arguments& given) {
  const Bound a(r, "dictsort", given, {"case_sensitive", "by", "reverse"});
  if (!v.dict()) r.work.fail(std::string("dictsort() of a ") + v.type());
  Items pairs;
  for (const auto& [key, value] : v.dict()->items) pairs.push_back(Value::list({key, value}, true));
  const Value by(std::int64_t{a[1] && a.string(1) == "value" ? 1 : 0});
  return Value::list(sorted(r, pairs, keys_of(r, pairs, &by, a.truth(0, false)), a.truth(2, false)));
}

Value unique(Runtime& r, const Value& v, const Arguments& given) {
  const Bound a(r, "unique", given, {"case_sensitive", "attribute"});
  const Items all = items_of(r, v), keys = keys_of(r, all, a[1], a.truth(0, false));
  Items out, seen;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (std::any_of(seen.begin(), seen.end(), [&](const Value& s) { return equal(s, keys[i], r.work); }))
      continue;
    seen.push_back(keys[i]);
    out.push_back(all[i]);
  }
  return Value::list(std::move(out));
}

Value extreme(Runtime& r, const Value& v, const Arguments& given, bool most) {
  const Bound a(r, most ? "max" : "min", given, {"case_sensitive", "attribute"});
  const Items all = items_of(r, v), keys = keys_of(r, all, a[1], a.truth(0, false));
  if (all.empty()) return Value::undefined("No aggregated item, sequence was empty.");
  std::size_t best = 0;
  for (std::size_t i = 1; i < all.size(); ++i)
    if (most ? less(r, keys[best], keys[i]) : less(r, keys[i], keys[best])) best = i;
  return all[best];
}

Value sum(Runtime& r, const Value& v, const Arguments& given) {
  const Bound a(r, "sum", given, {"attribute", "start"});
  Value total = a[1] ? *a[1] : Value(0);
  for (const Value& each : items_of(r, v))
    total = apply_operator(r, "+", total, a[0] && !a[0]->is_none() ? looked_up(r, each, *a[0]) : each);
  return total;
}

Value reverse(Runtime& r, const Value& v, const Arguments&) {
  Items all = items_of(r, v);
  std::reverse(all.begin(), all.end());
  if (!v.string()) return Value::list(std::move(all));
  std::string out;
  for (const Value& c : all) out += *c.string();
  return out;
}

Value batch(Runtime& r, const Value& v, const Arguments& given) {
  const Bound a(r, "batch", given, {"linecount", "fill_with"});
  const std::int64_t most = a.integer(0, 1);
  Items out, row;
  const auto end_row = [&] { out.push_back(Value::list(std::exchange(row, {}))); };
  for (const Value& each : items_of(r, v)) {
    if (std::ssize(row) == most) end_row();
    row.push_back(each);
  }
  if (row.empty()) return Value::list(std::move(out));
  for (; a[1] && !a[1]->is_none() && std::ssize(row) < most; row.push_back(*a[1])) r.work.step();
  end_row();
  return Value::list(std::move(out));
}

// So many columns, the first ones longer by one where they do not divide.
Value slices(Runtime& r, const Value& v, const Arguments& given) {
  const Bound a(r, "slice", given, {"slices", "fill_with"});
  const Items all = items_of(r, v);
  const std::int64_t count = a.integer(0, 0);
  if (count <= 0) r.work.fail("slice() into no columns");
  Items out;
  auto from = all.begin();
  for (std::int64_t i = 0; i < count; ++i) {
    r.work.spend(sizeof(Value));
    const bool longer = i < std::ssize(all) % count;
    const auto to = from + std::ssize(all) / count + (longer ? 1 : 0);
    Items column(from, to);
    if (a[1] && !a[1]->is_none() && !longer) column.push_back(*a[1]);
    out.push_back(Value::list(std::move(column)));
    from = to;
  }
  return Value::list(std::move(out));
}

Value items(Runtime& r, const Value& v, const Arguments&) {
  Items out;
  if (!v.dict() && !v.is_undefined()) r.work.fail(std::string("items() of a ") + v.type());
  if (!v.dict()) return Value::list({});
  r.work.spend(4 * sizeof(Value) * v.dict()->items.size());
  for (const auto& [key, value] : v.dict()->items) out.push_back(Value::list({key, value}, true));
  return Value::list(std::move(out));
}

Value groupby(Runtime& r, const Value& v, const Arguments& given) {
  const Bound a(r, "groupby", given, {"attribute", "default", "case_sensitive"});
  const Items all = items_of(r, v);
  Items keys;
  for (const Value& each : all) {
    const Value key = looked_up(r, each, a.required(0), a[1]);
    keys.push_back(Value::list({a.truth(2, false) ? key : without_case(key), key, each}));
  }
  const auto plain = [](const Items& triples) {
    Items first;
    for (const Value& t : triples) first.push_back(t.list()->items[0]);
    return first;
  };
  const Items ordered = sorted(r, keys, plain(keys), false);
  Items out;
  for (std::size_t i = 0; i < ordered.size();) {
    const Items& head = ordered[i].list()->items;
    Items group;
    for (; i < ordered.size() && equal(ordered[i].list()->items[0], head[0], r.work); ++i)
      group.push_back(ordered[i].list()->items[2]);
    static constexpr std::string_view names[] = {"grouper", "list"};
    out.push_back(Value::named_tuple({head[1], Value::list(std::move(group))}, names));
  }
  return Value::list(std::move(out));
}

constexpr Filter filters[] = {
    {"batch", batch},
    {"dictsort", dictsort},
    {"first", [](Runtime& r, const Value& v, const Arguments&) { return edge(r, v, true); }},
    {"groupby", groupby},
    {"items", items},
    {"join", join},
    {"last", [](Runtime& r, const Value& v, const Arguments&) { return edge(r, v, false); }},
    {"list", [](Runtime& r, const Value& v, const Arguments&) { return Value::list(items_of(r, v)); }},
    {"map", map},
    {"max", [](Runtime& r, const Value& v, const Arguments& a) { return extreme(r, v, a, true); }},
    {"min", [](Runtime& r, const Value& v, const Arguments& a) { return extreme(r, v, a, false); }},
    {"reject", [](Runtime& r, const Value& v, const Arguments& a) { return chosen(r, v, a, false, false); }},
    {"rejectattr",
     [](Runtime& r, const Value& v, const Arguments& a) { return chosen(r, v, a, true, false); }},
    {"reverse", reverse},
    {"select", [](Runtime& r, const Value& v, const Arguments& a) { return chosen(r, v, a, false, true); }},
    {"selectattr",
     [](Runtime& r, const Value& v, const Arguments& a) { return chosen(r, v, a, true, true); }},
    {"slice", slices},
    {"sort", sort},
    {"sum", sum},
    {"unique", unique},
};

}  // namespace

std::span<const Filter> list_filters() { return filters; }

}  // namespace hone::jinja
