// What reading a config.json is to every family: values by key, and the keys that belong to none: what
// Transformers' PreTrainedConfig has, or had, and what its tools leave there.
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

// A note that names them, where there are some.
void note_unknown_keys(const char* family, const nlohmann::json& config,
                       std::span<const std::string_view> known, const std::string& where,
                       std::vector<std::string>& notes);

// The value of a key as every family reads it; Error(input) that names the key where it is something else.
std::int64_t positive_key(const nlohmann::json& config, const char* key, const std::string& where);
// The same, or `missing` where the key is absent or null.
std::int64_t optional_size_key(const nlohmann::json& config, const char* key, std::int64_t missing,
                               const std::string& where);
// 0 or more.
std::int64_t optional_count_key(const nlohmann::json& config, const char* key, std::int64_t missing,
                                const std::string& where);
// 0 <= value < below; `missing` where there is none.
float fraction_key(const nlohmann::json& config, const char* key, double missing, double below,
                   const std::string& where);
// Above 0; `missing` where the key is absent or null.
float positive_number_key(const nlohmann::json& config, const char* key, float missing,
                          const std::string& where);
bool flag_key(const nlohmann::json& config, const char* key, bool missing, const std::string& where);

}  // namespace hone
