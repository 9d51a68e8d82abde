#include "train/qat.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "model/coded_matrices.hpp"
#include "model/model_impl.hpp"

namespace hone {
namespace {

void require(bool good, const char* option, const char* what, const std::string& expected,
             const std::string& found) {
  if (!good)
    throw Error(ErrorKind::usage, {.what = what, .where = option, .expected = expected, .found = found});
}

bool has_codes(int bits) { return bits == 2 || bits == 3 || bits == 4 || bits == 8; }

}  // namespace

void decide_qat(const Model& model, TrainPlanOptions& o) {
  if (!o.qat) return;
  QatOptions& q = *o.qat;
  require(has_codes(q.bits), "qat_bits", "there are no such codes", "2, 3, 4 or 8", std::to_string(q.bits));
  require(q.table_bits == 0 || has_codes(q.table_bits), "qat_table_bits", "there are no such codes",
          "0, 2, 3, 4 or 8", std::to_string(q.table_bits));
  require(q.group >= 1 || q.group == -1, "qat_group", "no group of weights",
          "1 or more, or -1 for a whole row", std::to_string(q.group));
  require(!model.impl().adapter && !model.impl().frozen_base, "qat_bits",
          "it trains the weights that will be codes", "the model itself trained",
          "an adapter or corrections");
  require(o.master == Precision::f32 && std::ranges::count(o.allow, "master") == 0, "qat_bits",
          "the weights behind the codes are kept in f32", "master f32", "bf16");
  if (!q.symmetric) q.symmetric = o.keep_zeros;
}

RoundedWeights rounded_weights(const Model& model, const TrainPlanOptions& o) {
  RoundedWeights rounded;
  if (!o.qat) return rounded;
  for (const MatrixWeight& matrix : matrices_of(model)) {
    const int bits = matrix.table ? o.qat->table_bits : o.qat->bits;
    if (bits == 0) continue;
    const auto grid =
        grid_of(bits, matrix.columns, {.group = o.qat->group, .symmetric = o.qat->symmetric.value_or(false)});
    rounded[matrix.name] = {.bits = grid->bits, .group = grid->group, .symmetric = grid->symmetric};
  }
  return rounded;
}

std::string quantize_options(const QatOptions& q) {
  return fmt::format("--bits {} --group {} --table-bits {}{}", q.bits, q.group, q.table_bits,
                     q.symmetric.value_or(false) ? " --symmetric" : "");
}

}  // namespace hone
