#include "hone/sparse.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "compress/coded_weights.hpp"
#include "hone/nearest.hpp"
#include "machine/isa.hpp"
#include "model/model_impl.hpp"
#include "store/sparse_weight.hpp"

namespace hone {
namespace {

using Candidates = std::vector<const SparseKind*>;

// What a name asks for; nothing of dense.
Candidates candidates_of(const std::string& storage) {
  require_storage(storage);
  Candidates kinds;
  for (const SparseKind& kind : sparse_kinds()) {
    const bool is_block = kind.form == kernel::SparseForm::block;
    if (storage == kind.name || (storage == "block" && is_block) || storage == "auto") kinds.push_back(&kind);
  }
  return kinds;
}

std::int64_t part_bytes(const SparseIndex& index, const Shape& shape) {
  std::int64_t bytes = 0;
  for (const SparsePartType& part : sparse_part_types(index, shape)) bytes += part.type.bytes();
  return bytes;
}

// The share of kept elements at which a kind has the dense weight's bytes: both are linear in it.
double break_even(const WeightType& type, const Shape& shape) {
  const std::int64_t rows = type.sparse->block_rows, all = shape.elements() / rows;
  const auto none = static_cast<double>(part_bytes(sparse_index(type, 0), shape));
  const auto whole = static_cast<double>(part_bytes(sparse_index(type, all), shape));
  const auto dense = static_cast<double>(TensorType{shape, type.dtype}.bytes());
  return std::clamp((dense - none) / (whole - none), 0.0, 1.0);
}

const SparseKind& csr_kind() {
  return *std::ranges::find(sparse_kinds(), kernel::SparseForm::csr, &SparseKind::form);
}

// Has a weight, as csr, of each four neighbours at most two that are kept?
bool is_two_of_four(const WeightTree& csr) {
  const std::int64_t N = csr.shape[0], K = csr.shape[1];
  std::vector<std::uint8_t> is_kept(static_cast<std::size_t>(N * K));
  const kernel::SparseRows rows(sparse_index(csr.type, csr.kept).format(), N, K, kernel_parts(csr));
  std::vector<std::int32_t> columns;
  for (std::int64_t r = 0; r < N; ++r) {
    rows.columns(r, columns);
    for (const std::int32_t k : columns) is_kept[static_cast<std::size_t>(r * K + k)] = 1;
  }
  return kernel::is_two_of_four(N, K, is_kept);
}
void require_two_of_four(const WeightTree& csr, const std::string& name) {
  if (is_two_of_four(csr)) return;
  throw Error(ErrorKind::input, {.what = "the weight is no 2:4 one: four neighbours keep more than two",
                                 .where = name,
                                 .hint = "prune with the pattern 2:4, or store it as a bitmap"});
}

class Storing {
 public:
  Storing(const Model& model, const std::string& storage)
      : model_(model),
        kinds_(candidates_of(storage)),
        chooses_(storage == "auto"),
        types_(model.impl().store.stored_types()),
        trees_(model.impl().store.trees()) {}

  Sparse run() {
    for (const MatrixWeight& matrix : matrices_of(model_)) {
      if (matrix.table) continue;
      if (const auto tree = trees_.find(matrix.name);
          tree != trees_.end() && tree->second->type.groups.bits > 0)
        grouped_.insert(name(tree->second->type));
      else
        add(matrix);
    }
    Sparse done{.model = with_weights(model_, model_.impl().store.with_stored(std::move(made_)))};
    done.layers = std::move(layers_);
    done.notes = notes(done.layers);
    return done;
  }

 private:
  // The dense weight in its own type, rows as programs have them.
  StoredWeight dense_of(const MatrixWeight& matrix) const {
    ParameterSpec spec = *model_.impl().find(matrix.name);
    if (const auto type = types_.find(matrix.name); type != types_.end()) spec.dtype = type->second;
    std::vector<std::byte> bytes(static_cast<std::size_t>(TensorType{spec.shape, spec.dtype}.bytes()));
    model_.impl().store.read(spec, bytes);
    return made_weight({spec.shape, spec.dtype}, std::move(bytes));
  }

  void add(const MatrixWeight& matrix) {
    const StoredWeight dense = dense_of(matrix);
    const Shape& shape = dense.type.shape;
    SparseLayer layer{.name = matrix.name,
                      .storage = "dense",
                      .elements = shape.elements(),
                      .bytes = dense.type.bytes(),
                      .dense_bytes = dense.type.bytes()};
    std::shared_ptr<const WeightTree> best;
    if (has_sparse_values(dense.type.dtype) && is_about_zero(dense.type.dtype, dense.bytes) &&
        matrix.columns <= 65536) {
      const auto csr = sparse_weight({dense.type.dtype, &csr_kind()}, shape, dense.bytes);
      layer.kept = kept_share(*csr);
      for (const SparseKind* kind : kinds_) {
        const WeightType type{dense.type.dtype, kind};
        const bool twos = kind->form == kernel::SparseForm::two_of_four;
        if (twos && chooses_ && !is_two_of_four(*csr)) continue;
        if (twos) require_two_of_four(*csr, matrix.name);
        layer.break_even = std::max(layer.break_even, break_even(type, shape));
        auto made = kind == &csr_kind() ? csr : sparse_weight(type, shape, dense.bytes);
        // Two of four take a bitmap's bytes, or a few more where less is kept; their product is the faster
        // one.
        const std::int64_t bytes = made->bytes() - (twos && chooses_ ? made->bytes() / 20 : 0);
        if (bytes < (best ? best->bytes() : layer.dense_bytes)) best = std::move(made);
      }
    }
    if (best) {
      layer.storage = best->type.sparse->name;
      layer.bytes = best->bytes();
      layer.break_even = break_even(best->type, shape);
      layer.runs_sparse = pays_sparse(*best, best_isa());
      four_bit_bytes_ += TensorType{shape, DType::q4_g64}.bytes();
      made_[matrix.name] = stored_tree(std::move(best));
    } else if (trees_.contains(matrix.name)) {
      made_[matrix.name] = dense;
    }
    layers_.push_back(std::move(layer));
  }

  std::vector<std::string> notes(const std::vector<SparseLayer>& layers) const;

  const Model& model_;
  Candidates kinds_;
  bool chooses_;  // the smallest, whatever the weight is
  std::map<std::string, DType> types_;
  WeightTrees trees_;
  std::set<std::string> grouped_;  // types of codes that no sparse storage has
  std::map<std::string, StoredWeight> made_;
  std::vector<SparseLayer> layers_;
  std::int64_t four_bit_bytes_ = 0;  // of what is stored sparse, if it were dense
};

std::vector<std::string> Storing::notes(const std::vector<SparseLayer>& layers) const {
  std::vector<std::string> notes;
  for (const std::string& type : grouped_)
    notes.push_back("weights in " + type +
                    " stay as they are: sparse storages have codes in groups of 32, 64 or 128");
  std::int64_t sparse = 0, expanded = 0, bytes = 0;
  for (const SparseLayer& l : layers) {
    if (l.storage == "dense") continue;
    ++sparse, bytes += l.bytes;
    if (!l.runs_sparse) ++expanded;
  }
  const auto all = std::ssize(layers);
  if (sparse < all)
    notes.push_back(
        fmt::format("{} of {} matrices stay dense: no sparse storage of them is smaller", all - sparse, all));
  if (expanded > 0)
    notes.push_back(
        fmt::format("{} of {} sparse matrices are expanded when loaded: dense is as fast or faster here "
                    "(sparse products are of codes, and want AVX-512 VBMI2; 2:4 in 8 bits AVX2)",
                    expanded, sparse));
  if (sparse > 0 && four_bit_bytes_ < bytes)
    notes.push_back(fmt::format(
        "dense in 4 bits these {} matrices would take {:.0f} % of what they take sparse, and each token "
        "would read less: compare with hone quantize --bits 4",
        sparse, 100 * static_cast<double>(four_bit_bytes_) / static_cast<double>(bytes)));
  return notes;
}

}  // namespace

std::vector<std::string> sparse_storages() {
  std::vector<std::string> names{"auto", "dense"};
  for (const SparseKind& kind : sparse_kinds()) names.emplace_back(kind.name);
  names.emplace_back("block");
  return names;
}

void require_storage(const std::string& storage) {
  const std::vector<std::string> names = sparse_storages();
  if (std::ranges::find(names, storage) != names.end()) return;
  throw Error(ErrorKind::usage, {.what = "no such storage",
                                 .where = "storage",
                                 .expected = fmt::format("{}", fmt::join(names, ", ")),
                                 .found = storage,
                                 .hint = "the nearest is " + nearest(storage, names)});
}

Sparse store_sparse(const Model& model, const std::string& storage) { return Storing(model, storage).run(); }

}  // namespace hone
