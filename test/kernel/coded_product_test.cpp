// Products with panels, against the same sum in f64 over coded rows; their bits.
#include "kernel/coded_product.hpp"

#include <cmath>

#include "kernel/buffer.hpp"
#include "kernel/coded.hpp"
#include "kernel/coded_rows.hpp"
#include "kernel/quantized_rows.hpp"

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
    const std::vector<std::byte> blocks = quantized_rows(type, normals(N * K, 3), K);
    values = expanded_rows(type, blocks, K);
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
    for (const auto& [N, K] : {std::pair<std::int64_t, std::int64_t>{1, 384},
                               {16, 384},
                               {37, 384},
                               {70, 384},
                               {37, 7},
                               {16, 33},
                               {37, 100},
                               {70, 180},
                               {5, 600}}) {
      constexpr std::int64_t M = 9;
      const std::int64_t row = filled_up(type, K);
      const Weight w(type, N, K);
      const std::vector<float> x = normals(M * K, 1);
      for (const Isa isa : isas()) {
        Codes codes(x, K, row, isa);
        const auto y = product(w, codes, M, isa, 2);
        for (std::int64_t r = 0; r < M; ++r)
          for (std::int64_t j = 0; j < N; ++j) {
            double sum = 0, size = 0;
            for (std::int64_t k = 0; k < K; ++k) {
              const auto at = static_cast<std::size_t>(r * row + k);
              const double coded = static_cast<double>(codes.scales[2 * (at / 32)]) * codes.codes[at];
              ASSERT_NEAR(coded, static_cast<double>(x[static_cast<std::size_t>(r * K + k)]),
                          0.51 * static_cast<double>(codes.scales[2 * (at / 32)]));
              const double term = coded * static_cast<double>(w.values[static_cast<std::size_t>(j * K + k)]);
              sum += term, size += std::abs(term);
            }
            ASSERT_NEAR(y[static_cast<std::size_t>(r * N + j)], sum, 4e-6 * size)
                << name(isa) << " type " << static_cast<int>(type) << " K " << K << " " << r << " " << j;
          }
      }
    }
}

// What fills up a row's last group may be anything: x has zeros there.
TEST(CodedProduct, WhatFillsUpARowCountsNothing) {
  constexpr std::int64_t N = 20, K = 100, M = 6;
  for (const Element type : types()) {
    const CodeFormat f = code_format(type);
    Weight w(type, N, K);
    std::vector<std::byte> blocks = quantized_rows(type, normals(N * K, 3), K);
    const auto row = static_cast<std::size_t>(row_bytes(type, K)),
               all = static_cast<std::size_t>(filled_up(type, K));
    std::vector<std::uint8_t> codes(all);
    std::vector<float> scales(all / static_cast<std::size_t>(f.group)), minima(scales.size());
    for (std::size_t r = 0; r < N; ++r) {
      const auto bytes = std::span(blocks).subspan(r * row, row);
      unpack_codes(type, bytes, codes, scales, minima);
      for (std::size_t k = K; k < all; ++k)
        codes[k] = static_cast<std::uint8_t>((31 * r + 7 * k) % static_cast<std::size_t>(f.codes()));
      pack_codes(type, codes, scales, minima, bytes);
    }
    const std::vector<std::byte> zeros = w.panels;
    Weight other = w;
    pack_panels({blocks.data(), type}, N, K, 0, panel_count(N), other.panels);
    ASSERT_NE(other.panels, zeros) << static_cast<int>(type);
    ASSERT_EQ(expanded_rows(type, blocks, K), w.values) << static_cast<int>(type);
    for (const Isa isa : isas()) {
      Codes x(normals(M * K, 1), K, filled_up(type, K), isa);
      ASSERT_EQ(product(other, x, M, isa, 2), product(w, x, M, isa, 2))
          << name(isa) << " type " << static_cast<int>(type);
    }
  }
}

TEST(CodedProduct, SameBitsForAnyRowsThreadsAndVectors) {
  for (const Element type : types())
    for (const std::int64_t K : {256, 180}) {
      constexpr std::int64_t M = 133;
      const std::int64_t row_of_codes = filled_up(type, K);
      const Weight w(type, 150, K);
      const std::vector<float> x = normals(M * K, 2);
      Codes all_rows(x, K, row_of_codes, Isa::avx2);
      const auto all = product(w, all_rows, M, Isa::avx2, 1);
      for (const Isa isa : isas()) {
        if (isa == Isa::portable) continue;
        Codes again(x, K, row_of_codes, isa);
        ASSERT_EQ(again.codes, all_rows.codes);
        ASSERT_EQ(again.scales, all_rows.scales);
        ASSERT_EQ(product(w, again, M, isa, 3), all) << name(isa) << " type " << static_cast<int>(type);
        for (const std::int64_t rows : {1, 2, 3, 4, 5, 8}) {
          const std::int64_t row = 7;
          Codes some({x.begin() + row * K, x.begin() + (row + rows) * K}, K, row_of_codes, isa);
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
