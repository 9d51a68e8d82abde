// Sparse weights taken apart and put together, and their products, against those of the dense weight.
#include "kernel/sparse.hpp"

#include "kernel/buffer.hpp"
#include "kernel/coded.hpp"
#include "kernel/coded_rows.hpp"
#include "kernel/isa/two_of_four_isa.hpp"
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
  const int zero = zero_code_of(type), most = zero - 1;
  Coded w{std::vector<std::uint8_t>(kept.size(), static_cast<std::uint8_t>(zero)), {}};
  for (std::size_t i = 0; i < kept.size(); ++i)
    if (kept[i]) {
      const int code = std::clamp(static_cast<int>(drawn[i] * static_cast<float>(most) * 0.4f), -zero, most);
      w.codes[i] = static_cast<std::uint8_t>((code == 0 ? 1 : code) + zero);
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

// A sparse weight as a stream, and the dense one of the same codes in panels.
struct Streamed {
  StreamFormat format;
  std::vector<std::byte> stream, panels;

  Streamed(SparseForm form, const Coded& w, std::int64_t N, std::int64_t K, Element type) {
    const SparseBytes parts = sparse_from_codes({form, 1, type}, N, K, w.codes, w.scales);
    const SparseRows rows({form, 1, type}, N, K, parts.parts());
    format = stream_format({form, 1, type});
    stream.resize(static_cast<std::size_t>(stream_bytes(format, N, K, parts.kept)));
    begin_stream(format, rows, stream);
    pack_stream(format, rows, 0, panel_count(N), stream);
    std::vector<std::byte> blocks(static_cast<std::size_t>(N * row_bytes(type, K)));
    const auto width = static_cast<std::size_t>(K), groups = w.scales.size() / static_cast<std::size_t>(N),
               row = static_cast<std::size_t>(row_bytes(type, K));
    std::vector<float> minima(code_format(type).has_minimum ? w.scales.size() : 0);
    for (std::size_t g = 0; g < minima.size(); ++g) minima[g] = -8 * w.scales[g];
    for (std::size_t r = 0; r < static_cast<std::size_t>(N); ++r)
      pack_codes(type, std::span(w.codes).subspan(r * width, width),
                 std::span(w.scales).subspan(r * groups, groups),
                 minima.empty() ? std::span<float>() : std::span(minima).subspan(r * groups, groups),
                 std::span(blocks).subspan(r * row, row));
    panels.resize(static_cast<std::size_t>(panel_bytes(type, N, K)));
    pack_panels({blocks.data(), type}, N, K, 0, panel_count(N), panels);
  }

  void has_the_bits_of_the_dense(std::int64_t M, std::int64_t N, std::int64_t K, Element type,
                                 Isa isa) const {
    Codes x(normals(M * K, 1), K, filled_up(type, K), isa);
    std::vector<float> dense(static_cast<std::size_t>(M * N)), sparse(dense.size());
    const Gemm gemm{.M = M, .N = N, .K = K, .c = {dense.data(), Element::f32}, .c_stride = N};
    const CodedProduct p{gemm, x.rows(), type, panels.data()};
    MaskedCoded q{gemm, x.rows(), format, stream.data()};
    q.product.c = {sparse.data(), Element::f32};
    ThreadPool pool(2);
    std::vector<float> scratch(static_cast<std::size_t>(scratch_bytes(p, 2)) / sizeof(float));
    run(p, isa, pool, scratch.data());
    run(q, isa, pool, scratch.data());
    ASSERT_EQ(sparse, dense) << name(isa) << " N " << N << " M " << M;
  }
};

constexpr Element coded_types[] = {Element::q8_0, Element::q8_g64, Element::q8_g128,
                                   Element::q4_0, Element::q4_g64, Element::q4_g128};
constexpr std::pair<std::int64_t, std::int64_t> shapes[] = {
    {1, 384}, {16, 384}, {70, 384}, {37, 100}, {70, 180}};

TEST(Sparse, CodedProductHasTheDenseOnesBits) {
  for (const Element type : coded_types)
    for (const auto& [N, K] : shapes)
      for (const double density : {0.0, 0.05, 0.5, 1.0}) {
        SCOPED_TRACE(density);
        const Streamed w(SparseForm::bitmap, coded(some_kept(N, K, density), K, type), N, K, type);
        for (const std::int64_t M : {1, 3, 4, 70})
          for (const Isa isa : isas()) w.has_the_bits_of_the_dense(M, N, K, type, isa);
      }
}

TEST(Sparse, ProductOfTwoOfFourHasTheDenseOnesBits) {
  for (const Element type : coded_types)
    for (const auto& [N, K] : shapes)
      for (const double density : {0.05, 1.0}) {
        SCOPED_TRACE(density);
        std::vector<std::uint8_t> kept = some_kept(N, K, density);
        for (std::int64_t i = 0; i < N * K; i += 4) {  // each pair of places in turn
          const std::uint8_t* places = pair_places[i / 4 % 6];
          for (std::int64_t k = 0; k < 4 && i + k < N * K; ++k)
            if (k != places[0] && k != places[1]) kept[static_cast<std::size_t>(i + k)] = 0;
        }
        const Streamed w(SparseForm::two_of_four, coded(kept, K, type), N, K, type);
        for (const std::int64_t M : {1, 3, 4, 70})
          for (const Isa isa : isas()) w.has_the_bits_of_the_dense(M, N, K, type, isa);
      }
}

}  // namespace
}  // namespace hone::kernel
