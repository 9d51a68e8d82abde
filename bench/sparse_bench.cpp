// Products of coded rows with a sparse weight of eight bits against the dense one of the same codes, in
// turns.
//   sparse_bench [ISA] [THREADS]
// Weights of many layers, more than the caches hold, are read once a round: what a token, or a prompt's
// chunk, does. Medians, and the range of the middle 80 %.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "base/random.hpp"
#include "kernel/coded.hpp"
#include "kernel/masked_product.hpp"

namespace {

using namespace hone;
using namespace hone::kernel;

constexpr std::int64_t N = 1536, K = 576, layers = 150, group = 64;
constexpr Element type = Element::q8_g64;

struct Weights {
  std::vector<std::byte> stream, panels;

  explicit Weights(double density) {
    Stream random(stream_key("sparse", 1));
    std::vector<std::uint8_t> codes(N * K);
    for (std::uint8_t& code : codes) {
      const bool kept = random.uniform() < density;
      const auto drawn = static_cast<std::uint8_t>(1 + random.uniform() * 127);
      code = kept ? drawn : zero_code;
    }
    const std::vector<float> scales(N * K / group, 0.01f);
    const SparseFormat format{SparseForm::bitmap, 1, type};
    const SparseBytes parts = sparse_from_codes(format, N, K, codes, scales);
    const SparseRows rows(format, N, K, parts.parts());
    stream.resize(static_cast<std::size_t>(masked_bytes(N, K, group, parts.kept)));
    begin_stream(rows, stream);
    pack_masked(rows, 0, panel_count(N), stream);
    std::vector<std::byte> blocks(static_cast<std::size_t>(row_bytes(type, N * K)));
    pack_codes(type, codes, scales, {}, blocks);
    panels.resize(static_cast<std::size_t>(panel_bytes(type, N, K)));
    pack_panels({blocks.data(), type}, N, K, 0, panel_count(N), panels);
  }
};

double ms_of(const auto& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

void print(const char* what, std::vector<double> ms) {
  std::ranges::sort(ms);
  std::printf("  %-7s %.2f ms (%.2f to %.2f)", what, ms[ms.size() / 2], ms[ms.size() / 10],
              ms[ms.size() * 9 / 10]);
}

void compare(const Weights& first, std::int64_t M, double density, Isa isa, ThreadPool& pool, int rounds) {
  const std::vector<Weights> all(layers, first);  // copies in memory of their own
  std::vector<float> x(static_cast<std::size_t>(M * K), 0.5f), y(static_cast<std::size_t>(M * N));
  std::vector<std::int8_t> codes(x.size());
  std::vector<float> scales(x.size() / 16);
  std::vector<std::int32_t> sums(x.size() / 32);
  const RowCodes a{K, codes.data(), scales.data(), sums.data()};
  code_rows({x.data(), Element::f32}, K, K, M, a, isa, pool);
  const Gemm gemm{.M = M, .N = N, .K = K, .c = {y.data(), Element::f32}, .c_stride = N};
  CodedProduct dense{gemm, a, type, nullptr};
  MaskedCoded sparse{gemm, a, group, nullptr};
  std::vector<std::byte> scratch(static_cast<std::size_t>(scratch_bytes(dense, pool.threads())));
  std::vector<double> dense_ms, sparse_ms;
  for (int round = 0; round < rounds; ++round) {
    dense_ms.push_back(ms_of([&] {
      for (const Weights& w : all) dense.panels = w.panels.data(), run(dense, isa, pool, scratch.data());
    }));
    sparse_ms.push_back(ms_of([&] {
      for (const Weights& w : all) sparse.stream = w.stream.data(), run(sparse, isa, pool, scratch.data());
    }));
  }
  std::printf("%s, %lld rows, density %.2f, %.2f bits a weight:", std::string(name(isa)).c_str(),
              static_cast<long long>(M), density, 8.0 * static_cast<double>(first.stream.size()) / (N * K));
  print("dense", dense_ms), print("sparse", sparse_ms);
  std::ranges::sort(dense_ms), std::ranges::sort(sparse_ms);
  std::printf("  %.2fx\n", dense_ms[dense_ms.size() / 2] / sparse_ms[sparse_ms.size() / 2]);
}

}  // namespace

int main(int argc, char** argv) {
  const Isa isa = argc > 1 ? isa_from_name(argv[1]) : best_isa();
  ThreadPool pool(argc > 2 ? std::atoi(argv[2]) : 2);
  for (const double density : {0.2, 0.5, 0.7}) {
    const Weights weights(density);
    compare(weights, 1, density, isa, pool, 21);
    compare(weights, 64, density, isa, pool, 5);
  }
}
