#pragma once
#include <string_view>

#include "text/template_tree.hpp"

namespace hone::jinja {

// Of a normalized source. Error(input), with line and column, for what is no Jinja, and for statements,
// filters and tests that are not known here, by name.
Statements parse(std::string_view source, Work& work);

}  // namespace hone::jinja
