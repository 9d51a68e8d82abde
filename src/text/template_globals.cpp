#include "text/template_globals.hpp"

#include <ctime>
#include <iomanip>
#include <locale>
#include <memory>
#include <sstream>
#include <utility>

namespace hone::jinja {
namespace {

Value range(Runtime& r, const Arguments& given) {
  const Bound a(r, "range", given, {"start", "stop", "step"});
  const std::int64_t step = a.integer(2, 1);
  const bool one = given.positional.size() == 1;
  const std::int64_t first = one ? 0 : a.integer(0, 0), last = one ? a.integer(0, 0) : a.integer(1, 0);
  if (step == 0) r.work.fail("range() with a step of zero");
  std::vector<Value> all;
  for (std::int64_t i = first; step > 0 ? i < last : i > last;) {
    r.work.spend(sizeof(Value));
    all.emplace_back(i);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return Value::list(std::move(all));
}

std::vector<std::pair<std::string, Value>> members(Runtime& r, const char* of, const Arguments& given) {
  std::vector<std::pair<std::string, Value>> all;
  if (given.positional.size() > 1) r.work.fail(std::string(of) + "() takes at most one dict");
  for (const Value& from : given.positional) {
    if (!from.dict()) r.work.fail(std::string(of) + "() of a " + from.type());
    for (const auto& [key, value] : from.dict()->items) all.emplace_back(to_string(key, r.work), value);
  }
  all.insert(all.end(), given.named.begin(), given.named.end());
  r.work.spend(sizeof(Value) * all.size());
  return all;
}

Value make_dict(Runtime& r, const Arguments& given) {
  std::vector<std::pair<Value, Value>> items;
  for (auto& [name, value] : members(r, "dict", given)) items.emplace_back(Value(name), std::move(value));
  return Value::dict(std::move(items));
}

Value make_namespace(Runtime& r, Rings& rings, const Arguments& given) {
  auto names = std::make_shared<Namespace>();
  for (auto& [name, value] : members(r, "namespace", given)) names->set(name, std::move(value));
  rings.add(names);
  return Value(Value::Holds(std::move(names)));
}

// Nothing at first, then the separator.
Value make_joiner(Runtime& r, const Arguments& given) {
  const Bound a(r, "joiner", given, {"sep"});
  const auto used = std::make_shared<bool>(false);
  return function("joiner", [used, by = a[0] ? *a[0] : Value(", ")](const Arguments&) {
    return std::exchange(*used, true) ? by : Value("");
  });
}

// next() gives `current` and goes on to the value behind it, round and round.
Value make_cycler(Runtime& r, Rings& rings, const Arguments& given) {
  if (given.positional.empty() || !given.named.empty()) r.work.fail("cycler() wants values to go round");
  auto names = std::make_shared<Namespace>();
  const auto go_to = [all = given.positional, at = std::make_shared<std::size_t>(0), names](bool onward) {
    Value before = all[*at];
    *at = onward ? (*at + 1) % all.size() : 0;
    names->set("current", all[*at]);
    return before;
  };
  names->set("current", given.positional.front());
  names->set("next", function("next", [go_to](const Arguments&) { return go_to(true); }));
  names->set("reset", function("reset", [go_to](const Arguments&) { return go_to(false), Value(); }));
  rings.add(names);  // its methods know it
  return Value(Value::Holds(std::move(names)));
}

[[noreturn]] void raise(Runtime& r, const Arguments& given) {
  const std::string why = given.positional.empty() ? "" : ": " + to_string(given.positional.front(), r.work);
  r.work.fail("the chat template refuses the conversation" + why);
}

// In English, whatever the host's locale.
Value strftime_now(Runtime& r, const Arguments& given) {
  const Bound a(r, "strftime_now", given, {"format"});
  const auto seconds = static_cast<std::time_t>(r.time);
  std::tm local{};
  ::localtime_r(&seconds, &local);
  std::ostringstream out;
  out.imbue(std::locale::classic());
  out << std::put_time(&local, std::string(a.string(0)).c_str());
  return out.str();
}

}  // namespace

Value function(std::string name, std::function<Value(const Arguments&)> call) {
  return Value(Value::Holds(std::make_shared<const Function>(Function{std::move(name), std::move(call)})));
}

void add_globals(Scope& scope, Runtime& r, Rings& rings) {
  const auto add = [&](const char* name, std::function<Value(const Arguments&)> call) {
    scope.set(name, function(name, std::move(call)));
  };
  add("range", [&r](const Arguments& a) { return range(r, a); });
  add("dict", [&r](const Arguments& a) { return make_dict(r, a); });
  add("namespace", [&r, &rings](const Arguments& a) { return make_namespace(r, rings, a); });
  add("joiner", [&r](const Arguments& a) { return make_joiner(r, a); });
  add("cycler", [&r, &rings](const Arguments& a) { return make_cycler(r, rings, a); });
  add("raise_exception", [&r](const Arguments& a) -> Value { raise(r, a); });
  add("strftime_now", [&r](const Arguments& a) { return strftime_now(r, a); });
}

}  // namespace hone::jinja
