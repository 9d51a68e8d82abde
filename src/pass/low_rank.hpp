// Products of low rank: where the model multiplies by W [N,K], it multiplies by V [r,K] and then by U [N,r],
// in fewer numbers and operations where r (N + K) < N K. Or it does so besides, and both results are added:
// a correction of what W has lost in few bits or to zeros.
#pragma once
#include <map>
#include <string>

#include "ir/program.hpp"

namespace hone {

using Ranks = std::map<std::string, std::int64_t>;  // r by module (pass/lora.hpp)

// The names of a module's factors, in programs and files.
std::string low_rank_u_name(const std::string& module);
std::string low_rank_v_name(const std::string& module);

// On a forward program; every module must be one of linear_modules(). W is no parameter of it then. What the
// product is known by is U's.
void factorize(Program& program, const Ranks& ranks);

// The names of a corrected module's factors: components of its weight. So they are no modules themselves, and
// whatever works on those (adapters, pruning) finds the whole product.
std::string correction_u_name(const std::string& module);
std::string correction_v_name(const std::string& module);
// On a forward program; every module must be one of linear_modules().
void correct(Program& program, const Ranks& ranks);

}  // namespace hone
