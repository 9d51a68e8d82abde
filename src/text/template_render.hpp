// Runs a template: text out of values.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "text/template_tree.hpp"

namespace hone::jinja {

struct RenderedText {
  std::string text;
  // Where {% generation %} blocks stand in it, as bytes [first, second): what a model writes itself.
  std::vector<std::pair<std::size_t, std::size_t>> generated;
};

using Variables = std::vector<std::pair<std::string, Value>>;

// `time`: seconds since 1970, for strftime_now. Error(input) with line and column, also where the template
// itself refuses what it was given (raise_exception).
RenderedText render(const Statements& statements, const Variables& variables, std::int64_t time, Work& work);

}  // namespace hone::jinja
