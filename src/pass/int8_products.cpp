#include "ir/rewrite.hpp"
#include "ir/values.hpp"
#include "kernel/int8_product.hpp"
#include "op/product_ops.hpp"
#include "pass/passes.hpp"
#include "pass/whole_numbers.hpp"

namespace hone {
namespace {

using op::Int8LinearInputs;
using op::LinearInputs;

class Quantizer {
 public:
  explicit Quantizer(Program& program)
      : p_(program),
        rewrite_(program),
        whole_(program, rewrite_, op::quantize_rows, op::pack_int8, ".int8") {}

  void run() {
    for (std::size_t n = 0; n < rewrite_.size(); ++n)
      if (fits(rewrite_[n])) quantize(n);
    rewrite_.finish();
  }

 private:
  // What a cast was made of: a code is coarser than any floating type, so one rounding less.
  TensorId before_cast(TensorId id) const {
    const auto cast = rewrite_.maker(id);
    return cast && rewrite_[*cast].op == &op::cast ? rewrite_[*cast].inputs[0] : id;
  }

  // Is it a product with a weight of such a width, whose result is wanted or its activation, not both?
  bool fits(const Node& node) const {
    if (node.op != &op::linear) return false;
    const auto a = node.attributes.as<op::LinearAttributes>();
    const TensorDef& weight = p_[before_cast(node.inputs[LinearInputs::weight])];
    if (weight.role != Role::parameter || weight.alias != Alias::none) return false;
    const std::int64_t K = weight.type.shape[1];
    return K < 65536 && a.rows.first % kernel::int8_panel_rows == 0 &&
           (a.activation == op::Activation::none || rewrite_.readers(node.outputs[0]).empty());
  }

  void quantize(std::size_t n) {
    const Node linear = rewrite_[n];
    const auto a = linear.attributes.as<op::LinearAttributes>();
    const TensorId weight = before_cast(linear.inputs[LinearInputs::weight]);
    const std::vector<TensorId> x =
        whole_.codes_of(before_cast(linear.inputs[LinearInputs::x]), n, NoAttributes{});
    const TensorId panels = whole_.panels_of(weight, n);
    Node& node = rewrite_[n];
    node.op = &op::int8_linear;
    node.attributes = op::Int8LinearAttributes{
        .activation = a.activation, .dtype = a.dtype, .columns = p_[weight].type.shape[0], .rows = a.rows};
    node.inputs = {x[0], x[1], panels, linear.inputs[LinearInputs::bias],
                   linear.inputs[LinearInputs::residual]};
    node.outputs = {linear.outputs.back()};
  }

  Program& p_;
  Rewrite rewrite_;
  WholeNumbers whole_;
};

// What is only read to be quantized never leaves its product's task otherwise.
void join_codes(Program& p) {
  Rewrite rewrite(p);
  for (std::size_t n = 0; n < rewrite.size(); ++n) {
    Node& product = rewrite[n];
    if (product.op != &op::int8_linear || product.inputs[Int8LinearInputs::residual]) continue;
    const auto codes = rewrite.only_reader(product.outputs[0], op::quantize_rows);
    if (!codes) continue;
    auto a = product.attributes.as<op::Int8LinearAttributes>();
    a.quantized = true, a.dtype = DType::f32;
    product.attributes = a;
    product.outputs = rewrite[*codes].outputs;
    rewrite.remove(*codes);
  }
  rewrite.finish();
}

}  // namespace

void int8_products(Program& program) {
  Quantizer(program).run();
  remove_dead(program);  // casts, which would count as readers
  join_codes(program);
}

}  // namespace hone
