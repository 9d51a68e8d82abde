#include <map>

#include "ir/rewrite.hpp"
#include "ir/values.hpp"
#include "kernel/coded_product.hpp"
#include "op/ops.hpp"
#include "pass/derived.hpp"
#include "pass/passes.hpp"

namespace hone {
namespace {

using op::CodedLinearInputs;
using op::LinearInputs;

// Does it read a weight that has panels, rows of it that begin one?
bool is_coded(const Program& p, const Node& node) {
  if (node.op != &op::linear) return false;
  const TensorDef& weight = p[node.inputs[LinearInputs::weight]];
  return weight.role == Role::parameter && weight.alias == Alias::none && is_blocks(weight.type.dtype) &&
         kernel::has_panels(element_of(weight.type.dtype)) &&
         node.attributes.as<op::LinearAttributes>().rows.first % kernel::panel_rows == 0;
}

class Coder {
 public:
  explicit Coder(Program& program) : p_(program), rewrite_(program) {}

  void run() {
    for (std::size_t n = 0; n < rewrite_.size(); ++n)
      if (is_coded(p_, rewrite_[n])) code(n);
    rewrite_.finish();
  }

 private:
  void code(std::size_t n) {
    const Node linear = rewrite_[n];
    const auto a = linear.attributes.as<op::LinearAttributes>();
    const TensorId weight = linear.inputs[LinearInputs::weight];
    const op::CodedLinearAttributes coded{.activation = a.activation,
                                          .dtype = a.dtype,
                                          .weight = p_[weight].type.dtype,
                                          .columns = p_[weight].type.shape[0],
                                          .rows = a.rows};
    const std::vector<TensorId> x = rows(n, linear.inputs[LinearInputs::x]);
    const TensorId panels = panels_of(n, weight);
    Node& node = rewrite_[n];
    node.op = &op::coded_linear;
    node.attributes = coded;
    node.inputs = {
        x[0], x[1], x[2], panels, linear.inputs[LinearInputs::bias], linear.inputs[LinearInputs::residual]};
  }

  // Products of one x share its codes.
  std::vector<TensorId> rows(std::size_t n, TensorId x) {
    std::vector<TensorId>& codes = rows_[x.value];
    if (codes.empty()) {
      codes = rewrite_.insert(n, op::code_rows, {x}, NoAttributes{}, p_[x].name + ".codes");
      rewrite_.inserted().scope = rewrite_[n].scope;
    }
    return codes;
  }

  TensorId panels_of(std::size_t n, TensorId weight) {
    TensorId& panels = panels_[weight.value];
    if (panels) return panels;
    const std::string source = p_[weight].name;
    panels = rewrite_.insert(n, op::pack_panels, {weight}, NoAttributes{}, source)[0];
    rewrite_.inserted().phase = Phase::prepare;
    rewrite_.inserted().scope = rewrite_[n].scope;
    set_derived(p_[panels], source, source + ".panels");
    return panels;
  }

  Program& p_;
  Rewrite rewrite_;
  std::map<std::int32_t, std::vector<TensorId>> rows_;
  std::map<std::int32_t, TensorId> panels_;
};

}  // namespace

void code_products(Program& program) { Coder(program).run(); }

}  // namespace hone
