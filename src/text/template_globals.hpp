#pragma once
#include "text/template_runtime.hpp"
#include "text/template_scope.hpp"

namespace hone::jinja {

Value function(std::string name, std::function<Value(const Arguments&)> call);

// What every template knows: range, dict, namespace, joiner, cycler, raise_exception, strftime_now.
void add_globals(Scope& scope, Runtime& runtime, Rings& rings);

}  // namespace hone::jinja
