// Sparse weights taken apart and put together, and their products, against those of the dense weight.
#include "kernel/sparse.hpp"

#include "kernel/buffer.hpp"
#include "kernel/coded.hpp"
#include "kernel/coded_rows.hpp"
#include "kernel/masked_product.hpp"

namespace hone::kernel {
namespace {

// About `density` of the elements are not zero; whole columns of blocks of `height` rows.
std::vector<std::uint8_t> some_kept(std::int64_t N, std::int64_t K, double density, std::int64_t height = 1) {
  const std::vector<float> drawn = normals((N + height - 1) / height * K, 11);
  std::vector<std::uint8_t> kept(static_cast<std::size_t>(N * K));
  const double least = density >= 1 ? 0 : density <= 0 ? 9 : density > 0.4 ? 0.67 : density > 0.1 ? 1.3 : 2;
  for (std::int64_t i = 0; i < N * K; ++i)
    kept[static_cast<std::size_t>(i)] =
        std::abs(static_cast<double>(drawn[static_cast<std::size_t>(i / K / height * K + i % K)])) >= least;
  return kept;
}

struct Coded {
  std::vector<std::uint8_t> codes;
  std::vector<float> scales;
};
// Rows of K, in groups of a type.
Coded coded(const std::vector<std::uint8_t>& kept, std::int64_t K, Element type) {
  const std::vector<float> drawn = normals(std::ssize(kept), 5);
  Coded w{std::vector<std::uint8_t>(kept.size(), zero_code), {}};
  for (std::size_t i = 0; i < kept.size(); ++i)
    if (kept[i]) {
      const int code = std::clamp(static_cast<int>(drawn[i] * 50), -127, 127);
      w.codes[i] = static_cast<std::uint8_t>((code == 0 ? 1 : code) + zero_code);
    }
  for (std::int64_t g = 0; g < std::ssize(kept) / K * blocks_of_row(type, K); ++g)
    w.scales.push_back(as_packed(0.01f + 0.001f * static_cast<float>(g % 37)));
  return w;
}

std::vector<float> dense(const SparseRows& rows) {
  std::vector<float> all(static_cast<std::size_t>(rows.rows() * rows.columns()));
  for (std::int64_t r = 0; r < rows.rows(); ++r)
    rows.expand(r, std::span(all).subspan(static_cast<std::size_t>(r * rows.columns()),
                                          static_cast<std::size_t>(rows.columns())));
  return all;
}

TEST(Sparse, ValuesComeBackFromEveryForm) {
  const SparseFormat forms[] = {
      {SparseForm::csr, 1, Element::f32},    {SparseForm::bitmap, 1, Element::bf16},
      {SparseForm::bitmap, 1, Element::f16}, {SparseForm::two_of_four, 1, Element::f32},
      {SparseForm::block, 4, Element::bf16}, {SparseForm::block, 16, Element::f32}};
  for (const SparseFormat& f : forms)
    for (const double density : {0.0, 0.05, 0.2, 1.0}) {
      constexpr std::int64_t N = 21, K = 70;
      std::vector<std::uint8_t> kept = some_kept(N, K, density, f.block_rows);
      if (f.form == SparseForm::two_of_four)
        for (std::size_t i = 0; i < kept.size(); ++i) kept[i] = kept[i] && i % K % 4 < 2;
      std::vector<float> values = normals(N * K, 3);
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = kept[i] ? to_f32(to_bf16(values[i])) : 0;
      if (f.values == Element::f16)
        for (float& x : values) x = to_f32(to_f16(x));
      const SparseBytes parts = sparse_from_values(f, N, K, values);
      ASSERT_TRUE(SparseRows::is_sound(f, N, K, parts.parts(), parts.kept));
      ASSERT_EQ(dense(SparseRows(f, N, K, parts.parts())), values)
          << static_cast<int>(f.form) << " " << density;
    }
}

TEST(Sparse, CodesComeBackFromEveryForm) {
  for (const SparseFormat& f :
       {SparseFormat{SparseForm::csr, 1, Element::q8_g64}, SparseFormat{SparseForm::bitmap, 1, Element::q8_0},
        SparseFormat{SparseForm::two_of_four, 1, Element::q8_g64},
        SparseFormat{SparseForm::block, 16, Element::q8_g128}})
    for (const std::int64_t K : {256, 100}) {
      constexpr std::int64_t N = 21;
      std::vector<std::uint8_t> kept = some_kept(N, K, 0.2, f.block_rows);
      if (f.form == SparseForm::two_of_four)
        for (std::size_t i = 0; i < kept.size(); ++i) kept[i] = kept[i] && i % 4 > 1;
      const Coded w = coded(kept, K, f.values);
      const SparseBytes parts = sparse_from_codes(f, N, K, w.codes, w.scales);
      ASSERT_TRUE(SparseRows::is_sound(f, N, K, parts.parts(), parts.kept));
      const std::vector<float> values = dense(SparseRows(f, N, K, parts.parts()));
      for (std::int64_t i = 0; i < N * K; ++i) {
        const std::int64_t group = i / K * blocks_of_row(f.values, K) + i % K / packing(f.values).elements;
        ASSERT_EQ(values[static_cast<std::size_t>(i)],
                  w.scales[static_cast<std::size_t>(group)] *
                      static_cast<float>(w.codes[static_cast<std::size_t>(i)] - zero_code));
      }
      if (f.form == SparseForm::two_of_four) {
        ASSERT_EQ(parts.kept, N * K / 2);
      }
    }
}

TEST(Sparse, PlacesThatCannotBeAreNotSound) {
  const SparseFormat f{SparseForm::bitmap, 1, Element::f32}, csr{SparseForm::csr, 1, Element::f32},
      half{SparseForm::two_of_four, 1, Element::f32};
  std::vector<float> values(2 * 12, 0.0f);
  values[3] = values[5] = values[17] = 1;
  SparseBytes parts = sparse_from_values(f, 2, 12, values);
  EXPECT_TRUE(SparseRows::is_sound(f, 2, 12, parts.parts(), 3));
  EXPECT_FALSE(SparseRows::is_sound(f, 2, 12, parts.parts(), 4));
  parts.places[1] = 0x10;  // column 12 of 12
  EXPECT_FALSE(SparseRows::is_sound(f, 2, 12, parts.parts(), 4));
  SparseBytes rows = sparse_from_values(csr, 2, 12, values);
  EXPECT_TRUE(SparseRows::is_sound(csr, 2, 12, rows.parts(), 3));
  rows.places[0] = 12;
  EXPECT_FALSE(SparseRows::is_sound(csr, 2, 12, rows.parts(), 3));
  rows.places[0] = 5;  // twice
  EXPECT_FALSE(SparseRows::is_sound(csr, 2, 12, rows.parts(), 3));
  rows.places[0] = 3, rows.row_starts[1] = 4;
  EXPECT_FALSE(SparseRows::is_sound(csr, 2, 12, rows.parts(), 3));
  SparseBytes twos = sparse_from_values(half, 2, 12, values);
  EXPECT_TRUE(SparseRows::is_sound(half, 2, 12, twos.parts(), 12));
  twos.places[0] = 0x17, twos.places[1] = 0x1;
  EXPECT_FALSE(SparseRows::is_sound(half, 2, 12, twos.parts(), twos.kept));
}

TEST(Sparse, CodedProductHasTheDenseOnesBits) {
  for (const Element type : {Element::q8_0, Element::q8_g64, Element::q8_g128})
    for (const auto& [N, K] :
         {std::pair<std::int64_t, std::int64_t>{1, 384}, {16, 384}, {70, 384}, {37, 100}, {70, 180}})
      for (const double density : {0.0, 0.05, 0.5, 1.0}) {
        const SparseFormat format{SparseForm::bitmap, 1, type};
        const std::int64_t group = packing(type).elements;
        const Coded w = coded(some_kept(N, K, density), K, type);
        const SparseBytes parts = sparse_from_codes(format, N, K, w.codes, w.scales);
        const SparseRows rows(format, N, K, parts.parts());
        std::vector<std::byte> stream(static_cast<std::size_t>(masked_bytes(N, K, group, parts.kept))),
            blocks(static_cast<std::size_t>(N * row_bytes(type, K))),
            panels(static_cast<std::size_t>(panel_bytes(type, N, K)));
        begin_stream(rows, stream);
        pack_masked(rows, 0, panel_count(N), stream);
        const auto width = static_cast<std::size_t>(K),
                   groups = w.scales.size() / static_cast<std::size_t>(N),
                   row = static_cast<std::size_t>(row_bytes(type, K));
        for (std::size_t r = 0; r < static_cast<std::size_t>(N); ++r)
          pack_codes(type, std::span(w.codes).subspan(r * width, width),
                     std::span(w.scales).subspan(r * groups, groups), {},
                     std::span(blocks).subspan(r * row, row));
        pack_panels({blocks.data(), type}, N, K, 0, panel_count(N), panels);
        for (const std::int64_t M : {1, 3, 4, 70})
          for (const Isa isa : isas()) {
            Codes x(normals(M * K, 1), K, filled_up(type, K), isa);
            std::vector<float> dense(static_cast<std::size_t>(M * N)), sparse(dense.size());
            const Gemm gemm{.M = M, .N = N, .K = K, .c = {dense.data(), Element::f32}, .c_stride = N};
            const CodedProduct p{gemm, x.rows(), type, panels.data()};
            MaskedCoded q{gemm, x.rows(), group, stream.data()};
            q.product.c = {sparse.data(), Element::f32};
            ThreadPool pool(2);
            std::vector<float> scratch(static_cast<std::size_t>(scratch_bytes(p, 2)) / sizeof(float));
            run(p, isa, pool, scratch.data());
            run(q, isa, pool, scratch.data());
            ASSERT_EQ(sparse, dense) << name(isa) << " N " << N << " M " << M << " density " << density;
          }
      }
}

}  // namespace
}  // namespace hone::kernel
