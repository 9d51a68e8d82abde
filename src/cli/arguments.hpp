// The command line before and after the parser: recipes, and what to say of a mistake.
#pragma once
#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace hone::cli {

// `train recipe.toml --lr 1e-4` -> the recipe's keys as options, then those typed, which win.
std::vector<std::string> with_recipe(std::vector<std::string> arguments);

// Has every option that takes a number check it first: the parser alone takes 010 for eight, -1 for a large
// seed, and what is too large for the largest there is.
void check_numbers(CLI::App& app);

// Says of those of the options that were given that they do nothing, `because`.
void note_without_effect(const CLI::App& command, std::initializer_list<const char*> options,
                         const std::string& because);

// A parser's complaint, with the nearest command or option that exists.
std::string explain(const CLI::App& app, const CLI::ParseError& error);

}  // namespace hone::cli
