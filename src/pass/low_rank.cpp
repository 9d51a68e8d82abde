#include "pass/low_rank.hpp"

#include "ir/rewrite.hpp"
#include "op/ops.hpp"
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

}  // namespace hone
