#include "cli/arguments.hpp"

#include <fmt/format.h>

#include <toml++/toml.h>
#include <algorithm>
#include <cfloat>
#include <charconv>
#include <cmath>
#include <type_traits>

#include "cli/terminal.hpp"
#include "hone/error.hpp"
#include "hone/nearest.hpp"

namespace hone::cli {
namespace {

bool is_among(const std::string& word, const std::vector<std::string>& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string place(const std::string& path, const toml::source_position& at) {
  return at.line ? fmt::format("{}, line {}", path, at.line) : path;
}

std::string value_text(const toml::node& node, std::string_view key, const std::string& where) {
  if (const auto s = node.value_exact<std::string>()) return *s;
  if (const auto i = node.value_exact<std::int64_t>()) return std::to_string(*i);
  if (const auto d = node.value_exact<double>()) return fmt::format("{}", *d);
  if (const auto b = node.value_exact<bool>()) return *b ? "true" : "false";
  throw Error(ErrorKind::input, {.what = fmt::format("a recipe holds options only, and '{}' is none", key),
                                 .where = where,
                                 .expected = "a number, a text, true or false"});
}

class Recipes {
 public:
  explicit Recipes(const OptionNames& options) : options_(options) {}

  void read(const std::string& path) {
    try {
      for (const auto& [key, node] : toml::parse_file(path)) {
        const std::string where = place(path, key.source().begin);
        const std::string value = value_text(node, key.str(), where);
        const std::string option = option_of(key.str(), where);
        values_[option] = value;
        origin_[option] = where;
      }
    } catch (const toml::parse_error& e) {
      const auto& at = e.source().begin;
      const std::string column = at.line ? fmt::format(", column {}", at.column) : "";
      throw Error(ErrorKind::input,
                  {.what = std::string(e.description()), .where = place(path, at) + column});
    }
  }

  // The command and, of the recipes, what is not among the words typed behind it; then those.
  Arguments before(const std::string& command, const std::vector<std::string>& typed) {
    for (const std::string& word : typed) {
      const std::string option = word.substr(0, word.find('='));
      values_.erase(option);
      origin_.erase(option);
    }
    Arguments all{{command}, origin_};
    for (const auto& [option, value] : values_) all.words.push_back(fmt::format("{}={}", option, value));
    all.words.insert(all.words.end(), typed.begin(), typed.end());
    return all;
  }

 private:
  std::string option_of(std::string_view key, const std::string& where) const {
    std::string option = fmt::format("--{}", key);
    std::replace(option.begin(), option.end(), '_', '-');
    std::vector<std::string> known = options_.valued;
    known.insert(known.end(), options_.flags.begin(), options_.flags.end());
    std::erase_if(known, [](const auto& o) { return o == "--recipe" || o == "--help" || o[1] != '-'; });
    if (is_among(option, known)) return option;
    const std::string near = nearest(option, known);
    throw Error(ErrorKind::input, {.what = fmt::format("unknown key '{}'", key),
                                   .where = where,
                                   .hint = near.empty() ? "keys are the command's options"
                                                        : "did you mean " + near.substr(2) + "?"});
  }

  const OptionNames& options_;
  std::map<std::string, std::string> values_, origin_;  // by option
};

}  // namespace

Arguments with_recipes(const std::vector<std::string>& typed, const OptionNames& options) {
  if (!is_among("--recipe", options.valued)) return {typed, {}};
  Recipes recipes(options);
  std::vector<std::string> rest;
  for (std::size_t i = 1; i < typed.size(); ++i) {
    const std::string& word = typed[i];
    const bool more = i + 1 < typed.size();
    if (word == "--recipe" && more) {
      recipes.read(typed[++i]);
    } else if (word.starts_with("--recipe=")) {
      recipes.read(word.substr(word.find('=') + 1));
    } else if (word.ends_with(".toml") && !word.starts_with("-")) {
      recipes.read(word);
    } else {
      rest.push_back(word);
      if (is_among(word, options.valued) && more) rest.push_back(typed[++i]);  // `--data text.toml`
    }
  }
  return recipes.before(typed[0], rest);
}

OptionNames option_names(const CLI::App& app, const std::string& command) {
  OptionNames names;
  for (const CLI::App* c : app.get_subcommands({})) {
    if (c->get_name() != command) continue;
    for (const CLI::Option* o : c->get_options()) {
      auto& list = o->get_items_expected_max() > 0 ? names.valued : names.flags;
      for (const std::string& n : o->get_lnames()) list.push_back("--" + n);
      for (const std::string& n : o->get_snames()) list.push_back("-" + n);
    }
  }
  return names;
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

std::vector<std::string> long_names(const CLI::App& command) {
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

std::string explain(const CLI::App& app, const CLI::ParseError& error, const Arguments& arguments) {
  const CLI::App& command = chosen(app);
  const std::string help = " (see hone " + (&command == &app ? "" : command.get_name() + " ") + "--help)";
  const auto extras = command.remaining();
  const auto all = extras.empty() ? app.remaining() : extras;
  if (!all.empty()) {
    const std::string word = all.front().substr(0, all.front().find('='));
    const bool option = word.starts_with("-");
    const auto near = nearest(word, option ? long_names(command) : command_names(command));
    return fmt::format("unknown {} '{}'{}",
                       option             ? "option"
                       : &command == &app ? "command"
                                          : "argument",
                       word, near.empty() ? help : "; did you mean " + near + "?");
  }
  const std::string what = error.what();
  for (const auto& [option, where] : arguments.origin) {
    const auto at = what.find(option);
    const auto end = at + option.size();
    if (at != std::string::npos && (end == what.size() || what[end] == ' ' || what[end] == ':'))
      return where + ": " + what + help;
  }
  return what + help;
}

}  // namespace hone::cli
