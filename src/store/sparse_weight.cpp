#include "store/sparse_weight.hpp"

#include <algorithm>
#include <cassert>

#include "base/types.hpp"
#include "ir/values.hpp"
#include "kernel/block_product.hpp"
#include "kernel/coded.hpp"

namespace hone {
namespace {

using kernel::SparseForm;

template <class T>
std::vector<std::byte> as_bytes_of(const std::vector<T>& items) {
  const auto bytes = std::as_bytes(std::span(items));
  return {bytes.begin(), bytes.end()};
}

template <class T>
const T* items_of(const StoredWeight* part) {
  return part ? reinterpret_cast<const T*>(part->bytes.data()) : nullptr;
}

std::int64_t group_of(DType blocks) { return block_elements(blocks); }

struct Codes {
  std::vector<std::uint8_t> codes;
  std::vector<float> scales, minima;  // minima: where the type has them
};

bool has_minima(DType dtype) { return kernel::code_format(element_of(dtype)).has_minimum; }

Codes codes_of(DType dtype, std::span<const std::byte> dense) {
  const auto groups = dense.size() / static_cast<std::size_t>(row_bytes(dtype, group_of(dtype)));
  Codes c{std::vector<std::uint8_t>(groups * static_cast<std::size_t>(group_of(dtype))),
          std::vector<float>(groups), std::vector<float>(has_minima(dtype) ? groups : 0)};
  kernel::unpack_codes(element_of(dtype), dense, c.codes, c.scales, c.minima);
  return c;
}
// Rows of so many codes, without what fills up the last group of each.
void cut_rows(std::vector<std::uint8_t>& codes, std::int64_t rows, std::int64_t columns) {
  const auto width = std::ssize(codes) / rows;
  if (width == columns) return;
  for (std::int64_t r = 1; r < rows; ++r)
    std::copy_n(codes.begin() + r * width, columns, codes.begin() + r * columns);
  codes.resize(static_cast<std::size_t>(rows * columns));
}

// Of a type that has one, about zero: what makes the zero code mean 0, exactly, for zero codes are powers of
// two.
float minimum_of(DType dtype, float scale) {
  return kernel::as_packed(-scale * static_cast<float>(kernel::zero_code_of(element_of(dtype))));
}

kernel::SparseBytes taken_apart(const WeightType& type, std::int64_t N, std::int64_t K,
                                std::span<const std::byte> dense) {
  const kernel::SparseFormat format = sparse_index(type, 0).format();
  const auto elements = static_cast<std::size_t>(N * K);
  if (!is_blocks(type.dtype)) {
    std::vector<float> values(elements);
    widen(dense, type.dtype, values);
    return kernel::sparse_from_values(format, N, K, values);
  }
  Codes c = codes_of(type.dtype, dense);
  cut_rows(c.codes, N, K);
  return kernel::sparse_from_codes(format, N, K, c.codes, c.scales);
}

}  // namespace

SparseIndex sparse_index(const WeightType& type, std::int64_t kept) {
  return {type.sparse->form, type.sparse->block_rows, type.dtype, kept};
}

double kept_share(const WeightTree& sparse) {
  return static_cast<double>(sparse.kept * sparse.type.sparse->block_rows) /
         static_cast<double>(sparse.shape.elements());
}

kernel::SparseParts kernel_parts(const WeightTree& sparse) {
  const bool csr = sparse.type.sparse->form == SparseForm::csr;
  return {.places = items_of<std::uint8_t>(sparse.find(csr ? "columns" : "mask")),
          .row_starts = items_of<std::int32_t>(sparse.find("row_starts")),
          .values = sparse.find("values")->bytes.data(),
          .scales = items_of<std::uint16_t>(sparse.find("scales"))};
}

bool is_about_zero(DType dtype, std::span<const std::byte> dense) {
  if (!is_blocks(dtype) || !has_minima(dtype)) return true;
  const Codes c = codes_of(dtype, dense);
  for (std::size_t g = 0; g < c.scales.size(); ++g)
    if (c.minima[g] != minimum_of(dtype, c.scales[g])) return false;
  return true;
}

std::shared_ptr<const WeightTree> sparse_weight(const WeightType& type, const Shape& shape,
                                                std::span<const std::byte> dense) {
  const kernel::SparseBytes apart = taken_apart(type, shape[0], shape[1], dense);
  auto made = std::make_shared<WeightTree>(WeightTree{.type = type, .shape = shape, .kept = apart.kept});
  for (const auto& [name, part] : sparse_part_types(sparse_index(type, apart.kept), shape)) {
    std::vector<std::byte> bytes = name == "values"       ? as_bytes_of(apart.values)
                                   : name == "scales"     ? as_bytes_of(apart.scales)
                                   : name == "row_starts" ? as_bytes_of(apart.row_starts)
                                                          : as_bytes_of(apart.places);
    assert(static_cast<std::int64_t>(bytes.size()) == part.bytes());
    made->parts.push_back({name, made_weight(part, std::move(bytes))});
  }
  return made;
}

// Zen 5, 150 weights of 1536x576 in groups of 64, a token's products against the dense ones of the same
// codes, both cores (bench/sparse_bench.cpp), from when both read 49 GB/s to when they read 43; and what
// their bytes allow. AVX-512, any places: 8 bits, 20 % kept 1.6 to 2.3x of 2.9, half 1.24 to 1.44x of 1.57,
// 70 % 1.02 to 1.14x of 1.20, 85 % 0.96x; 4 bits, 30 % 1.4x of 1.8, half 0.96 to 1.22x of 1.35. Two of four:
// 8 bits 1.49 to 1.60x of 1.65, 4 bits 1.4x of 1.5. AVX2: two of four, 8 bits, 1.56x of 1.65, 4 bits 0.96x;
// any places, 20 %, 0.88x. A prompt's take as long as dense ones, within 6 %.
bool pays_as_stream(const WeightTree& weight, Isa isa) {
  const DType dtype = weight.type.dtype;
  if (!is_blocks(dtype) || !kernel::has_sparse_codes(element_of(dtype)) || isa == Isa::portable) return false;
  const bool twos = weight.type.sparse->form == SparseForm::two_of_four,
             eight_bits = kernel::zero_code_of(element_of(dtype)) == kernel::zero_code;
  if (isa != Isa::avx512_bf16) return twos && eight_bits;
  return twos || kept_share(weight) <= (eight_bits ? 0.7 : 0.52);
}
// Zen 5, the same shape at 20 %, 16x1 and 4x1, against the dense products: 256 rows 3.7x and 3.7x in
// f32, 3.1x and 2.9x in bf16; AVX2 3.7x in both. A token 4.0x and 3.6x, 2.8x and 2.5x, AVX2 4.6x
// and 4.0x, 2.8x and 2.6x.
bool pays_in_strips(const WeightTree& weight) {
  return kernel::has_strips(sparse_index(weight.type, weight.kept).format(), weight.shape[1]) &&
         kept_share(weight) <= 0.7;
}

bool pays_sparse(const WeightTree& weight, Isa isa) {
  return pays_as_stream(weight, isa) || pays_in_strips(weight);
}

SparseIndices sparse_indices(const WeightTrees& trees, Isa isa) {
  SparseIndices indices;
  for (const auto& [name, weight] : trees) {
    if (!weight->type.sparse || !pays_sparse(*weight, isa)) continue;
    SparseIndex& index = indices[name] = sparse_index(weight->type, weight->kept);
    index.pairs = isa == Isa::avx512_bf16 && index.dtype == DType::bf16;
  }
  return indices;
}

void expand_sparse(const WeightTree& weight, std::span<std::byte> dense) {
  const std::int64_t N = weight.shape[0], K = weight.shape[1];
  const DType dtype = weight.type.dtype;
  const kernel::SparseRows rows(sparse_index(weight.type, weight.kept).format(), N, K, kernel_parts(weight));
  const auto row_size = static_cast<std::size_t>(row_bytes(dtype, K));
  if (!is_blocks(dtype)) {
    std::vector<float> row(static_cast<std::size_t>(K));
    for (std::int64_t r = 0; r < N; ++r) {
      rows.expand(r, row);
      narrow(row, dtype, dense.subspan(static_cast<std::size_t>(r) * row_size, row_size));
    }
    return;
  }
  std::vector<std::int32_t> columns;
  std::vector<std::uint8_t> kept, codes(static_cast<std::size_t>(K));
  std::vector<float> scales(static_cast<std::size_t>(kernel::blocks_of_row(element_of(dtype), K)));
  std::vector<float> minima(has_minima(dtype) ? scales.size() : 0);
  for (std::int64_t r = 0; r < N; ++r) {
    rows.columns(r, columns), rows.codes(r, kept);
    std::ranges::fill(codes, kernel::zero_code_of(element_of(dtype)));
    for (std::size_t i = 0; i < kept.size(); ++i) codes[static_cast<std::size_t>(columns[i])] = kept[i];
    for (std::size_t g = 0; g < scales.size(); ++g)
      scales[g] = to_f32(f16{rows.scale_bits(r, static_cast<std::int64_t>(g))});
    for (std::size_t g = 0; g < minima.size(); ++g) minima[g] = minimum_of(dtype, scales[g]);
    kernel::pack_codes(element_of(dtype), codes, scales, minima,
                       dense.subspan(static_cast<std::size_t>(r) * row_size, row_size));
  }
}

}  // namespace hone
