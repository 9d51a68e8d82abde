// Names and what they stand for, while a template runs.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/template_value.hpp"

namespace hone::jinja {

struct Scope {
  std::shared_ptr<Scope> parent;
  std::vector<std::pair<std::string, Value>> names{};

  void set(const std::string& name, Value value) {
    for (auto& [n, v] : names)
      if (n == name) {
        v = std::move(value);
        return;
      }
    names.emplace_back(name, std::move(value));
  }

  const Value* find(std::string_view name) const {
    for (const Scope* s = this; s; s = s->parent.get())
      for (const auto& [n, v] : s->names)
        if (n == name) return &v;
    return nullptr;
  }
};

using ScopePtr = std::shared_ptr<Scope>;

// Macros know the scope that knows them, and a namespace may hold itself: what makes such rings is kept here,
// and opened when the template has run.
class Rings {
 public:
  ~Rings() {
    for (const ScopePtr& s : scopes_) s->names.clear();
    for (const auto& n : namespaces_) n->items.clear();
  }
  void add(const ScopePtr& scope) { scopes_.push_back(scope); }
  void add(const std::shared_ptr<Namespace>& names) { namespaces_.push_back(names); }

 private:
  std::vector<ScopePtr> scopes_;
  std::vector<std::shared_ptr<Namespace>> namespaces_;
};

}  // namespace hone::jinja
