// Products with panels, against the same sum in f64 over coded rows; their bits.
#include "kernel/coded_product.hpp"

#include <cmath>

#include "kernel/blocks.hpp"
#include "kernel/buffer.hpp"
#include "kernel/coded.hpp"
#include "kernel/coded_rows.hpp"
#include "kernel/quantize.hpp"

namespace hone::kernel {
namespace {

std::vector<Element> types() {
  std::vector<Element> all;
  for (int e = 0; e < element_types + block_types; ++e)
    if (has_panels(static_cast<Element>(e))) all.push_back(static_cast<Element>(e));
  return all;
}

struct Weight {
  std::int64_t N, K;
  Element type;
  std::vector<std::byte> panels;
  std::vector<float> values;

  Weight(Element type_, std::int64_t N_, std::int64_t K_) : N(N_), K(K_), type(type_) {
    std::vector<std::byte> blocks(static_cast<std::size_t>(row_bytes(type, N * K)));
    quantize(type, normals(N * K, 3), blocks);
    values.resize(static_cast<std::size_t>(N * K));
    expand({blocks.data(), type}, values);
    panels.resize(static_cast<std::size_t>(panel_bytes(type, N, K)));
    pack_panels({blocks.data(), type}, N, K, 0, panel_count(N), panels);
  }
};

std::vector<float> product(const Weight& w, Codes& x, std::int64_t M, Isa isa, int threads) {
  std::vector<float> y(static_cast<std::size_t>(M * w.N));
  const CodedProduct p{{.M = M, .N = w.N, .K = w.K, .c = {y.data(), Element::f32}, .c_stride = w.N},
                       x.rows(),
                       w.type,
                       w.panels.data()};
  std::vector<float> scratch(static_cast<std::size_t>(scratch_bytes(p, threads)) / sizeof(float));
  ThreadPool pool(threads);
  run(p, isa, pool, scratch.data());
  return y;
}

TEST(CodedProduct, IsTheProductOfCodedRows) {
  for (const Element type : types())
    for (const std::int64_t N : {1, 16, 37, 70}) {
      constexpr std::int64_t K = 384, M = 9;
      const Weight w(type, N, K);
      const std::vector<float> x = normals(M * K, 1);
      for (const Isa isa : isas()) {
        Codes codes(x, K, isa);
        const auto y = product(w, codes, M, isa, 2);
        for (std::int64_t r = 0; r < M; ++r)
          for (std::int64_t j = 0; j < N; ++j) {
            double sum = 0, size = 0;
            for (std::int64_t k = 0; k < K; ++k) {
              const auto at = static_cast<std::size_t>(r * K + k);
              const double coded = static_cast<double>(codes.scales[2 * (at / 32)]) * codes.codes[at];
              ASSERT_NEAR(coded, static_cast<double>(x[at]),
                          0.51 * static_cast<double>(codes.scales[2 * (at / 32)]));
              const double term = coded * static_cast<double>(w.values[static_cast<std::size_t>(j * K + k)]);
              sum += term, size += std::abs(term);
            }
            ASSERT_NEAR(y[static_cast<std::size_t>(r * N + j)], sum, 4e-6 * size)
                << name(isa) << " type " << static_cast<int>(type) << " " << r << " " << j;
          }
      }
    }
}

TEST(CodedProduct, SameBitsForAnyRowsThreadsAndVectors) {
  for (const Element type : types()) {
    constexpr std::int64_t K = 256, M = 133;
    const Weight w(type, 150, K);
    const std::vector<float> x = normals(M * K, 2);
    Codes all_rows(x, K, Isa::avx2);
    const auto all = product(w, all_rows, M, Isa::avx2, 1);
    for (const Isa isa : isas()) {
      if (isa == Isa::portable) continue;
      Codes again(x, K, isa);
      ASSERT_EQ(again.codes, all_rows.codes);
      ASSERT_EQ(again.scales, all_rows.scales);
      ASSERT_EQ(product(w, again, M, isa, 3), all) << name(isa) << " type " << static_cast<int>(type);
      for (const std::int64_t rows : {1, 2, 3, 4, 5, 8}) {
        const std::int64_t row = 7;
        Codes some({x.begin() + row * K, x.begin() + (row + rows) * K}, K, isa);
        const auto y = product(w, some, rows, isa, 2);
        ASSERT_TRUE(std::equal(y.begin(), y.end(), all.begin() + row * w.N))
            << name(isa) << " rows " << rows << " type " << static_cast<int>(type);
      }
    }
  }
}

// The largest codes on both sides: no sum of a pair saturates.
TEST(CodedProduct, LargestCodesDoNotSaturate) {
  for (const Element type : types()) {
    const CodeFormat f = code_format(type);
    constexpr std::int64_t K = 128, N = 16;
    for (const int code : {0, f.codes() - 1}) {
      const std::vector<std::uint8_t> codes(N * K, static_cast<std::uint8_t>(code));
      const std::vector<float> ones(static_cast<std::size_t>(N * K / f.group), 1.0f), zeros(ones.size());
      std::vector<std::byte> blocks(static_cast<std::size_t>(row_bytes(type, N * K)));
      pack_codes(type, codes, ones, zeros, blocks);
      Weight w(type, N, K);
      pack_panels({blocks.data(), type}, N, K, 0, 1, w.panels);
      for (const float sign : {1.0f, -1.0f})
        for (const Isa isa : isas()) {
          Codes x(std::vector<float>(K, sign * 127), K, isa);
          for (const float y : product(w, x, 1, isa, 1))
            ASSERT_EQ(y, sign * 127 * static_cast<float>((code - f.zero) * K)) << name(isa);
        }
    }
  }
}

}  // namespace
}  // namespace hone::kernel
