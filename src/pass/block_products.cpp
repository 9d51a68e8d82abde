#include <map>

#include "ir/rewrite.hpp"
#include "ir/values.hpp"
#include "kernel/block_product.hpp"
#include "op/product_ops.hpp"
#include "pass/derived.hpp"
#include "pass/passes.hpp"

namespace hone {
namespace {

using op::LinearInputs;

class Stripper {
 public:
  Stripper(Program& program, const SparseIndices& sparse) : p_(program), rewrite_(program), sparse_(sparse) {}

  void run() {
    for (std::size_t n = 0; n < rewrite_.size(); ++n)
      if (rewrite_[n].op == &op::linear) replace(n);
    rewrite_.finish();
  }

 private:
  void replace(std::size_t n) {
    const Node linear = rewrite_[n];
    const TensorId weight = linear.inputs[LinearInputs::weight], x = linear.inputs[LinearInputs::x];
    const SparseIndex* const index = index_of(weight);
    const auto a = linear.attributes.as<op::LinearAttributes>();
    if (!index || a.rows.first % index->block_rows != 0) return;
    const bool pairs = index->pairs && p_[x].type.dtype == DType::bf16;
    const TensorId strips = strips_of(weight, *index, pairs, n);
    Node& node = rewrite_[n];
    node.op = &op::block_linear;
    node.attributes = op::BlockLinearAttributes{.activation = a.activation,
                                                .dtype = a.dtype,
                                                .block_rows = index->block_rows,
                                                .columns = p_[weight].type.shape[0],
                                                .kept = index->kept,
                                                .rows = a.rows,
                                                .pairs = pairs,
                                                .few_rows = a.few_rows};
    node.inputs = {x, strips, linear.inputs[LinearInputs::bias], linear.inputs[LinearInputs::residual]};
  }

  const SparseIndex* index_of(TensorId weight) const {
    const TensorDef& w = p_[weight];
    if (w.role != Role::parameter || w.alias != Alias::none) return nullptr;
    const auto found = sparse_.find(w.name);
    const bool has = found != sparse_.end() && found->second.dtype == w.type.dtype &&
                     kernel::has_strips(found->second.format(), w.type.shape[1]);
    return has ? &found->second : nullptr;
  }

  // Made of the weight's components, which become parameters; nobody need hold the weight itself.
  TensorId strips_of(TensorId weight, const SparseIndex& index, bool pairs, std::size_t n) {
    TensorId& strips = strips_[{weight.value, pairs}];
    if (strips) return strips;
    const std::string source = p_[weight].name;
    const Shape shape = p_[weight].type.shape;
    const op::PackStripsAttributes a{.weight = index.dtype,
                                     .block_rows = index.block_rows,
                                     .rows = shape[0],
                                     .columns = shape[1],
                                     .kept = index.kept,
                                     .pairs = pairs};
    strips = rewrite_.insert(n, op::pack_strips, sparse_parameters(p_, weight, index), a, source)[0];
    rewrite_.inserted().phase = Phase::prepare;
    rewrite_.inserted().scope = rewrite_[n].scope;
    set_derived(p_[strips], source, source + (pairs ? ".pairs" : ".strips"));
    return strips;
  }

  Program& p_;
  Rewrite rewrite_;
  const SparseIndices& sparse_;
  std::map<std::pair<std::int32_t, bool>, TensorId> strips_;
};

}  // namespace

void block_products(Program& program, const SparseIndices& sparse) { Stripper(program, sparse).run(); }

}  // namespace hone
