// Products with a weight of which blocks are kept against the dense one, in turns: 256 rows, and one row of
// weights that no cache holds.
//   block_bench [ISA] [THREADS] [SHARE KEPT]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "base/random.hpp"
#include "base/types.hpp"
#include "kernel/block_product.hpp"
#include "kernel/few_rows.hpp"

namespace {

using namespace hone;
using namespace hone::kernel;

constexpr std::int64_t N = 1536, K = 576;
constexpr int rounds = 25;

void put(std::byte* to, Element type, std::int64_t i, float x) {
  const bf16 half = to_bf16(x);
  if (type == Element::bf16)
    std::memcpy(to + 2 * i, &half, 2);
  else
    std::memcpy(to + 4 * i, &x, 4);
}

// [N,K], and what is kept of it.
struct Weight {
  std::vector<std::byte> dense, strips;

  Weight(std::int64_t block_rows, Element type, bool pairs, float share)
      : dense(static_cast<std::size_t>(row_bytes(type, N * K))) {
    Stream stream(stream_key("blocks", 1));
    std::vector<float> values(N * K);
    for (std::int64_t i = 0; i < N; i += block_rows)
      for (std::int64_t k = 0; k < K; ++k) {
        const bool kept = stream.uniform() < share;
        for (std::int64_t r = i; kept && r < i + block_rows; ++r)
          values[static_cast<std::size_t>(r * K + k)] = to_f32(to_bf16(stream.normal()));
      }
    for (std::int64_t i = 0; i < N * K; ++i) put(dense.data(), type, i, values[static_cast<std::size_t>(i)]);
    const SparseFormat format{SparseForm::block, block_rows, type};
    const SparseBytes parts = sparse_from_values(format, N, K, values);
    const SparseRows rows(format, N, K, parts.parts());
    strips.resize(static_cast<std::size_t>(strips_bytes(block_rows, N, parts.kept, pairs)));
    begin_strips(rows, block_rows, pairs, strips);
    pack_strips(rows, block_rows, pairs, 0, strip_count(block_rows, N), strips);
  }
};

double ms_of(const auto& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}
double median(std::vector<double> ms) {
  std::ranges::sort(ms);
  return ms[ms.size() / 2];
}

void compare(std::int64_t block_rows, Element type, std::int64_t M, float share, Isa isa, ThreadPool& pool) {
  const bool pairs = type == Element::bf16 && isa == Isa::avx512_bf16, few = M == 1;
  const std::vector<Weight> all(few ? 100 : 4, Weight(block_rows, type, pairs, share));
  std::vector<std::byte> x(static_cast<std::size_t>(row_bytes(type, M * K)));
  std::vector<float> y(static_cast<std::size_t>(M * N));
  for (std::int64_t i = 0; i < M * K; ++i) put(x.data(), type, i, 0.01f * static_cast<float>(i % 97));
  Gemm gemm{.M = M, .N = N, .K = K, .a = {x.data(), type}, .a_stride = K, .b = {nullptr, type}};
  gemm.b_stride = K, gemm.b_transposed = true, gemm.c = {y.data(), Element::f32}, gemm.c_stride = N;
  BlockLinear blocks{.product = gemm, .block_rows = block_rows, .pairs = pairs, .few = few};
  const std::int64_t most = std::max({scratch_bytes(gemm, isa, pool.threads()), scratch_bytes(FewRows{gemm}),
                                      scratch_bytes(blocks, pool.threads())});
  std::vector<float> scratch(static_cast<std::size_t>(most) / sizeof(float) + 1);
  std::vector<double> dense_ms, block_ms;
  for (int round = 0; round < rounds; ++round) {
    dense_ms.push_back(ms_of([&] {
      for (const Weight& w : all) {
        gemm.b.data = w.dense.data();
        few ? run(FewRows{gemm}, isa, pool, scratch.data()) : run(gemm, isa, pool, scratch.data());
      }
    }));
    block_ms.push_back(ms_of([&] {
      for (const Weight& w : all) blocks.stream = w.strips.data(), run(blocks, isa, pool, scratch.data());
    }));
  }
  const double dense = median(dense_ms), sparse = median(block_ms), count = static_cast<double>(all.size());
  std::printf("%s, %2lldx1, %s, %3lld rows: dense %.3f ms, blocks %.3f ms, %.2fx\n",
              std::string(name(isa)).c_str(), static_cast<long long>(block_rows),
              type == Element::bf16 ? "bf16" : "f32 ", static_cast<long long>(M), dense / count,
              sparse / count, dense / sparse);
}

}  // namespace

int main(int argc, char** argv) {
  const Isa isa = argc > 1 ? isa_from_name(argv[1]) : best_isa();
  ThreadPool pool(argc > 2 ? std::atoi(argv[2]) : 2);
  const float share = argc > 3 ? std::strtof(argv[3], nullptr) : 0.2f;
  for (const std::int64_t block_rows : {16, 4})
    for (const Element type : {Element::f32, Element::bf16})
      for (const std::int64_t M : {256, 1}) compare(block_rows, type, M, share, isa, pool);
}
