#include "pass/low_rank.hpp"

#include "ir/rewrite.hpp"
#include "op/ops.hpp"
#include "pass/beside.hpp"
#include "pass/lora.hpp"

namespace hone {
namespace {

using In = op::LinearInputs;

ParameterSpec factor_spec(const ParameterSpec& whole, const std::string& name, const Shape& shape) {
  ParameterSpec spec = whole;
  spec.name = name, spec.shape = shape, spec.transposed = false;
  return spec;
}

// W's tensor becomes U's, so that who reads it reads that.
void become(TensorDef& weight, const ParameterSpec& spec) {
  weight.name = spec.name;
  weight.type.shape = spec.shape;
  weight.strides = contiguous_strides(spec.shape);
  weight.parameter = std::make_shared<const ParameterSpec>(spec);
}

}  // namespace

std::string low_rank_u_name(const std::string& module) { return module + ".u.weight"; }
std::string low_rank_v_name(const std::string& module) { return module + ".v.weight"; }

void factorize(Program& p, const Ranks& ranks) {
  struct Factors {
    TensorId whole, v;
  };
  std::map<std::string, Factors> factors;
  Rewrite edit(p);
  for (std::size_t n = 0; n < edit.size(); ++n) {
    const std::string module = module_of(p, edit[n]);
    const auto rank = ranks.find(module);
    if (rank == ranks.end()) continue;
    const TensorId whole = edit[n].inputs[In::weight];
    const ParameterSpec spec = *p[whole].parameter;
    Factors& f = factors[module];
    if (!f.v)
      f = {whole,
           add_parameter(p, factor_spec(spec, low_rank_v_name(module), {rank->second, spec.shape[1]}))};
    const std::string name = edit[n].name + ".v", scope = edit[n].scope;
    const TensorId low =
        edit.insert(n, op::linear, {edit[n].inputs[In::x], f.v}, op::LinearAttributes{}, name)[0];
    edit.inserted().scope = scope;
    edit[n].inputs[In::x] = low;
  }
  for (const auto& [module, f] : factors) {
    const ParameterSpec spec = *p[f.whole].parameter;
    become(p[f.whole], factor_spec(spec, low_rank_u_name(module), {spec.shape[0], ranks.at(module)}));
  }
  edit.finish();
}

std::string correction_u_name(const std::string& module) { return module + ".weight.u"; }
std::string correction_v_name(const std::string& module) { return module + ".weight.v"; }

void correct(Program& p, const Ranks& ranks) {
  std::map<std::string, std::pair<TensorId, TensorId>> factors;  // V and U; a product may be used twice
  Rewrite edit(p);
  for (std::size_t n = 0; n < edit.size(); ++n) {
    const std::string module = module_of(p, edit[n]);
    const auto rank = ranks.find(module);
    if (rank == ranks.end()) continue;
    auto& [v, u] = factors[module];
    if (!v) {
      const ParameterSpec spec = *p[edit[n].inputs[In::weight]].parameter;
      ParameterSpec last = factor_spec(spec, correction_u_name(module), {spec.shape[0], rank->second});
      last.init = zeros();  // of a fresh model it adds nothing
      v = add_parameter(p, factor_spec(spec, correction_v_name(module), {rank->second, spec.shape[1]}));
      u = add_parameter(p, last);
    }
    const Beside beside{.x = edit[n].inputs[In::x],
                        .v = v,
                        .u = u,
                        .v_name = ".correction_v",
                        .u_name = ".correction_u",
                        .sum_name = ".corrected"};
    add_beside(p, edit, n, beside);
  }
  edit.finish();
}

}  // namespace hone
