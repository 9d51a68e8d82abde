#include "ir/rewrite.hpp"
#include "ir/values.hpp"
#include "kernel/coded_product.hpp"
#include "op/product_ops.hpp"
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
  Coder(Program& program, const SparseIndices& sparse)
      : p_(program),
        rewrite_(program),
        sparse_(sparse),
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
    op::CodedLinearAttributes coded{.activation = a.activation,
                                    .dtype = a.dtype,
                                    .weight = p_[weight].type.dtype,
                                    .columns = p_[weight].type.shape[0],
                                    .rows = a.rows};
    const std::vector<TensorId> x =
        whole_.codes_of(linear.inputs[LinearInputs::x], n, codes_for(p_[weight].type));
    const SparseIndex* const sparse = sparse_index_of(weight);
    const TensorId panels = sparse ? stream_of(weight, *sparse, n) : whole_.panels_of(weight, n);
    if (sparse) {
      coded.kept = sparse->kept * sparse->block_rows;
      coded.two_of_four = sparse->form == kernel::SparseForm::two_of_four;
    }
    Node& node = rewrite_[n];
    node.op = &op::coded_linear;
    node.attributes = coded;
    node.inputs = {
        x[0], x[1], x[2], panels, linear.inputs[LinearInputs::bias], linear.inputs[LinearInputs::residual]};
  }

  // x has zeros where they fill up the weight's rows.
  static op::CodeRowsAttributes codes_for(const TensorType& weight) {
    const std::int64_t K = weight.shape[1], width = kernel::filled_up(element_of(weight.dtype), K);
    return {.width = width == K ? 0 : width};
  }

  const SparseIndex* sparse_index_of(TensorId weight) const {
    const auto found = sparse_.find(p_[weight].name);
    return found != sparse_.end() && found->second.dtype == p_[weight].type.dtype ? &found->second : nullptr;
  }

  // Made of the weight's components, which become parameters; nobody need hold the weight itself.
  TensorId stream_of(TensorId weight, const SparseIndex& index, std::size_t n) {
    TensorId& stream = streams_[weight.value];
    if (stream) return stream;
    const std::string source = p_[weight].name;
    const Shape shape = p_[weight].type.shape;
    const op::PackMaskedAttributes a{.form = index.form,
                                     .weight = index.dtype,
                                     .block_rows = index.block_rows,
                                     .rows = shape[0],
                                     .columns = shape[1],
                                     .kept = index.kept};
    stream = rewrite_.insert(n, op::pack_masked, sparse_parameters(p_, weight, index), a, source)[0];
    rewrite_.inserted().phase = Phase::prepare;
    rewrite_.inserted().scope = rewrite_[n].scope;
    set_derived(p_[stream], source, source + ".stream");
    return stream;
  }

  Program& p_;
  Rewrite rewrite_;
  const SparseIndices& sparse_;
  WholeNumbers whole_;
  std::map<std::int32_t, TensorId> streams_;
};

}  // namespace

void code_products(Program& program, const SparseIndices& sparse) { Coder(program, sparse).run(); }

}  // namespace hone
