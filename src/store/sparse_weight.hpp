// A weight of which only some elements are kept, as a tree of components: where they are, what they are, and
// of codes the scales. Each component is a tensor of its own in a folder's files, NAME.COMPONENT, and may be
// a parameter of a program; whoever reads NAME itself has the dense weight.
//
//   const auto sparse = sparse_weight({DType::bf16, kind}, {{N, K}, DType::bf16}, dense);
//   for (const SparsePart& part : sparse->parts) use(name + "." + part.name, part.weight.bytes);
#pragma once
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "file/weight_types.hpp"
#include "machine/isa.hpp"
#include "op/sparse_parts.hpp"
#include "store/stored_weight.hpp"

namespace hone {

struct SparsePart {
  std::string name;  // as in op/sparse_parts.hpp
  StoredWeight weight;
};

struct SparseWeight {
  WeightType type;
  Shape shape;            // [N,K], of the dense weight, rows as programs have them
  std::int64_t kept = 0;  // columns of rows of blocks
  std::vector<SparsePart> parts;

  std::int64_t bytes() const;
  double share() const;  // of its elements that are kept
  const StoredWeight* find(std::string_view part) const;
  kernel::SparseParts kernel_parts() const;
};

SparseIndex sparse_index(const WeightType& type, std::int64_t kept);
// Are these rows of `dtype` codes about zero: has each group's minimum, where there is one, the zero code's
// value? True of floating types.
bool is_about_zero(DType dtype, std::span<const std::byte> dense);
// Of these bytes, elements of `type.dtype` or codes in its blocks about zero, in rows: zeros are not kept.
std::shared_ptr<const SparseWeight> sparse_weight(const WeightType& type, const Shape& shape,
                                                  std::span<const std::byte> dense);
// Does reading only what is kept pay on this instruction set, in products with this weight? Else it is
// expanded when loaded. Codes have such a product (kernel/masked_product.hpp), and blocks of a floating type
// (kernel/block_product.hpp).
bool pays_sparse(const SparseWeight& weight, Isa isa);
// Of those weights of a store for which it does.
SparseIndices sparse_indices(const std::map<std::string, std::shared_ptr<const SparseWeight>>& weights,
                             Isa isa);
// The whole weight in its type, rows as programs have them.
void expand_sparse(const SparseWeight& weight, std::span<std::byte> dense);

}  // namespace hone
