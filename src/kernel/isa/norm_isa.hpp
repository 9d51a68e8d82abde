// Normalisation on the rows, or the columns, of one task; see kernel/norm.hpp for the meaning.
#pragma once
#include <cstdint>

#include "kernel/element.hpp"
#include "machine/builds.hpp"

namespace hone::kernel {

struct NormRows {
  std::int64_t C;
  const float* x;
  const float* gamma;
  const float* beta;
  float epsilon;
  float offset;
  Out y;
  float* mean;
  float* rstd;
};

struct NormGradientRows {
  std::int64_t C;
  In dy;
  const float* x;
  const float* gamma;
  const float* mean;
  const float* rstd;
  float offset;
  const float* addend;
  float* dx;
};

struct NormTable {
  void (*forward)(const NormRows&, std::int64_t first_row, std::int64_t rows);
  // dx of these rows; and, unless null, dgamma[C] and dbeta[C] are set to the sums over them from zero (of a
  // norm about zero, dbeta is not touched).
  void (*gradient)(const NormGradientRows&, std::int64_t first_row, std::int64_t rows, float* dgamma,
                   float* dbeta);
  // dgamma[c] and dbeta[c] += the sums over these rows from zero, for columns [first, first + columns). The
  // same bits as gradient()'s sums.
  void (*gradient_columns)(const NormGradientRows&, std::int64_t first_row, std::int64_t rows,
                           std::int64_t first, std::int64_t columns, float* dgamma, float* dbeta);
};

HONE_BUILDS(NormTable, norm_table);

}  // namespace hone::kernel
