// Recipes: `train recipe.toml --lr 1e-4`.
#pragma once
#include <map>
#include <string>
#include <vector>

namespace hone::cli {

struct Arguments {
  std::vector<std::string> words;             // a command, its recipes' keys as options, then what was typed
  std::map<std::string, std::string> origin;  // "--lr" -> "recipe.toml, line 3", of those from a recipe
};

// What a command takes: "--lr", "-n" that stand before a value, and "--json" that stands alone.
struct OptionNames {
  std::vector<std::string> valued, flags;
};

// A recipe is a NAME.toml among the words of a command that has --recipe, wherever it stands, or follows
// --recipe. What was typed wins over it, and a later recipe over an earlier one. Error(input) for what is no
// TOML, and for a key that is no option, with the nearest that is.
Arguments with_recipes(const std::vector<std::string>& typed, const OptionNames& options);

}  // namespace hone::cli
