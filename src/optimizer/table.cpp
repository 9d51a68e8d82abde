#include <algorithm>
#include <array>

#include "hone/nearest.hpp"
#include "optimizer/optimizer.hpp"

namespace hone {

std::span<const OptimizerRecord* const> optimizer_table() {
  static constexpr std::array records{&adamw_optimizer, &adamw8bit_optimizer, &adafactor_optimizer,
                                      &lion_optimizer,  &muon_optimizer,      &sgd_optimizer};
  return records;
}

const OptimizerRecord& optimizer_record(const std::string& wanted) {
  for (const OptimizerRecord* record : optimizer_table())
    if (wanted == record->name) return *record;
  throw Error(ErrorKind::usage, {.what = "unknown optimizer '" + wanted + "'",
                                 .where = "optimizer",
                                 .hint = "did you mean '" + nearest(wanted, optimizers()) + "'?"});
}

std::vector<std::string> optimizers() {
  std::vector<std::string> names;
  for (const OptimizerRecord* record : optimizer_table()) names.emplace_back(record->name);
  return names;
}

std::vector<Hyperparameter> hyperparameters(const std::string& optimizer) {
  std::vector<Hyperparameter> all;
  for (const OptimizerScalar& s : optimizer_record(optimizer).scalars)
    all.push_back({s.name, s.standard, s.meaning});
  return all;
}

}  // namespace hone
