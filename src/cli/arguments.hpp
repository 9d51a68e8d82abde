// The command line before and after the parser: recipes, and what to say of a mistake.
#pragma once
#include <CLI/CLI.hpp>
#include <map>
#include <string>
#include <vector>

namespace hone::cli {

struct Arguments {
  std::vector<std::string> words;             // a command, its recipes' keys as options, then what was typed
  std::map<std::string, std::string> origin;  // "--lr" -> "recipe.toml, line 3", of those from a recipe
};

// Has every option that takes a number check it first: the parser alone takes 010 for eight, -1 for a large
// seed, and what is too large for the largest there is.
void check_numbers(CLI::App& app);

// Says of those of the options that were given that they do nothing, `because`.
void note_without_effect(const CLI::App& command, std::initializer_list<const char*> options,
                         const std::string& because);

// What a command takes: "--lr", "-n" that stand before a value, and "--json" that stands alone.
struct OptionNames {
  std::vector<std::string> valued, flags;
};
OptionNames option_names(const CLI::App& app, const std::string& command);  // none for an unknown command

// A recipe is a NAME.toml among the words of a command that has --recipe, wherever it stands, or follows
// --recipe. What was typed wins over it, and a later recipe over an earlier one. Error(input) for what is no
// TOML, and for a key that is no option, with the nearest that is.
Arguments with_recipes(const std::vector<std::string>& typed, const OptionNames& options);

// A parser's complaint, with the nearest command or option that exists, and the recipe that it comes from.
std::string explain(const CLI::App& app, const CLI::ParseError& error, const Arguments& arguments);

}  // namespace hone::cli
