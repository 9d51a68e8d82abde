#include "train/step_options.hpp"

#include <cmath>
#include <map>

#include "base/number.hpp"
#include "optimizer/update_op.hpp"

namespace hone {
namespace {

// By the names that records have for them. `scalars` may say again what a member says, but not otherwise.
std::map<std::string, float> given(const StepOptions& o) {
  std::map<std::string, float> values = o.scalars;
  values.try_emplace("lr", o.lr);
  const auto add = [&](const char* name, const std::optional<float>& value) {
    if (value) values.try_emplace(name, *value);
  };
  add("beta1", o.beta1), add("beta2", o.beta2), add("epsilon", o.epsilon);
  add("weight_decay", o.weight_decay), add("momentum", o.momentum);
  return values;
}

void refuse_twice(const StepOptions& o, const std::string& where) {
  StepOptions members = o;
  members.scalars.clear();
  for (const auto& [name, value] : given(members))
    if (const auto again = o.scalars.find(name); again != o.scalars.end() && again->second != value)
      throw Error(ErrorKind::usage, {.what = "a number of the optimizer is given twice",
                                     .where = where + name,
                                     .expected = to_text(value) + ", as the member has it",
                                     .found = to_text(again->second) + " in scalars",
                                     .hint = "nothing was changed"});
}

void require(bool good, const std::string& where, const std::string& expected, float found) {
  if (!good || !std::isfinite(found))
    throw Error(ErrorKind::usage, {.what = "impossible value",
                                   .where = where,
                                   .expected = expected,
                                   .found = to_text(found),
                                   .hint = "nothing was changed"});
}

}  // namespace

void check_step_options(const StepOptions& o, const OptimizerRecord& optimizer, const std::string& where) {
  require(o.clip >= 0, where + "clip", "0 (none) or more, finite", o.clip);
  refuse_twice(o, where);
  if (o.adamw_lr) require(*o.adamw_lr >= 0, where + "adamw_lr", scalar::lr.range, *o.adamw_lr);
  auto values = given(o);
  const auto all = values;
  for (const OptimizerRecord* record = &optimizer; record; record = record->others)
    for (const OptimizerScalar& s : record->scalars) {
      const auto value = all.find(s.name);
      if (value == all.end()) continue;
      require(s.good(value->second), where + s.name, s.range, value->second);
      values.erase(s.name);
    }
  if (o.adamw_lr && !optimizer.others_rate) values["adamw_lr"] = *o.adamw_lr;
  if (!values.empty())
    throw Error(ErrorKind::usage,
                {.what = "the optimizer " + std::string(optimizer.name) + " has no " + values.begin()->first,
                 .where = where + values.begin()->first,
                 .hint = "leave it out; nothing was changed"});
}

std::vector<float> scalars_of(const StepOptions& o, const OptimizerRecord& chosen,
                              const OptimizerRecord& record) {
  auto values = given(o);
  if (&record != &chosen && o.adamw_lr) values["lr"] = *o.adamw_lr;
  std::vector<float> scalars;
  for (const OptimizerScalar& s : record.scalars) {
    const auto value = values.find(s.name);
    scalars.push_back(value == values.end() ? s.standard : value->second);
  }
  return scalars;
}

}  // namespace hone
