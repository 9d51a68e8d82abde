// MODEL --adapter DIR, as the commands that only read a model take it.
#pragma once
#include <string>

#include "cli/command.hpp"
#include "hone/model.hpp"

namespace hone::cli {

void add_adapter(Command& command, std::string& adapter);
// The model, with an adapter where one is named; says what is worth knowing of its files.
Model open_model(const std::string& model, const std::string& adapter);

}  // namespace hone::cli
