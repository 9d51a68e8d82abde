// Recipes: `train recipe.toml --lr 1e-4`.
#pragma once
#include <string>
#include <vector>

namespace hone::cli {

// `train recipe.toml --lr 1e-4` -> the recipe's keys as options, then those typed, which win.
std::vector<std::string> with_recipe(std::vector<std::string> arguments);

}  // namespace hone::cli
