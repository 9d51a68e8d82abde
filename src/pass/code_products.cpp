#include "ir/rewrite.hpp"
#include "ir/values.hpp"
#include "kernel/coded_product.hpp"
#include "op/ops.hpp"
#include "pass/passes.hpp"
#include "pass/whole_numbers.hpp"

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
  explicit Coder(Program& program)
      : p_(program),
        rewrite_(program),
        whole_(program, rewrite_, op::code_rows, op::pack_panels, ".panels") {}

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
    const std::vector<TensorId> x = whole_.codes_of(linear.inputs[LinearInputs::x], n);
    const TensorId panels = whole_.panels_of(weight, n);
    Node& node = rewrite_[n];
    node.op = &op::coded_linear;
    node.attributes = coded;
    node.inputs = {
        x[0], x[1], x[2], panels, linear.inputs[LinearInputs::bias], linear.inputs[LinearInputs::residual]};
  }

  Program& p_;
  Rewrite rewrite_;
  WholeNumbers whole_;
};

}  // namespace

void code_products(Program& program) { Coder(program).run(); }

}  // namespace hone
