#include <cstring>

#include "kernel/block_product.hpp"
#include "op/cases.hpp"
#include "op/product_ops.hpp"
#include "op/sparse_parts.hpp"

namespace hone {
namespace {

// A weight of which a third is kept, in blocks of so many rows; the last row of blocks keeps nothing.
struct DrawnBlocks {
  SparseIndex index;
  kernel::SparseBytes parts;
  std::int64_t rows, columns;

  DrawnBlocks(DType weight, std::int64_t block_rows, std::int64_t N, std::int64_t K) : rows(N), columns(K) {
    Stream stream(stream_key("blocks", 4));
    std::vector<float> values(static_cast<std::size_t>(N * K));
    for (std::int64_t first = 0; first + block_rows < N; first += block_rows)
      for (std::int64_t k = 0; k < K; ++k) {
        if (stream.uniform() > 1.0f / 3) continue;
        for (std::int64_t r = first; r < first + block_rows; ++r)
          values[static_cast<std::size_t>(r * K + k)] = to_f32(to_bf16(stream.normal()));
      }
    index = {.form = kernel::SparseForm::block, .block_rows = block_rows, .dtype = weight};
    parts = kernel::sparse_from_values(index.format(), N, K, values);
    index.kept = parts.kept;
  }

  void put_strips(const Operand& to, bool pairs) const {
    const kernel::SparseRows all(index.format(), rows, columns, parts.parts());
    const std::span stream(to.as<std::byte>(), static_cast<std::size_t>(to.type.bytes()));
    kernel::begin_strips(all, index.block_rows, pairs, stream);
    kernel::pack_strips(all, index.block_rows, pairs, 0, kernel::strip_count(index.block_rows, rows), stream);
  }
};

struct Size {
  std::int64_t B, T, K, N;
};

void add_products(DType dtype, std::int64_t block_rows, const Size& s, bool pairs,
                  std::vector<OpCase>& cases) {
  using In = op::BlockLinearInputs;
  const DType weight = pairs ? DType::bf16 : DType::f32;
  const DrawnBlocks drawn(weight, block_rows, s.N, s.K);
  const Shape x{s.B, s.T, s.K};
  const std::int64_t bytes = kernel::strips_bytes(block_rows, s.N, drawn.index.kept, pairs);
  const auto add = [&](std::int64_t gap, const Input& bias, const Input& residual,
                       op::BlockLinearAttributes a) {
    a.block_rows = block_rows, a.columns = s.N, a.kept = drawn.index.kept, a.pairs = pairs;
    for (const bool few : {false, true}) {
      a.few_rows = few;
      cases.push_back({&op::block_linear,
                       {{{x, dtype}, normals(), gap}, {{{bytes}, DType::u8}}, bias, residual},
                       a,
                       {},
                       [drawn, pairs](const Call& c) { drawn.put_strips(c.in[In::strips], pairs); },
                       dtype == DType::f32 ? 1e-5 : 0x1p-8,
                       pairs ? Isa::avx512_bf16 : Isa::portable});
    }
  };
  add(5, none, none, {.dtype = dtype});
  add(0, {op::f32({s.N})}, {op::f32(x.with_last(s.N))}, {});
  add(0, none, none, {.activation = op::Activation::silu, .dtype = dtype});
  if (s.N > 20) add(0, {op::f32({s.N})}, none, {.dtype = dtype, .rows = {16, s.N - 20}});
}

void add_strips(DType weight, std::int64_t block_rows, bool pairs, std::vector<OpCase>& cases) {
  using In = op::PackStripsInputs;
  const DrawnBlocks drawn(weight, block_rows, 37, 50);
  std::vector<Input> inputs;
  for (const SparsePartType& part : sparse_part_types(drawn.index, {37, 50})) inputs.push_back({part.type});
  cases.push_back({&op::pack_strips,
                   inputs,
                   op::PackStripsAttributes{.weight = weight,
                                            .block_rows = block_rows,
                                            .rows = 37,
                                            .columns = 50,
                                            .kept = drawn.index.kept,
                                            .pairs = pairs},
                   {},
                   [drawn](const Call& c) {
                     std::memcpy(c.in[In::mask].data, drawn.parts.places.data(), drawn.parts.places.size());
                     std::memcpy(c.in[In::values].data, drawn.parts.values.data(), drawn.parts.values.size());
                   }});
}

}  // namespace

void add_block_cases(DType dtype, std::vector<OpCase>& cases) {
  for (const std::int64_t block_rows : {4, 16}) {
    for (const Size& s : {Size{1, 1, 33, 5}, Size{2, 3, 130, 70}, Size{1, 133, 64, 37}}) {
      add_products(dtype, block_rows, s, false, cases);
      if (dtype == DType::bf16) add_products(dtype, block_rows, s, true, cases);
    }
    if (dtype != DType::f32) continue;
    add_strips(DType::f32, block_rows, false, cases);
    add_strips(DType::bf16, block_rows, false, cases);
    add_strips(DType::bf16, block_rows, true, cases);
  }
}

}  // namespace hone
