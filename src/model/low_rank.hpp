// Models some of whose products are of low rank: their folders hold two tensors for each of those weights,
// MODULE.u.weight [out,rank] and MODULE.v.weight [rank,in], and config.json has the ranks, by modules, as
// "low_rank".
#pragma once
#include <nlohmann/json_fwd.hpp>

#include "hone/model.hpp"
#include "pass/low_rank.hpp"

namespace hone {

inline constexpr const char* low_rank_key = "low_rank";

// That key of a config, which is taken out of it; none where it lacks it. Error(input) for other values.
Ranks take_ranks(nlohmann::json& config, const std::string& where);
Ranks ranks_of(const Model& model);
// The model with factors in place of those weights, and the ranks in its config. Error(input) for a module
// that no product has, and for a rank that is not 1 to the smaller side of its weight.
Model with_ranks(const Model& model, const Ranks& ranks, const std::string& where);
// The model that computes the same from whole weights: products of the factors, in f32.
Model multiplied_out(const Model& model);

}  // namespace hone
