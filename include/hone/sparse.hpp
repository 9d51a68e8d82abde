// Weights of which many are zero, kept without their zeros: smaller files, and less to read for each token.
//
//   const hone::Pruned pruned = hone::prune(hone::open("model"), {.sparsity = 0.5});
//   const hone::Sparse sparse = hone::store_sparse(pruned.model);
//   for (const hone::SparseLayer& layer : sparse.layers)
//     std::printf("%s %s %ld\n", layer.name.c_str(), layer.storage.c_str(), long(layer.bytes));
//   sparse.model.save("small");
//
// Values keep their bits: f32, bf16 and f16 as they are, eight bits as codes. A weight that is read sparse
// computes what the dense one does, bit for bit.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "hone/model.hpp"

namespace hone {

// "auto", "dense", "csr" (the columns that each row keeps), "bitmap" (a bit an element), "2:4", "4x1" and
// "16x1" (a bit for so many outputs of one input), "block" (whichever of these two is smaller).
HONE_API std::vector<std::string> sparse_storages();
HONE_API void require_storage(const std::string& storage);  // Error(usage) for another name

struct SparseLayer {
  std::string name;     // of the weight
  std::string storage;  // "dense", or one of sparse_storages()
  std::int64_t elements = 0;
  double kept = 1;         // share of its elements that are not zero
  std::int64_t bytes = 0;  // in that storage
  std::int64_t dense_bytes = 0;
  double break_even = 0;     // the share up to which the storage (of dense ones: the best) is the smaller one
  bool runs_sparse = false;  // on this CPU; else it is expanded when loaded
};

struct Sparse {
  Model model;
  std::vector<SparseLayer> layers{};  // products' matrices, tables and the head apart, in the model's order
  std::vector<std::string> notes{};   // for a person: what is declined, and why; what int4 would take
};

// "auto" takes for each weight the storage with the fewest bytes, and leaves it dense where none has less.
// Error(usage) for another name; Error(input) for 2:4 where some four neighbours keep more than two.
HONE_API Sparse store_sparse(const Model& model, const std::string& storage = "auto");

}  // namespace hone
