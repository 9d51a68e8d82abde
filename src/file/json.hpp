// JSON in, with errors that a person can act on: the file, the line and column, what was expected.
//
//   const nlohmann::json config = read_json("model/config.json");
//   const std::int64_t heads = json_integer(config, "n_head", "model/config.json");
#pragma once
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace hone {

// `where` opens every message. Refused: bytes that are not UTF-8, a key given twice, nesting beyond 64 (no
// format that hone reads needs it, and whoever walks the value may recurse).
nlohmann::json parse_json(std::string_view text, const std::string& where);
nlohmann::json read_json(const std::string& path);

// A member that must be there and of that type.
const nlohmann::json& json_member(const nlohmann::json& object, const char* key, const std::string& where);
std::int64_t json_integer(const nlohmann::json& object, const char* key, const std::string& where);
std::string json_string(const nlohmann::json& object, const char* key, const std::string& where);

}  // namespace hone
