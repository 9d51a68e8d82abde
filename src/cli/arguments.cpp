#include "cli/arguments.hpp"

#include <fmt/format.h>

#include <toml++/toml.h>
#include <algorithm>

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

}  // namespace hone::cli
