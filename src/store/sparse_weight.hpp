// A weight of which only some elements are kept, as a tree of components: where they are, what they are, and
// of codes the scales, named as in op/sparse_parts.hpp.
//
//   const auto sparse = sparse_weight({DType::bf16, kind}, {N, K}, dense);
//   for (const TreePart& part : sparse->parts) use(name + "." + part.name, part.weight.bytes);
#pragma once
#include <memory>
#include <span>

#include "machine/isa.hpp"
#include "op/sparse_parts.hpp"
#include "store/weight_tree.hpp"

namespace hone {

double kept_share(const WeightTree& sparse);  // of its elements that are kept
kernel::SparseParts kernel_parts(const WeightTree& sparse);
SparseIndex sparse_index(const WeightType& type, std::int64_t kept);
// Are these rows of `dtype` codes about zero: has each group's minimum, where there is one, the zero code's
// value? True of floating types.
bool is_about_zero(DType dtype, std::span<const std::byte> dense);
// Of these bytes, elements of `type.dtype` or codes in its blocks about zero, in rows: zeros are not kept.
std::shared_ptr<const WeightTree> sparse_weight(const WeightType& type, const Shape& shape,
                                                std::span<const std::byte> dense);
// Does reading only what is kept pay on this instruction set, in products with this weight? Else it is
// expanded when loaded. Codes have such a product (kernel/masked_product.hpp), and blocks of a floating type
// (kernel/block_product.hpp).
bool pays_sparse(const WeightTree& weight, Isa isa);
// Of those weights of a store for which it does.
SparseIndices sparse_indices(const WeightTrees& trees, Isa isa);
void expand_sparse(const WeightTree& weight, std::span<std::byte> dense);

}  // namespace hone
