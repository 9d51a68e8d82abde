// The keys of a config.json that belong to no family: what Transformers' PreTrainedConfig has, or had, and
// what its tools leave there.
#pragma once
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hone {

[[noreturn]] void refuse_key(const std::string& where, const std::string& key, const std::string& expected,
                             const std::string& found);

// Error(input) for a key that makes the model another function than its family's: pruned heads, weights that
// are quantized, another half that it attends to.
void refuse_other_functions(const nlohmann::json& config, const std::string& where);

// The keys that neither the family (`known`) nor Transformers has: nobody reads them.
std::vector<std::string> unknown_keys(const nlohmann::json& config, std::span<const std::string_view> known);

}  // namespace hone
