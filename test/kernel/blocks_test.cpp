// Products with rows of blocks, and what is made into blocks. Against the reference they are tested through
// the op's table, with room for activations that are coded in eight bits; here without it.
#include "kernel/blocks.hpp"

#include <cmath>
#include <limits>

#include "file/gguf.hpp"
#include "ir/type.hpp"
#include "kernel/buffer.hpp"
#include "kernel/few_rows.hpp"
#include "kernel/quantized_rows.hpp"
#include "op/common.hpp"

namespace hone::kernel {
namespace {

// Rows of blocks of one type. Of ggml's test/data/gguf/types.gguf has two of 512 elements, repeated here.
struct Weight {
  std::vector<std::byte> bytes;
  std::vector<float> values;
  std::int64_t N, K;
  Element type;
};

Weight weight_of(Element type, std::int64_t N, std::int64_t K) {
  const GgufFile file(HONE_TEST_DATA "/gguf/types.gguf");
  Weight w{{}, {}, N, K, type};
  if (type > Element::q6_k) w.bytes = quantized_rows(type, normals(N * K, 3), K);
  for (const GgufTensor& t : file.tensors()) {
    if (!t.type.dtype || !hone::is_blocks(*t.type.dtype) || op::element(*t.type.dtype) != type) continue;
    const auto all = file.bytes(t);
    const auto row = static_cast<std::size_t>(row_bytes(type, K));
    for (std::int64_t j = 0; j < N; ++j) {
      const std::size_t block = static_cast<std::size_t>(packing(type).bytes);
      const std::size_t first = static_cast<std::size_t>(j) * block % (all.size() - row + 1) / block * block;
      w.bytes.insert(w.bytes.end(), all.begin() + static_cast<std::ptrdiff_t>(first),
                     all.begin() + static_cast<std::ptrdiff_t>(first + row));
    }
  }
  w.values = expanded_rows(type, w.bytes, K);
  return w;
}

std::vector<float> product(const Weight& w, const std::vector<float>& x, std::int64_t M, Isa isa,
                           int threads) {
  std::vector<float> y(static_cast<std::size_t>(M * w.N));
  const FewRows few{{.M = M,
                     .N = w.N,
                     .K = w.K,
                     .a = {x.data(), Element::f32},
                     .a_stride = w.K,
                     .b = {w.bytes.data(), w.type},
                     .b_stride = w.K,
                     .b_transposed = true,
                     .c = {y.data(), Element::f32},
                     .c_stride = w.N}};
  std::vector<float> scratch(static_cast<std::size_t>(scratch_bytes(few)) / sizeof(float));
  ThreadPool pool(threads);
  run(few, isa, pool, scratch.data());
  return y;
}

// What a unit of 32 of a row is coded as: the largest magnitude is 127.
std::vector<double> coded(std::span<const float> x, std::size_t K) {
  std::vector<double> values;
  for (std::size_t u = 0; u < x.size(); u = std::min(u + 32, (u / K + 1) * K)) {
    const std::size_t end = std::min(u + 32, (u / K + 1) * K);
    float most = 0;
    for (std::size_t i = u; i < end; ++i) most = std::max(most, std::abs(x[i]));
    for (std::size_t i = u; i < end; ++i)
      values.push_back(static_cast<double>(most / 127) * std::nearbyint(x[i] * (127 / most)));
  }
  return values;
}

std::vector<Element> block_elements_all() {
  std::vector<Element> all;
  for (int e = static_cast<int>(Element::q8_0); e < element_types + block_types; ++e)
    all.push_back(static_cast<Element>(e));
  return all;
}

TEST(BlockDot, IsTheProductOfCodedRows) {
  for (const Element type : block_elements_all())
    for (const std::int64_t K : {256, 512, 7, 33, 100, 180}) {
      const Weight w = weight_of(type, 7, K);
      const std::vector<float> x = normals(5 * K, 1);
      const std::vector<double> rows = coded(x, static_cast<std::size_t>(K));
      for (const Isa isa : isas()) {
        const auto y = product(w, x, 5, isa, 2);
        for (std::int64_t r = 0; r < 5; ++r)
          for (std::int64_t j = 0; j < w.N; ++j) {
            double sum = 0, size = 0;
            for (std::int64_t k = 0; k < K; ++k) {
              const double term = rows[static_cast<std::size_t>(r * K + k)] *
                                  static_cast<double>(w.values[static_cast<std::size_t>(j * K + k)]);
              sum += term, size += std::abs(term);
            }
            ASSERT_NEAR(y[static_cast<std::size_t>(r * w.N + j)], sum, 2e-6 * size)
                << name(isa) << " type " << static_cast<int>(type) << " K " << K << " " << r << " " << j;
          }
      }
    }
}

TEST(BlockDot, SameBitsForAnyRowsColumnsThreadsAndVectors) {
  for (const Element type : block_elements_all())
    for (const std::int64_t K : {256, 180}) {
      const Weight w = weight_of(type, 150, K);
      const std::vector<float> x = normals(7 * w.K, 2);
      const auto all = product(w, x, 7, Isa::avx2, 1);
      for (const Isa isa : isas()) {
        if (isa == Isa::portable) continue;
        ASSERT_EQ(product(w, x, 7, isa, 3), all) << name(isa);
        for (const std::int64_t row : {0, 3, 6}) {
          const std::vector<float> one(x.begin() + row * w.K, x.begin() + (row + 1) * w.K);
          const auto y = product(w, one, 1, isa, 2);
          ASSERT_TRUE(std::equal(y.begin(), y.end(), all.begin() + row * w.N)) << name(isa) << " row " << row;
        }
      }
    }
}

TEST(BlockDot, WhatIsNoNumberShows) {
  const Weight w = weight_of(Element::q4_0, 3, 256);
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()})
    for (const Isa isa : isas()) {
      std::vector<float> x(256, 1.0f);
      x[100] = bad;
      for (const float y : product(w, x, 1, isa, 1)) EXPECT_FALSE(std::isfinite(y)) << name(isa);
    }
}

TEST(BlockDot, ZerosAreZero) {
  for (const Element type : block_elements_all())
    for (const float y : product(weight_of(type, 3, 256), std::vector<float>(256), 1, isas().back(), 1))
      EXPECT_EQ(y, 0);
}

std::span<const std::byte> tensor(const GgufFile& file, const char* name) {
  return file.bytes(file.at(name));
}

TEST(Quantize, SimpleFormatsHaveGgmlsBits) {
  const GgufFile file(HONE_TEST_DATA "/gguf/quantized.gguf");
  const auto raw = tensor(file, "F32");
  const std::span rows(reinterpret_cast<const float*>(raw.data()), raw.size() / sizeof(float));
  for (const auto& [name, type] : {std::pair{"Q8_0", Element::q8_0}, std::pair{"Q4_0", Element::q4_0},
                                   std::pair{"Q4_1", Element::q4_1}, std::pair{"Q5_0", Element::q5_0}}) {
    std::vector<std::byte> found(static_cast<std::size_t>(row_bytes(type, std::ssize(rows))));
    quantize(type, rows, found);
    const auto expected = tensor(file, name);
    EXPECT_TRUE(std::equal(found.begin(), found.end(), expected.begin(), expected.end())) << name;
  }
}

double mean_square(std::span<const std::byte> blocks, Element type, std::span<const float> rows) {
  std::vector<float> values(rows.size());
  expand({blocks.data(), type}, values);
  double sum = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double off = static_cast<double>(values[i]) - static_cast<double>(rows[i]);
    sum += off * off;
  }
  return sum / static_cast<double>(rows.size());
}

// As good as ggml's, whose search is the same in other words.
TEST(Quantize, KQuantsLoseNoMoreThanGgmls) {
  const GgufFile file(HONE_TEST_DATA "/gguf/quantized.gguf");
  const auto raw = tensor(file, "F32");
  const std::span rows(reinterpret_cast<const float*>(raw.data()), raw.size() / sizeof(float));
  for (const auto& [name, type] : {std::pair{"Q4_K", Element::q4_k}, std::pair{"Q6_K", Element::q6_k}}) {
    std::vector<std::byte> found(static_cast<std::size_t>(row_bytes(type, std::ssize(rows))));
    quantize(type, rows, found);
    EXPECT_LT(mean_square(found, type, rows), 1.02 * mean_square(tensor(file, name), type, rows)) << name;
  }
}

TEST(Quantize, ZerosAndConstantsStay) {
  for (const Element type : block_elements_all()) {
    if (!can_quantize(type)) continue;
    for (const float value : {0.0f, 1.0f, -2.0f}) {
      const std::vector<float> row(256, value);
      std::vector<std::byte> blocks(static_cast<std::size_t>(row_bytes(type, 256)));
      quantize(type, row, blocks);
      EXPECT_LT(mean_square(blocks, type, row), 1e-4) << static_cast<int>(type) << " " << value;
    }
  }
}

}  // namespace
}  // namespace hone::kernel
