#pragma once
#include <span>
#include <string_view>

#include "text/template_runtime.hpp"

namespace hone::jinja {

struct Filter {
  std::string_view name;
  Value (*apply)(Runtime&, const Value& of, const Arguments&);
};

std::span<const Filter> list_filters();  // template_list_filters.cpp

}  // namespace hone::jinja
