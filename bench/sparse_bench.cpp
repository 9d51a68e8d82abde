// Products of coded rows with a sparse weight against the dense one of the same codes, in turns.
//   sparse_bench [ISA] [THREADS] [ROUNDS]
// Weights of many layers, more than the caches hold, are read once a round, as a token does; memory is read
// in turns with them, to know the limit. Medians, and the best tenth: neighbours only ever slow a machine
// down. What one thread reads from its own cache says how far from computing the limit is.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "kernel/coded.hpp"
#include "kernel/masked_product.hpp"
#include "machine/yardstick.hpp"

namespace {

using namespace hone;
using namespace hone::kernel;

constexpr std::int64_t N = 1536, K = 576, layers = 150;

struct Case {
  const char* name;
  Element type;
  SparseForm form;
  double density;
  std::int64_t rows;
};
constexpr Case cases[] = {{"8 bits, 20 %", Element::q8_g64, SparseForm::bitmap, 0.2, 1},
                          {"8 bits, half", Element::q8_g64, SparseForm::bitmap, 0.5, 1},
                          {"8 bits, 70 %", Element::q8_g64, SparseForm::bitmap, 0.7, 1},
                          {"8 bits, 2:4", Element::q8_g64, SparseForm::two_of_four, 0.5, 1},
                          {"4 bits, half", Element::q4_g64, SparseForm::bitmap, 0.5, 1},
                          {"4 bits, 2:4", Element::q4_g64, SparseForm::two_of_four, 0.5, 1},
                          {"8 bits, half", Element::q8_g64, SparseForm::bitmap, 0.5, 64},
                          {"8 bits, 2:4", Element::q8_g64, SparseForm::two_of_four, 0.5, 64},
                          {"4 bits, half", Element::q4_g64, SparseForm::bitmap, 0.5, 64},
                          {"4 bits, 2:4", Element::q4_g64, SparseForm::two_of_four, 0.5, 64}};

// Of each four places in a row two that are drawn.
bool is_kept_of_four(Stream& random, std::size_t i, int& first, int& second) {
  if (i % 4 == 0) {
    first = static_cast<int>(random.below(4));
    second = (first + 1 + static_cast<int>(random.below(3))) % 4;
  }
  return static_cast<int>(i % 4) == first || static_cast<int>(i % 4) == second;
}

struct Weights {
  StreamFormat format;
  std::vector<std::byte> stream, panels;

  explicit Weights(const Case& c) {
    Stream random(stream_key("sparse", 1));
    const std::uint8_t zero = zero_code_of(c.type);
    std::vector<std::uint8_t> codes(N * K);
    int first = 0, second = 0;
    for (std::size_t i = 0; i < codes.size(); ++i) {
      const bool kept = c.form == SparseForm::two_of_four ? is_kept_of_four(random, i, first, second)
                                                          : random.uniform() < c.density;
      const auto drawn = static_cast<std::uint8_t>(1 + random.below(zero - 1));
      codes[i] = kept ? drawn : zero;
    }
    const std::vector<float> scales(N * K / packing(c.type).elements, 0x1p-7f);
    const SparseFormat sparse{c.form, 1, c.type};
    const SparseBytes parts = sparse_from_codes(sparse, N, K, codes, scales);
    const SparseRows rows(sparse, N, K, parts.parts());
    format = stream_format(sparse);
    stream.resize(static_cast<std::size_t>(stream_bytes(format, N, K, parts.kept)));
    begin_stream(format, rows, stream);
    pack_stream(format, rows, 0, panel_count(N), stream);
    const std::vector<float> minima(code_format(c.type).has_minimum ? scales.size() : 0,
                                    -0x1p-7f * static_cast<float>(zero));
    std::vector<std::byte> blocks(static_cast<std::size_t>(row_bytes(c.type, N * K)));
    pack_codes(c.type, codes, scales, minima, blocks);
    panels.resize(static_cast<std::size_t>(panel_bytes(c.type, N, K)));
    pack_panels({blocks.data(), c.type}, N, K, 0, panel_count(N), panels);
  }
};

double seconds_of(const auto& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

struct Samples {
  std::vector<double> all;
  double at(double share) {
    std::ranges::sort(all);
    return all[static_cast<std::size_t>(static_cast<double>(all.size() - 1) * share)];
  }
};

struct Products {
  CodedProduct dense;
  MaskedCoded sparse;
  Isa isa;
  void* scratch;

  double dense_seconds(const std::vector<Weights>& all, ThreadPool& pool, int times = 1) {
    return seconds_of([&] {
      for (int i = 0; i < times; ++i)
        for (const Weights& w : all) dense.panels = w.panels.data(), run(dense, isa, pool, scratch);
    });
  }
  double sparse_seconds(const std::vector<Weights>& all, ThreadPool& pool, int times = 1) {
    return seconds_of([&] {
      for (int i = 0; i < times; ++i)
        for (const Weights& w : all) sparse.stream = w.stream.data(), run(sparse, isa, pool, scratch);
    });
  }
};

void compare(const Case& c, Isa isa, ThreadPool& pool, int rounds, const std::vector<std::byte>& memory) {
  const Weights first(c);
  const std::vector<Weights> one(1, first), all(layers, first);  // copies in memory of their own
  std::vector<float> x(static_cast<std::size_t>(c.rows * K), 0.5f), y(static_cast<std::size_t>(c.rows * N));
  std::vector<std::int8_t> codes(x.size());
  std::vector<float> scales(x.size() / 16);
  std::vector<std::int32_t> sums(x.size() / 32);
  const RowCodes a{K, codes.data(), scales.data(), sums.data()};
  code_rows({x.data(), Element::f32}, K, K, c.rows, a, isa, pool);
  const Gemm gemm{.M = c.rows, .N = N, .K = K, .c = {y.data(), Element::f32}, .c_stride = N};
  Products products{{gemm, a, c.type, nullptr}, {gemm, a, first.format, nullptr}, isa, nullptr};
  std::vector<std::byte> scratch(static_cast<std::size_t>(scratch_bytes(products.dense, pool.threads())));
  products.scratch = scratch.data();
  Samples dense, sparse, read, cached;
  ThreadPool alone(1);
  for (int round = 0; round < rounds; ++round) {
    dense.all.push_back(products.dense_seconds(all, pool));
    sparse.all.push_back(products.sparse_seconds(all, pool));
    if (c.rows > 1) continue;
    read.all.push_back(-read_gb_s(pool, isa, memory));
    cached.all.push_back(products.sparse_seconds(one, alone, 20) / 20);
  }
  const double gb = static_cast<double>(first.stream.size()) * layers / 1e9,
               bytes = static_cast<double>(first.panels.size()) / static_cast<double>(first.stream.size());
  std::printf("%-12s %2lld rows %.2f bits: dense %6.2f ms, sparse %6.2f ms: %.2fx; best tenth %.2fx", c.name,
              static_cast<long long>(c.rows), 8.0 * static_cast<double>(first.stream.size()) / (N * K),
              1e3 * dense.at(0.5), 1e3 * sparse.at(0.5), dense.at(0.5) / sparse.at(0.5),
              dense.at(0.1) / sparse.at(0.1));
  if (c.rows == 1)
    std::printf(
        "; by bytes %.2fx. GB/s, best tenth: dense %.0f, sparse %.0f, memory %.0f; from a cache %.0f a core",
        bytes, gb * bytes / dense.at(0.1), gb / sparse.at(0.1), -read.at(0.1), gb / layers / cached.at(0.1));
  std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
  const Isa isa = argc > 1 ? isa_from_name(argv[1]) : best_isa();
  ThreadPool pool(argc > 2 ? std::atoi(argv[2]) : 2);
  const int rounds = argc > 3 ? std::atoi(argv[3]) : 101;
  const std::vector<std::byte> memory(std::size_t{128} << 20, std::byte{1});
  std::printf("%s, %d threads\n", std::string(name(isa)).c_str(), pool.threads());
  for (const Case& c : cases) compare(c, isa, pool, c.rows == 1 ? rounds : std::max(1, rounds / 10), memory);
}
