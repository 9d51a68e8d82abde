// Weights of a model's products replaced by two factors of low rank: fewer numbers, and as many operations
// fewer; or its tables of ids by a tensor train.
//
//   const hone::Model model = hone::open("model");
//   const hone::Factorized f = hone::factorize(model, {.method = "whitened", .keep = 0.8}, &text);
//   f.model.save("smaller");   // two tensors a weight
//
// W [N,K] becomes U [N,r] V [r,K]. `svd` keeps what W has most of (Eckart and Young, 1936); `whitened` what
// its results have most of on a text: with the second moments H = L L^T of the product's inputs, the r
// largest singular values of W L, and V times L^-1 (Wang et al., "SVD-LLM", arXiv 2403.07378). Ranks come
// from one budget for the whole model: the next is always given to the product where it takes away the
// largest share of the squared error for each number that it costs. A product that would have as many numbers
// as its weight keeps that. Table of tokens, head, norms and biases stay.
//
//   const hone::Factorized t = hone::factorize(model, {.method = "tensor-train", .keep = 0.3});
//
// `tensor-train` takes the tables of tokens and nothing else: V and C, each seen as a product of two or three
// numbers, make the table a tensor, which TT-SVD (Oseledets, 2011) takes apart into a chain of as many cores
// (of tables: Hrinchuk et al., arXiv 1901.10787). `table-svd` makes two factors of a table. Rows are computed
// from the cores when ids take them. A head that is the table multiplies by two factors as they are, and by
// cores once they are expanded. Cores are not trained: training takes the whole table, an adapter stands
// beside.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "hone/calibration.hpp"
#include "hone/compress.hpp"
#include "hone/model.hpp"
#include "hone/text.hpp"

namespace hone {

struct FactorizeOptions {
  std::string method = "svd";  // of factorize_methods()
  double keep = 0.8;  // the share of the numbers that stay, of the products' or of a table's: 0 < keep <= 1
  // Of tensor-train, where they are not chosen: rows and columns of each core, and, in place of `keep`, the
  // ranks between them. The product of the rows may exceed V, by as much again. Ranks of table-svd, too: one.
  std::vector<std::int64_t> rows{}, columns{}, ranks{};
  CalibrationOptions calibration{};  // of whitened
};

HONE_API std::vector<std::string> factorize_methods();
HONE_API bool needs_text(const FactorizeOptions& options);

struct TableFactors {
  std::string table;
  std::vector<std::int64_t> rows{}, columns{}, ranks{};
  double kept = 1, lost = 0;  // shares of its numbers and of its squares, of rows that fill it up too
};

struct Factorized {
  Model model;
  std::map<std::string, std::int64_t> ranks{};  // of the products that have factors, by their modules
  double kept = 1;                              // share of the products' numbers, as it came out
  std::vector<TableFactors> tables{};
  std::vector<std::string> notes{};  // of tables: what was made, what would lose less, how the head is read
};

// Error(usage) for a method or share that there is not, and for `whitened` without a text; Error(input) for
// weights in blocks, and a model, or table, that has factors already; Error(usage) for a keep that leaves
// nothing of rank 1, and for rows, columns and ranks that fit no table.
HONE_API Factorized factorize(const Model& model, const FactorizeOptions& options,
                              const Text* text = nullptr);
// What that takes, for Compression::fit().
HONE_API WorkMemory factorize_memory(const Model& model, const FactorizeOptions& options,
                                     const Text* text = nullptr);

}  // namespace hone
