// Recipes: `train recipe.toml --lr 1e-4`.
#pragma once
#include <map>
#include <string>
#include <vector>

namespace hone::cli {

struct Arguments {
  std::vector<std::string> words;             // a command, its recipes' keys as options, then what was typed
  std::map<std::string, std::string> origin;  // "--lr" -> "recipe.toml, line 3", of those from a recipe
  std::vector<std::string> notes;             // for the person who typed
};

// What an option takes; a flag stands alone.
enum class ValueKind { flag, text, whole, real };
using OptionKinds = std::map<std::string, ValueKind>;  // of "--lr", "-n"

// A recipe is a NAME.toml among the words of a command that has --recipe, wherever it stands, or follows
// --recipe. What was typed wins over it, and a later recipe over an earlier one. Error(input) for what is no
// TOML, for a key that is no option, with the nearest that is, and for a value of another type.
Arguments with_recipes(const std::vector<std::string>& typed, const OptionKinds& options);

}  // namespace hone::cli
