#pragma once
#include "text/template_runtime.hpp"
#include "text/template_scope.hpp"
#include "text/template_tree.hpp"

namespace hone::jinja {

Value evaluate(Runtime& runtime, const Expression& expression, const ScopePtr& scope);
// Of a call, filter or test.
Arguments evaluate_arguments(Runtime& runtime, const std::vector<Argument>& arguments, const ScopePtr& scope);
Value call(Runtime& runtime, const Value& function, const Arguments& arguments);
// Filters over a block's text; `chain` ends in one without a part.
Value evaluate_filters(Runtime& runtime, const Expression& chain, Value block, const ScopePtr& scope);

}  // namespace hone::jinja
