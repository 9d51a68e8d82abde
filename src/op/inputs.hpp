// The names of programs' inputs. All begin with '$', and no weight's name does (Builder::parameter refuses
// it), so a weight may well be called "positions". What an input means stands in its definition
// (ir/program.hpp).
#pragma once
#include <string>
#include <string_view>

namespace hone::input {

inline constexpr const char* tokens = "$tokens";
inline constexpr const char* positions = "$positions";
inline constexpr const char* labels = "$labels";
inline constexpr const char* loss_scale = "$loss_scale";
inline constexpr const char* step = "$step";
inline constexpr const char* hyper = "$hyper";
inline constexpr const char* clip = "$clip";
inline constexpr const char* scaled_by = "$scaled_by";
inline constexpr const char* cache_table = "$cache_table";
inline constexpr const char* cache_lengths = "$cache_lengths";

inline std::string named(std::string_view name) { return "$" + std::string(name); }

}  // namespace hone::input
