// Expressions.
#include "text/template_evaluate.hpp"

namespace hone::jinja {
namespace {

using Kind = Expression::Kind;

class Evaluator {
 public:
  Evaluator(Runtime& r, const ScopePtr& scope) : r_(r), scope_(scope) {}

  Value of(const Expression& e) {
    const Deeper deeper(r_.depth, r_.work, deepest_calls);
    r_.work.step();
    r_.work.at(e.offset);
    Value v = by_kind(e);
    if (v.depth() > deepest) r_.work.fail("a list or dict nests too deeply");
    return v;
  }

  Arguments arguments(const std::vector<Argument>& from) {
    Arguments all;
    for (const Argument& a : from) {
      Value v = of(*a.value);
      if (a.kind == Argument::Kind::positional) {
        all.positional.push_back(std::move(v));
      } else if (a.kind == Argument::Kind::named) {
        all.named.emplace_back(a.name, std::move(v));
      } else if (a.kind == Argument::Kind::spread) {
        for (Value& each : items_of(r_, v)) all.positional.push_back(std::move(each));
      } else {
        if (!v.dict()) r_.work.fail(std::string("** wants a dict, found a ") + v.type());
        for (const auto& [key, value] : v.dict()->items)
          all.named.emplace_back(to_string(key, r_.work), value);
      }
    }
    return all;
  }

  Value filtered(const Expression& e, Value of) {
    const Arguments given = arguments(e.arguments);
    r_.work.at(e.offset);
    return apply_filter(r_, e.text, of, given);
  }

 private:
  Value by_kind(const Expression& e) {
    switch (e.kind) {
      case Kind::constant:
        return e.constant;
      case Kind::name:
        return name(e);
      case Kind::list:
      case Kind::tuple:
        return list(e);
      case Kind::dict:
        return dict(e);
      case Kind::attribute:
        return at(e, [this, &e](const Value& v) { return attribute(r_, v, e.text); });
      case Kind::item:
        return item_of(e);
      case Kind::slice:
        return slice_of(e);
      case Kind::call:
        return call_of(e);
      case Kind::filter:
        return filtered(e, of(*e.parts[0]));
      case Kind::test:
        return test(e);
      case Kind::unary:
        return unary(e);
      case Kind::binary:
        return binary(e);
      case Kind::compare:
        return comparison(e);
      case Kind::ternary:
        return ternary(e);
    }
    return {};
  }

  // Of the first part; messages then name the place of `e` itself.
  template <class F>
  Value at(const Expression& e, const F& f) {
    const Value v = of(*e.parts[0]);
    r_.work.at(e.offset);
    return f(v);
  }

  Value name(const Expression& e) {
    if (const Value* v = scope_->find(e.text)) return *v;
    return Value::undefined("'" + e.text + "' is undefined");
  }

  Value list(const Expression& e) {
    std::vector<Value> items;
    for (const auto& part : e.parts) items.push_back(of(*part));
    return Value::list(std::move(items), e.kind == Kind::tuple);
  }

  Value dict(const Expression& e) {
    std::vector<std::pair<Value, Value>> items;
    for (std::size_t i = 0; i < e.parts.size(); i += 2) {
      Value key = of(*e.parts[i]), value = of(*e.parts[i + 1]);
      bool known = false;
      for (auto& [k, v] : items)
        if (equal(k, key, r_.work)) v = value, known = true;
      if (!known) items.emplace_back(std::move(key), std::move(value));
    }
    return Value::dict(std::move(items));
  }

  Value item_of(const Expression& e) {
    const Value v = of(*e.parts[0]), key = of(*e.parts[1]);
    r_.work.at(e.offset);
    return item(r_, v, key);
  }

  Value slice_of(const Expression& e) {
    const Value v = of(*e.parts[0]);
    const auto bound = [&](std::size_t i) { return e.parts[i] ? of(*e.parts[i]) : Value(); };
    const Value first = bound(1), last = bound(2), step = bound(3);
    r_.work.at(e.offset);
    return slice(r_, v, first, last, step);
  }

  Value call_of(const Expression& e) {
    const Value f = of(*e.parts[0]);
    const Arguments given = arguments(e.arguments);
    r_.work.at(e.offset);
    return call(r_, f, given);
  }

  Value test(const Expression& e) {
    const Value v = of(*e.parts[0]);
    const Arguments given = arguments(e.arguments);
    r_.work.at(e.offset);
    return apply_test(r_, e.text, v, given);
  }

  Value unary(const Expression& e) {
    return at(e, [this, &e](const Value& v) {
      return e.text == "not" ? Value(!v.truth()) : apply_sign(r_, e.text, v);
    });
  }

  // `and` and `or` give the value that decided, as in Python.
  Value binary(const Expression& e) {
    Value v = of(*e.parts[0]);
    for (std::size_t i = 0; i < e.names.size(); ++i) {
      const std::string& op = e.names[i];
      if (op == "and" || op == "or") {
        if (v.truth() == (op == "or")) return v;
        v = of(*e.parts[i + 1]);
        continue;
      }
      const Value next = of(*e.parts[i + 1]);
      r_.work.at(e.offset);
      v = apply_operator(r_, op, v, next);
    }
    return v;
  }

  Value comparison(const Expression& e) {
    Value left = of(*e.parts[0]);
    for (std::size_t i = 0; i < e.names.size(); ++i) {
      Value right = of(*e.parts[i + 1]);
      r_.work.at(e.offset);
      if (!compare(r_, e.names[i], left, right)) return false;
      left = std::move(right);
    }
    return true;
  }

  Value ternary(const Expression& e) {
    if (of(*e.parts[0]).truth()) return of(*e.parts[1]);
    if (e.parts[2]) return of(*e.parts[2]);
    return Value::undefined("the inline if-expression evaluated to false and no else section was defined");
  }

  Runtime& r_;
  const ScopePtr& scope_;
};

}  // namespace

Value evaluate(Runtime& r, const Expression& e, const ScopePtr& scope) { return Evaluator(r, scope).of(e); }

Arguments evaluate_arguments(Runtime& r, const std::vector<Argument>& from, const ScopePtr& scope) {
  return Evaluator(r, scope).arguments(from);
}

Value call(Runtime& r, const Value& f, const Arguments& given) {
  if (f.is_undefined()) r.work.fail(*f.undefined()->what);
  if (!f.function()) r.work.fail(std::string("a ") + f.type() + " is not to be called");
  const Deeper deeper(r.depth, r.work, deepest_calls);
  return f.function()->call(given);
}

Value evaluate_filters(Runtime& r, const Expression& chain, Value block, const ScopePtr& scope) {
  Value inner =
      chain.parts[0] ? evaluate_filters(r, *chain.parts[0], std::move(block), scope) : std::move(block);
  return Evaluator(r, scope).filtered(chain, std::move(inner));
}

}  // namespace hone::jinja
