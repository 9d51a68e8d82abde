#include "cli/arguments.hpp"

#include <fmt/format.h>

#include <toml++/toml.h>
#include <algorithm>
#include <filesystem>
#include <optional>

#include "hone/error.hpp"
#include "hone/nearest.hpp"

namespace hone::cli {
namespace {

std::string place(const std::string& path, const toml::source_position& at) {
  return at.line ? fmt::format("{}, line {}", path, at.line) : path;
}

std::string expected_of(ValueKind kind) {
  constexpr const char* expected[] = {"true or false", "a text", "a whole number", "a number"};
  return expected[static_cast<int>(kind)];
}

std::string found_in(const toml::node& node) {
  if (node.is_string()) return "a text";
  if (node.is_integer()) return "a whole number";
  if (node.is_floating_point()) return "a number with a point or an exponent";
  return node.is_boolean() ? "true or false" : "a date or time";
}

// The value as it would be typed; none where it has another type.
std::optional<std::string> value_text(const toml::node& node, ValueKind kind) {
  if (kind == ValueKind::text) return node.value_exact<std::string>();
  if (const auto truth = node.value_exact<bool>(); truth && kind == ValueKind::flag)
    return *truth ? "true" : "false";
  if (const auto whole = node.value_exact<std::int64_t>(); whole && kind != ValueKind::flag)
    return std::to_string(*whole);
  if (const auto real = node.value_exact<double>(); real && kind == ValueKind::real)
    return fmt::format("{}", *real);
  return std::nullopt;
}

class Recipes {
 public:
  explicit Recipes(const OptionKinds& options) : options_(options) {}

  void read(const std::string& path) {
    if (std::filesystem::is_directory(path))
      throw Error(ErrorKind::input, {.what = "a recipe is a TOML file", .where = path, .found = "a folder"});
    paths_.push_back(path);
    std::map<std::string, std::string> places;  // in this file, by option: min_lr and min-lr are one
    try {
      for (const auto& [key, node] : toml::parse_file(path)) {
        const std::string where = place(path, key.source().begin);
        if (node.is_table() || node.is_array())
          throw Error(ErrorKind::input,
                      {.what = fmt::format("a recipe holds options only, and '{}' is none", key.str()),
                       .where = where,
                       .expected = "a number, a text, true or false"});
        const std::string option = option_of(key.str(), where);
        if (const auto [at, fresh] = places.try_emplace(option, where); !fresh)
          throw Error(ErrorKind::input, {.what = fmt::format("'{}' is given twice", key.str()),
                                         .where = where,
                                         .expected = "each option once",
                                         .found = "it at " + at->second + " too"});
        const ValueKind kind = options_.at(option);
        const auto value = value_text(node, kind);
        if (!value)
          throw Error(ErrorKind::input, {.what = fmt::format("'{}' has a value of another type", key.str()),
                                         .where = where,
                                         .expected = expected_of(kind),
                                         .found = found_in(node)});
        values_[option] = *value;
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
    Arguments all{{command}, origin_, {}};
    if (paths_.size() > 1)
      all.notes.push_back(
          fmt::format("several recipes: {}; of keys that are in more than one, the last counts",
                      fmt::join(paths_, ", ")));
    for (const auto& [option, value] : values_) all.words.push_back(fmt::format("{}={}", option, value));
    all.words.insert(all.words.end(), typed.begin(), typed.end());
    return all;
  }

 private:
  std::string option_of(std::string_view key, const std::string& where) const {
    std::string option = fmt::format("--{}", key);
    std::replace(option.begin(), option.end(), '_', '-');
    std::vector<std::string> known;
    for (const auto& each : options_)
      if (each.first.starts_with("--") && each.first != "--recipe") known.push_back(each.first);
    if (std::find(known.begin(), known.end(), option) != known.end()) return option;
    const std::string near = nearest(option, known);
    throw Error(ErrorKind::input, {.what = fmt::format("unknown key '{}'", key),
                                   .where = where,
                                   .hint = near.empty() ? "keys are the command's options"
                                                        : "did you mean " + near.substr(2) + "?"});
  }

  const OptionKinds& options_;
  std::vector<std::string> paths_;
  std::map<std::string, std::string> values_, origin_;  // by option
};

}  // namespace

Arguments with_recipes(const std::vector<std::string>& typed, const OptionKinds& options) {
  if (!options.contains("--recipe")) return {typed, {}, {}};
  const auto takes_value = [&](const std::string& word) {
    const auto option = options.find(word);
    return option != options.end() && option->second != ValueKind::flag;
  };
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
      if (takes_value(word) && more) rest.push_back(typed[++i]);  // `--data text.toml`
    }
  }
  return recipes.before(typed[0], rest);
}

}  // namespace hone::cli
