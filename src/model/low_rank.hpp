// Models some of whose products are of low rank: their folders hold two tensors for each of those weights,
// MODULE.u.weight [out,rank] and MODULE.v.weight [rank,in], and config.json has the ranks, by modules, as
// "low_rank". And models whose weights, in few bits or sparse, have corrections of low rank: two tensors
// beside each, MODULE.weight.u and MODULE.weight.v, and "corrections" in config.json. A weight is then the
// sum of what is stored under its name and their product.
#pragma once
#include <nlohmann/json_fwd.hpp>
#include <set>

#include "hone/model.hpp"
#include "pass/low_rank.hpp"

namespace hone {

inline constexpr const char *low_rank_key = "low_rank", *corrections_key = "corrections";

// That key of a config, which is taken out of it; none where it lacks it. Error(input) for other values.
Ranks take_ranks(nlohmann::json& config, const std::string& where, const char* key = low_rank_key);
Ranks ranks_of(const Model& model, const char* key = low_rank_key);
// The model with factors in place of those weights, and the ranks in its config. Error(input) for a module
// that no product has, and for a rank that is not 1 to the smaller side of its weight.
Model with_ranks(const Model& model, const Ranks& ranks, const std::string& where);
// The model with corrections beside those weights, which add nothing yet, and their ranks in its config.
// Errors as above.
Model with_corrections(const Model& model, const Ranks& ranks, const std::string& where);
// The names of the weights that corrections are made of.
std::set<std::string> correction_names(const Model& model);
// Error(input) for a model that has some: what it lost is known of the model that it was made of alone.
void require_no_corrections(const Model& model);
// The same model of which corrections alone are trained, beside all else as it is stored. Error(usage) where
// it has none.
Model with_corrections_trained(const Model& model);
// The model that computes the same from whole weights: products of the factors, and sums with corrections, in
// f32, and tables from their cores.
Model multiplied_out(const Model& model);

}  // namespace hone
