#include "cli/arguments.hpp"

#include <fmt/format.h>

#include <toml++/toml.h>
#include <cstdint>

#include "hone/error.hpp"

namespace hone::cli {
namespace {

std::string value_text(const toml::node& node, const std::string& key, const std::string& path) {
  if (const auto s = node.value_exact<std::string>()) return *s;
  if (const auto i = node.value_exact<std::int64_t>()) return std::to_string(*i);
  if (const auto d = node.value_exact<double>()) return fmt::format("{}", *d);
  if (const auto b = node.value_exact<bool>()) return *b ? "true" : "false";
  throw Error(ErrorKind::input, {.what = "a recipe holds options only",
                                 .where = path + ", key " + key,
                                 .expected = "a number, a text, true or false"});
}

}  // namespace

std::vector<std::string> with_recipe(std::vector<std::string> arguments) {
  if (arguments.size() < 2 || !arguments[1].ends_with(".toml") || arguments[1].starts_with("-"))
    return arguments;
  const std::string path = arguments[1];
  std::vector<std::string> expanded{arguments[0]};
  try {
    for (const auto& [key, node] : toml::parse_file(path)) {
      std::string option(key.str());
      for (char& c : option)
        if (c == '_') c = '-';
      expanded.push_back("--" + option + "=" + value_text(node, option, path));
    }
  } catch (const toml::parse_error& e) {
    const auto& at = e.source().begin;
    throw Error(ErrorKind::input,
                {.what = std::string(e.description()),
                 .where = at.line ? fmt::format("{}, line {}, column {}", path, at.line, at.column) : path});
  }
  expanded.insert(expanded.end(), arguments.begin() + 2, arguments.end());
  return expanded;
}

}  // namespace hone::cli
