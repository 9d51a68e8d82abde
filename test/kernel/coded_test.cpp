// Codes that somebody chose, packed into blocks: the kernels read what was packed.
#include "kernel/coded.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/random.hpp"
#include "kernel/blocks.hpp"
#include "kernel/quantize.hpp"

namespace hone::kernel {
namespace {

std::vector<Element> coded_types() {
  std::vector<Element> all;
  for (int e = 0; e < element_types + block_types; ++e)
    if (find_code_format(static_cast<Element>(e))) all.push_back(static_cast<Element>(e));
  return all;
}

struct Codes {
  std::vector<std::uint8_t> codes;
  std::vector<float> scales, minima;
};

Codes drawn(const CodeFormat& f, std::int64_t groups) {
  Stream stream(stream_key("codes", 1));
  Codes c;
  for (std::int64_t i = 0; i < groups * f.group; ++i)
    c.codes.push_back(static_cast<std::uint8_t>(stream.below(static_cast<std::uint32_t>(f.codes()))));
  for (std::int64_t g = 0; g < groups; ++g) {
    c.scales.push_back(stream.normal() / 64);
    c.minima.push_back(f.has_minimum ? stream.normal() / 8 : 0);
  }
  return c;
}

TEST(Coded, TypesHaveTheSizesOfTheirBitsAndGroups) {
  EXPECT_EQ(coded_types().size(), 13U);
  for (const Element type : coded_types()) {
    const CodeFormat f = code_format(type);
    EXPECT_EQ(packing(type).elements, f.group);
    EXPECT_EQ(packing(type).bytes, f.group * f.bits / 8 + (f.has_minimum ? 4 : 2)) << static_cast<int>(type);
    EXPECT_EQ(coded_type(f.bits, f.group, f.has_minimum), type);
  }
  EXPECT_FALSE(coded_type(4, 16, true));
  EXPECT_FALSE(coded_type(3, 64, false));
  EXPECT_FALSE(find_code_format(Element::q4_k));
}

TEST(Coded, ExpansionIsScaleTimesCodePlusMinimum) {
  for (const Element type : coded_types()) {
    const CodeFormat f = code_format(type);
    const Codes c = drawn(f, 5);
    std::vector<std::byte> blocks(static_cast<std::size_t>(row_bytes(type, std::ssize(c.codes))));
    pack_codes(type, c.codes, c.scales, c.minima, blocks);
    std::vector<float> values(c.codes.size());
    expand({blocks.data(), type}, values);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::size_t g = i / static_cast<std::size_t>(f.group);
      const float product = as_packed(c.scales[g]) * static_cast<float>(c.codes[i] - f.zero);
      ASSERT_EQ(values[i], product + as_packed(c.minima[g])) << static_cast<int>(type) << " " << i;
    }
  }
}

TEST(Coded, UnpackedIsWhatWasPacked) {
  for (const Element type : coded_types()) {
    const CodeFormat f = code_format(type);
    const Codes c = drawn(f, 3);
    std::vector<std::byte> blocks(static_cast<std::size_t>(row_bytes(type, std::ssize(c.codes))));
    pack_codes(type, c.codes, c.scales, c.minima, blocks);
    std::vector<std::uint8_t> codes(c.codes.size());
    std::vector<float> scales(3), minima(3);
    unpack_codes(type, blocks, codes, scales, minima);
    EXPECT_EQ(codes, c.codes) << static_cast<int>(type);
    for (std::size_t g = 0; g < 3; ++g) {
      EXPECT_EQ(scales[g], as_packed(c.scales[g]));
      EXPECT_EQ(minima[g], as_packed(c.minima[g]));
    }
  }
}

// A row that ends within a group: its elements come back, and the zero code stands behind them.
TEST(Coded, ARowMayEndWithinAGroup) {
  for (const Element type : coded_types()) {
    const CodeFormat f = code_format(type);
    const Codes c = drawn(f, 3);
    for (const std::int64_t count : {2 * f.group + 1, 3 * f.group - 1}) {
      const auto codes = std::span(c.codes).first(static_cast<std::size_t>(count));
      std::vector<std::byte> blocks(static_cast<std::size_t>(row_bytes(type, count)));
      ASSERT_EQ(std::ssize(blocks), 3 * packing(type).bytes);
      pack_codes(type, codes, c.scales, c.minima, blocks);
      std::vector<std::uint8_t> back(codes.size()), all(c.codes.size());
      std::vector<float> scales(3), minima(3), values(codes.size());
      unpack_codes(type, blocks, back, scales, minima);
      EXPECT_TRUE(std::ranges::equal(back, codes)) << static_cast<int>(type);
      unpack_codes(type, blocks, all, scales, minima);
      EXPECT_TRUE(std::equal(codes.begin(), codes.end(), all.begin()));
      EXPECT_EQ(std::count(all.begin() + count, all.end(), f.zero), std::ssize(all) - count);
      expand({blocks.data(), type}, values);
      for (std::size_t i = 0; i < values.size(); ++i) {
        const std::size_t g = i / static_cast<std::size_t>(f.group);
        ASSERT_EQ(values[i], scales[g] * static_cast<float>(codes[i] - f.zero) + minima[g]) << i;
      }
    }
  }
}

// To nearest: no element is farther off than half a step, and what rounding scale and minimum to f16 adds.
TEST(Coded, QuantizedRowsAreNear) {
  Stream stream(stream_key("row", 2));
  std::vector<float> row(512);
  for (float& x : row) x = stream.normal();
  for (const Element type : coded_types()) {
    if (type <= Element::q6_k) continue;
    const CodeFormat f = code_format(type);
    std::vector<std::byte> blocks(static_cast<std::size_t>(row_bytes(type, std::ssize(row))));
    quantize(type, row, blocks);
    std::vector<std::uint8_t> codes(row.size());
    std::vector<float> scales(row.size() / static_cast<std::size_t>(f.group)), minima(scales.size()),
        values(row.size());
    unpack_codes(type, blocks, codes, scales, minima);
    expand({blocks.data(), type}, values);
    for (std::size_t i = 0; i < row.size(); ++i) {
      const float step = scales[i / static_cast<std::size_t>(f.group)];
      ASSERT_LE(std::abs(values[i] - row[i]), 0.5f * step + 4e-3f) << static_cast<int>(type) << " " << i;
    }
  }
}

}  // namespace
}  // namespace hone::kernel
