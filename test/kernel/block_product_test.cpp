// Products with what is kept in blocks against the dense ones.
#include "kernel/block_product.hpp"

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "base/types.hpp"
#include "vector_isas.hpp"

namespace hone::kernel {
namespace {

struct Weight {
  SparseFormat format;
  std::vector<float> values;
  SparseBytes parts;

  Weight(std::int64_t block_rows, std::int64_t N, std::int64_t K, double density)
      : format{SparseForm::block, block_rows, Element::f32}, values(static_cast<std::size_t>(N * K)) {
    Stream stream(stream_key("weight", 1));
    for (std::int64_t i = 0; i < N; i += block_rows)
      for (std::int64_t k = 0; k < K; ++k) {
        const bool kept = stream.uniform() < static_cast<float>(density);
        for (std::int64_t r = i; kept && r < std::min(N, i + block_rows); ++r)
          values[static_cast<std::size_t>(r * K + k)] = stream.normal();
      }
    parts = sparse_from_values(format, N, K, values);
  }
};

std::vector<float> normal_values(std::int64_t count) {
  Stream stream(stream_key("x", 2));
  std::vector<float> x(static_cast<std::size_t>(count));
  for (float& value : x) value = stream.normal();
  return x;
}

// Without its zeros a result is the same chain of multiply-adds.
TEST(BlockProduct, HasTheBitsOfTheDenseProductInF32) {
  constexpr std::int64_t K = 150;
  for (const std::int64_t block_rows : {4, 16})
    for (const std::int64_t N : {3, 64, 83})
      for (const double density : {0.0, 0.2, 1.0}) {
        const Weight w(block_rows, N, K, density);
        const SparseRows rows(w.format, N, K, w.parts.parts());
        std::vector<std::byte> stream(
            static_cast<std::size_t>(strips_bytes(block_rows, N, w.parts.kept, false)));
        begin_strips(rows, block_rows, false, stream);
        pack_strips(rows, block_rows, false, 0, strip_count(block_rows, N), stream);
        for (const std::int64_t M : {1, 9, 64, 131})
          for (const Isa isa : vector_isas()) {
            const std::vector<float> x = normal_values(M * K);
            std::vector<float> dense(static_cast<std::size_t>(M * N)), sparse(dense.size());
            const Gemm gemm{.M = M,
                            .N = N,
                            .K = K,
                            .a = {x.data(), Element::f32},
                            .a_stride = K,
                            .b = {w.values.data(), Element::f32},
                            .b_stride = K,
                            .b_transposed = true,
                            .c = {dense.data(), Element::f32},
                            .c_stride = N};
            BlockLinear blocks{.product = gemm, .block_rows = block_rows, .stream = stream.data()};
            blocks.product.c = {sparse.data(), Element::f32};
            ThreadPool pool(2);
            const std::int64_t most = std::max(scratch_bytes(gemm, isa, 2), scratch_bytes(blocks, 2));
            std::vector<float> scratch(static_cast<std::size_t>(most) / sizeof(float));
            run(gemm, isa, pool, scratch.data());
            run(blocks, isa, pool, scratch.data());
            ASSERT_EQ(sparse, dense) << name(isa) << " N " << N << " M " << M << " density " << density;
          }
      }
}

TEST(BlockProduct, StripsAreOfBlocksOfAFloatingType) {
  EXPECT_TRUE(has_strips({SparseForm::block, 16, Element::bf16}, 65535));
  EXPECT_FALSE(has_strips({SparseForm::block, 16, Element::bf16}, 65536));  // a column more is none's
  EXPECT_FALSE(has_strips({SparseForm::block, 2, Element::bf16}, 64));
  EXPECT_FALSE(has_strips({SparseForm::block, 4, Element::q8_0}, 64));
  EXPECT_FALSE(has_strips({SparseForm::bitmap, 1, Element::f32}, 64));
}

}  // namespace
}  // namespace hone::kernel
