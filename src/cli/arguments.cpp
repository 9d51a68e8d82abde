#include "cli/arguments.hpp"

#include <fmt/format.h>

#include <toml++/toml.h>
#include <cfloat>
#include <charconv>
#include <cmath>
#include <sstream>
#include <type_traits>

#include "cli/terminal.hpp"
#include "hone/error.hpp"
#include "hone/nearest.hpp"

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

namespace {

// Each returns what is wrong, or nothing, as the parser wants it.
template <class Integer>
std::string check_integer(std::string& text) {
  std::string_view digits = text;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  Integer value{};
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error == std::errc::result_out_of_range) return fmt::format("{} is too large", text);
  if (error != std::errc() || end != digits.data() + digits.size())
    return fmt::format("expected a whole number{}, found '{}'", std::is_signed_v<Integer> ? "" : " from 0",
                       text);
  text = fmt::format("{}", value);  // without zeros in front
  return {};
}

std::string check_real(std::string& text) {
  std::string_view digits = text;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  const bool read = error == std::errc() && end == digits.data() + digits.size();
  if (error != std::errc::result_out_of_range && (!read || !std::isfinite(value)))
    return fmt::format("expected a finite number, found '{}'", text);
  const double size = std::abs(value);  // hone computes in f32
  if (!read || size > FLT_MAX || (size > 0 && size < static_cast<double>(FLT_TRUE_MIN)))
    return fmt::format("{} is too large or too small for a 32-bit float", text);
  return {};
}

const CLI::App& chosen(const CLI::App& app) {
  const auto commands = app.get_subcommands();
  return commands.empty() ? app : chosen(*commands.front());
}

std::vector<std::string> option_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* o : command.get_options())
    for (const std::string& n : o->get_lnames()) names.push_back("--" + n);
  return names;
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* c : app.get_subcommands({})) names.push_back(c->get_name());
  return names;
}

}  // namespace

void check_numbers(CLI::App& app) {
  for (CLI::Option* o : app.get_options()) {
    const std::string type = o->get_type_name();
    const auto is = [&](const char* name) { return type.substr(0, type.find(':')) == name; };
    if (is("INT")) o->transform(CLI::Validator(check_integer<std::int64_t>, ""));
    if (is("UINT")) o->transform(CLI::Validator(check_integer<std::uint64_t>, ""));
    if (is("FLOAT")) o->transform(CLI::Validator(check_real, ""));
  }
  for (CLI::App* command : app.get_subcommands({})) check_numbers(*command);
}

void note_without_effect(const CLI::App& command, std::initializer_list<const char*> options,
                         const std::string& because) {
  std::string given;
  for (const char* option : options)
    if (command.count(option) > 0) given += (given.empty() ? "" : ", ") + std::string(option);
  if (!given.empty()) print_notes({"without effect " + because + ": " + given});
}

std::string explain(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App& command = chosen(app);
  const std::string help = " (see hone " + (&command == &app ? "" : command.get_name() + " ") + "--help)";
  const auto extras = command.remaining();
  const auto all = extras.empty() ? app.remaining() : extras;
  if (!all.empty()) {
    const std::string word = all.front().substr(0, all.front().find('='));
    const bool option = word.starts_with("-");
    const auto near = nearest(word, option ? option_names(command) : command_names(command));
    return fmt::format("unknown {} '{}'{}",
                       option             ? "option"
                       : &command == &app ? "command"
                                          : "argument",
                       word, near.empty() ? help : "; did you mean " + near + "?");
  }
  return std::string(error.what()) + help;
}

}  // namespace hone::cli
