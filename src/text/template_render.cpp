#include "text/template_render.hpp"

#include <algorithm>
#include <optional>

#include "text/template_evaluate.hpp"
#include "text/template_globals.hpp"

namespace hone::jinja {
namespace {

using Kind = Statement::Kind;
enum class Flow { onward, break_loop, continue_loop };

class Renderer {
 public:
  Renderer(Work& work, std::int64_t time) : r_{work, time} {}

  RenderedText text(const Statements& statements, const Variables& variables) {
    const auto globals = std::make_shared<Scope>();
    add_globals(*globals, r_, rings_);
    const auto scope = within(globals);
    for (const auto& [name, value] : variables) scope->set(name, value);
    run(statements, scope, root_.text);
    return std::move(root_);
  }

 private:
  static ScopePtr within(const ScopePtr& scope) { return std::make_shared<Scope>(Scope{scope}); }

  Flow run(const Statements& statements, const ScopePtr& scope, std::string& out) {
    const Deeper deeper(r_.depth, r_.work, deepest_calls);
    for (const Statement& s : statements)
      if (const Flow flow = run(s, scope, out); flow != Flow::onward) return flow;
    return Flow::onward;
  }

  Flow run(const Statement& s, const ScopePtr& scope, std::string& out) {
    r_.work.step();
    r_.work.at(s.offset);
    switch (s.kind) {
      case Kind::data:
        write(out, s.text);
        break;
      case Kind::output:
        write(out, to_string(evaluate(r_, *s.expression, scope), r_.work));
        break;
      case Kind::set:
        assign(s.target, evaluate(r_, *s.expression, scope), scope);
        break;
      case Kind::set_block:
        set_block(s, scope);
        break;
      case Kind::loop:
        loop(s, scope, out);
        break;
      case Kind::condition:
        return condition(&s, scope, out);
      case Kind::macro:
        define(s, scope);
        break;
      case Kind::call:
        call_block(s, scope, out);
        break;
      case Kind::filter:
        write(out, to_string(filtered(s, scope), r_.work));
        break;
      case Kind::with:
        return with(s, scope, out);
      case Kind::generation:
        return generation(s, scope, out);
      case Kind::break_loop:
        return Flow::break_loop;
      case Kind::continue_loop:
        return Flow::continue_loop;
    }
    return Flow::onward;
  }

  void write(std::string& out, std::string_view text) {
    r_.work.spend(text.size());
    out += text;
  }

  // A body's text.
  std::string captured(const Statements& body, const ScopePtr& scope) {
    std::string out;
    run(body, within(scope), out);
    return out;
  }

  Value filtered(const Statement& s, const ScopePtr& scope) {
    Value block(captured(s.body, scope));
    return s.expression ? evaluate_filters(r_, *s.expression, std::move(block), scope) : block;
  }

  void assign(const Target& t, const Value& value, const ScopePtr& scope) {
    if (!t.member.empty()) {
      const Value* ns = scope->find(t.name);
      if (!ns || !ns->names()) r_.work.fail("'" + t.name + "' is no namespace, so it has no members to set");
      ns->names()->set(t.member, value);
    } else if (!t.unpacks) {
      scope->set(t.name, value);
    } else {
      unpack(t.parts, value, scope);
    }
  }

  void unpack(const std::vector<Target>& parts, const Value& value, const ScopePtr& scope) {
    const std::vector<Value> items = items_of(r_, value);
    if (items.size() != parts.size())
      r_.work.fail("there are " + std::to_string(parts.size()) + " names for " +
                   std::to_string(items.size()) + " values");
    for (std::size_t i = 0; i < items.size(); ++i) assign(parts[i], items[i], scope);
  }

  void set_block(const Statement& s, const ScopePtr& scope) { assign(s.target, filtered(s, scope), scope); }

  Flow condition(const Statement* s, const ScopePtr& scope, std::string& out) {
    for (;;) {  // a chain of elif
      if (evaluate(r_, *s->expression, scope).truth()) return run(s->body, scope, out);
      const bool elif = s->otherwise.size() == 1 && s->otherwise.front().kind == Kind::condition;
      if (!elif) return run(s->otherwise, scope, out);
      s = &s->otherwise.front();
    }
  }

  std::vector<Value> items(const Statement& s, const ScopePtr& scope) {
    std::vector<Value> all = items_of(r_, evaluate(r_, *s.expression, scope));
    if (!s.condition) return all;
    std::vector<Value> kept;
    for (Value& item : all) {
      const ScopePtr inner = within(scope);
      assign(s.target, item, inner);
      if (evaluate(r_, *s.condition, inner).truth()) kept.push_back(std::move(item));
    }
    return kept;
  }

  void loop(const Statement& s, const ScopePtr& scope, std::string& out) {
    const std::vector<Value> all = items(s, scope);
    if (all.empty()) {
      run(s.otherwise, within(scope), out);
      return;
    }
    const auto last_seen = std::make_shared<std::optional<Value>>();
    for (std::size_t i = 0; i < all.size(); ++i) {
      const ScopePtr inner = within(scope);
      inner->set("loop", loop_value(all, i, last_seen));
      assign(s.target, all[i], inner);
      if (run(s.body, inner, out) == Flow::break_loop) break;
    }
  }

  Value loop_value(const std::vector<Value>& all, std::size_t i,
                   const std::shared_ptr<std::optional<Value>>& last_seen) {
    const auto at = static_cast<std::int64_t>(i), size = std::ssize(all);
    const auto beside = [&](bool there, std::int64_t step, const char* what) {
      return there ? all[static_cast<std::size_t>(at + step)] : Value::undefined(what);
    };
    return Value::dict(
        {{"index", at + 1},
         {"index0", at},
         {"revindex", size - at},
         {"revindex0", size - at - 1},
         {"first", at == 0},
         {"last", at + 1 == size},
         {"length", size},
         {"previtem", beside(at > 0, -1, "there is no previous item")},
         {"nextitem", beside(at + 1 < size, 1, "there is no next item")},
         {"depth", 1},
         {"depth0", 0},
         {"cycle", function("cycle", [this, at](const Arguments& a) { return cycled(a, at); })},
         {"changed", function("changed", [this, last_seen](const Arguments& a) {
            return changed(*last_seen, Value::list(a.positional, true));
          })}});
  }

  Value cycled(const Arguments& a, std::int64_t at) {
    if (a.positional.empty()) r_.work.fail("cycle() of nothing");
    return a.positional[static_cast<std::size_t>(at % std::ssize(a.positional))];
  }

  Value changed(std::optional<Value>& last, const Value& now) {
    const bool same = last && equal(*last, now, r_.work);
    last = now;
    return !same;
  }

  void define(const Statement& s, const ScopePtr& scope) {
    rings_.add(scope);
    scope->set(s.text,
               function(s.text, [this, &s, scope](const Arguments& a) { return expand(s, a, scope); }));
  }

  // A macro's or call block's body with its parameters; what is too much goes to varargs and kwargs.
  Value expand(const Statement& s, const Arguments& given, const ScopePtr& scope) {
    const ScopePtr inner = within(scope);
    const auto& parameters = s.parameters;
    std::vector<Value> more;
    std::vector<std::pair<Value, Value>> more_named;
    if (s.takes_caller) inner->set("caller", Value::undefined("No caller defined"));  // not that of others
    for (const auto& [name, standard] : parameters)
      inner->set(name, Value::undefined("parameter '" + name + "' was not provided"));
    for (std::size_t i = 0; i < given.positional.size(); ++i)
      if (i < parameters.size())
        inner->set(parameters[i].first, given.positional[i]);
      else
        more.push_back(given.positional[i]);
    for (const auto& [name, value] : given.named) {
      const auto at = std::ranges::find(parameters, name, [](const auto& p) { return p.first; });
      const bool open = at != parameters.end() && at - parameters.begin() >= std::ssize(given.positional);
      if (open || (name == "caller" && s.takes_caller))
        inner->set(name, value);
      else
        more_named.emplace_back(Value(name), value);
    }
    require_taken(s, more.size(), more_named);
    for (const auto& [name, standard] : parameters)
      if (standard && inner->find(name)->is_undefined()) inner->set(name, evaluate(r_, *standard, inner));
    inner->set("varargs", Value::list(std::move(more), true));
    inner->set("kwargs", Value::dict(std::move(more_named)));
    std::string out;
    run(s.body, inner, out);
    return out;
  }

  void require_taken(const Statement& s, std::size_t more,
                     const std::vector<std::pair<Value, Value>>& more_named) {
    const std::string who = s.kind == Kind::macro ? "macro '" + s.text + "'" : "the {% call %} block";
    if (more > 0 && !s.takes_more)
      r_.work.fail(who + " takes at most " + std::to_string(s.parameters.size()) + " arguments, found " +
                   std::to_string(s.parameters.size() + more));
    if (!more_named.empty() && !s.takes_more_named)
      r_.work.fail(who + " has no argument '" + *more_named.front().first.string() + "' left");
  }

  void call_block(const Statement& s, const ScopePtr& scope, std::string& out) {
    const Expression& e = *s.expression;
    const Value callee = evaluate(r_, *e.parts[0], scope);
    Arguments given = evaluate_arguments(r_, e.arguments, scope);
    given.named.emplace_back(
        "caller", function("caller", [this, &s, scope](const Arguments& a) { return expand(s, a, scope); }));
    r_.work.at(e.offset);
    write(out, to_string(call(r_, callee, given), r_.work));
  }

  Flow with(const Statement& s, const ScopePtr& scope, std::string& out) {
    const ScopePtr inner = within(scope);
    for (const auto& [name, value] : s.parameters) inner->set(name, evaluate(r_, *value, scope));
    return run(s.body, inner, out);
  }

  Flow generation(const Statement& s, const ScopePtr& scope, std::string& out) {
    const std::size_t begin = out.size();
    const Flow flow = run(s.body, within(scope), out);
    if (&out == &root_.text) root_.generated.emplace_back(begin, out.size());
    return flow;
  }

  Rings rings_;
  Runtime r_;
  RenderedText root_;
};

}  // namespace

RenderedText render(const Statements& statements, const Variables& variables, std::int64_t time, Work& work) {
  return Renderer(work, time).text(statements, variables);
}

}  // namespace hone::jinja
