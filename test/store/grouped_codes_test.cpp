// Codes in groups of any size: what is packed comes back, whole weights have the values that codes stand for.
#include "store/grouped_codes.hpp"

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "base/types.hpp"
#include "ir/values.hpp"
#include "kernel/coded.hpp"

namespace hone {
namespace {

struct Case {
  std::int64_t rows, columns;
  CodeGroups groups;
  std::vector<std::uint8_t> codes;
  std::vector<float> scales, minima;

  Case(std::int64_t N, std::int64_t K, const CodeGroups& g) : rows(N), columns(K), groups(g) {
    Stream stream(stream_key("codes", 7));
    codes.resize(static_cast<std::size_t>(N * K));
    for (auto& code : codes) code = static_cast<std::uint8_t>(stream.uniform() * (1 << g.bits));
    scales.resize(static_cast<std::size_t>(N * ((K + g.group - 1) / g.group)));
    minima.resize(scales.size());
    for (auto& x : scales) x = kernel::as_packed(0.01f + static_cast<float>(stream.uniform()));
    for (auto& x : minima) x = kernel::as_packed(static_cast<float>(stream.normal()));
  }
  float expected(std::int64_t r, std::int64_t c, bool about_zero) const {
    const auto g =
        static_cast<std::size_t>(r * ((columns + groups.group - 1) / groups.group) + c / groups.group);
    const auto code = static_cast<float>(codes[static_cast<std::size_t>(r * columns + c)]);
    if (about_zero) return scales[g] * (code - static_cast<float>(1 << (groups.bits - 1)));
    return scales[g] * code + minima[g];
  }
};

std::vector<float> whole(const WeightTree& tree) {
  const TensorType type{tree.shape, tree.type.dtype};
  std::vector<std::byte> bytes(static_cast<std::size_t>(type.bytes()));
  expand_tree(tree, bytes);
  std::vector<float> values(static_cast<std::size_t>(tree.shape.elements()));
  widen(bytes, type, values);
  return values;
}

TEST(GroupedCodes, StandForWhatTheyAreMadeOf) {
  int in_blocks = 0, in_f32 = 0;
  for (const int bits : {2, 3, 4, 8})
    for (const std::int64_t K : {1, 7, 64, 100, 576})
      for (const std::int64_t group : {1, 5, 16, 48, 96, 160, 256, 576, 5000})
        for (const bool about_zero : {false, true}) {
          if (bits == 8 && !about_zero) continue;
          SCOPED_TRACE(testing::Message() << bits << " bits, " << K << " in " << group << " " << about_zero);
          const Case c(3, K, {bits, group});
          const auto tree = grouped_codes(c.groups, {3, K}, c.codes, c.scales,
                                          about_zero ? std::span<const float>() : c.minima);
          EXPECT_EQ(tree->find("minima") == nullptr, about_zero);
          const bool blocks = is_blocks(tree->type.dtype);
          EXPECT_EQ(blocks, group % 32 == 0 || group >= K);
          ++(blocks ? in_blocks : in_f32);
          const std::vector<float> values = whole(*tree);
          for (std::int64_t r = 0; r < 3; ++r)
            for (std::int64_t k = 0; k < K; ++k)
              ASSERT_EQ(values[static_cast<std::size_t>(r * K + k)], c.expected(r, k, about_zero))
                  << r << " " << k;
        }
  EXPECT_GT(in_blocks, 50);
  EXPECT_GT(in_f32, 50);
}

TEST(GroupedCodes, TakeTheBitsOfTheirCodesAndGroups) {
  const Case c(4, 100, {3, 48});  // 300 bits a row, three groups
  EXPECT_EQ(grouped_codes(c.groups, {4, 100}, c.codes, c.scales, c.minima)->bytes(), 4 * (38 + 3 * 4));
  EXPECT_EQ(grouped_codes(c.groups, {4, 100}, c.codes, c.scales, {})->bytes(), 4 * (38 + 3 * 2));
}

// Those with the fewest bytes that groups are made of, of equals the narrower ones.
TEST(GroupedCodes, AreExpandedToBlocks) {
  EXPECT_EQ(type_of_groups({4, 256}, 1024, false), DType::q4_g128);
  EXPECT_EQ(type_of_groups({4, 192}, 1024, false), DType::q4_g64);
  EXPECT_EQ(type_of_groups({4, 96}, 1024, false), DType::q4_1);
  EXPECT_EQ(type_of_groups({4, 96}, 1024, true), DType::q4_0);
  EXPECT_EQ(type_of_groups({8, 256}, 1024, true), DType::q8_g128);
  EXPECT_EQ(type_of_groups({2, 576}, 576, false), DType::q2_g64);
  EXPECT_EQ(type_of_groups({2, 100}, 576, false), DType::f32);
}

}  // namespace
}  // namespace hone
