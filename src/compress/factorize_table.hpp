// hone factorize of tables of ids: methods tensor-train and table-svd.
#pragma once
#include <string>

#include "hone/factorize.hpp"

namespace hone {

inline constexpr const char *train_method = "tensor-train", *table_svd_method = "table-svd";

// Error(input) for weights in blocks, which have no factors.
void require_factors(const Model& model, const std::string& weight);

Factorized factorize_tables(const Model& model, const FactorizeOptions& options);

}  // namespace hone
