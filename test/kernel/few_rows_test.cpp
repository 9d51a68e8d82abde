// Against the reference these loops are tested through the op's table, with every epilogue; here what a sum's
// bits do not depend on, and that they are right for tails of every instruction set.
#include "kernel/few_rows.hpp"

#include <cmath>

#include "kernel/buffer.hpp"

namespace hone::kernel {
namespace {

struct Size {
  std::int64_t M, N, K;
};

Buffer product(const Size& s, const Buffer& a, const Buffer& b, Element e, Isa isa, int threads,
               std::int64_t first_row = 0) {
  const std::int64_t stride = s.K + 3;
  Buffer c(Element::f32, s.M * s.N);
  ThreadPool pool(threads);
  const void* rows = static_cast<const std::byte*>(a.in().data) + first_row * stride * bytes(e);
  run(FewRows{{.M = s.M,
               .N = s.N,
               .K = s.K,
               .a = {rows, e},
               .a_stride = stride,
               .b = b.in(),
               .b_stride = stride,
               .b_transposed = true,
               .c = c.out(),
               .c_stride = s.N}},
      isa, pool, nullptr);
  return c;
}

TEST(FewRows, AgreesWithF64OnEveryTail) {
  for (const std::int64_t K : {1, 2, 3, 4, 7, 15, 16, 17, 31, 33, 63, 64, 65, 100, 130, 769})
    for (const std::int64_t N : {1, 5, 16, 19})
      for (const Element e : elements) {
        const std::int64_t stride = K + 3;
        const Buffer a(e, normals(7 * stride, 1)), b(e, normals(N * stride, 2));
        for (const Isa isa : isas()) {
          const Buffer c = product({7, N, K}, a, b, e, isa, 2);
          for (std::int64_t r = 0; r < 7; ++r)
            for (std::int64_t j = 0; j < N; ++j) {
              double sum = 0, size = 0;
              for (std::int64_t k = 0; k < K; ++k) {
                const double term = static_cast<double>(a[r * stride + k]) * b[j * stride + k];
                sum += term, size += std::abs(term);
              }
              ASSERT_NEAR(c[r * N + j], sum, 1e-6 * size) << name(isa) << " K " << K << " N " << N;
            }
        }
      }
}

TEST(FewRows, SameBitsForAnyThreadsRowsAndColumns) {
  constexpr std::int64_t K = 773, N = 219, stride = K + 3, rows = 9;
  for (const Element e : elements) {
    const Buffer a(e, normals(rows * stride, 3)), b(e, normals(N * stride, 4));
    for (const Isa isa : isas()) {
      const Buffer whole = product({rows, N, K}, a, b, e, isa, 1);
      for (const int threads : {2, 3, 4}) EXPECT_TRUE(product({rows, N, K}, a, b, e, isa, threads) == whole);
      for (const std::int64_t count : {1, 2, 3, 4, 5})
        for (const std::int64_t columns : {N, N - 1, std::int64_t{2}}) {
          const Buffer part = product({count, columns, K}, a, b, e, isa, 1, rows - count);
          for (std::int64_t r = 0; r < count; ++r)
            for (std::int64_t j = 0; j < columns; ++j)
              ASSERT_EQ(part[r * columns + j], whole[(rows - count + r) * N + j])
                  << name(isa) << " " << count;
        }
    }
  }
}

}  // namespace
}  // namespace hone::kernel
