#include "kernel/embedding.hpp"

#include "kernel/buffer.hpp"

namespace hone::kernel {
namespace {

std::vector<std::int32_t> some_ids(std::int64_t rows, std::int64_t V) {
  Stream stream(9);
  std::vector<std::int32_t> ids(static_cast<std::size_t>(rows));
  for (auto& id : ids) id = static_cast<std::int32_t>(stream.below(static_cast<std::uint64_t>(V)));
  return ids;
}

TEST(Embedding, GathersRows) {
  const std::int64_t rows = 70, V = 11;
  for (const Isa isa : isas())
    for (const std::int64_t C : widths()) {
      ThreadPool pool(3);
      const auto ids = some_ids(rows, V);
      Buffer table(Element::f32, normals(V * C, 1));
      Buffer y(Element::f32, rows * C), want(Element::f32, rows * C);
      for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t c = 0; c < C; ++c)
          want.set(r * C + c, table[ids[static_cast<std::size_t>(r)] * C + c]);
      run({.rows = rows, .C = C, .ids = ids.data(), .table = table.f32(), .y = y.f32()}, isa, pool);
      EXPECT_TRUE(y == want) << name(isa) << " " << C;
    }
}

TEST(EmbeddingGradient, AddsRowsInOrderForAnyThreadsAndAnySplit) {
  const std::int64_t rows = 70, V = 11;
  for (const Isa isa : isas())
    for (const std::int64_t C : widths()) {
      const auto ids = some_ids(rows, V);
      Buffer dy(Element::f32, normals(rows * C, 2));
      Buffer want(Element::f32, std::vector<float>(static_cast<std::size_t>(V * C)));
      for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t c = 0; c < C; ++c)
          want.f32()[ids[static_cast<std::size_t>(r)] * C + c] += dy[r * C + c];
      for (const int threads : {1, 2, 3, 4}) {
        ThreadPool pool(threads);
        Buffer whole(Element::f32, V * C), split(Element::f32, V * C);
        EmbeddingGradient a{
            .rows = rows, .C = C, .V = V, .ids = ids.data(), .dy = dy.f32(), .d_table = whole.f32()};
        run(a, isa, pool);
        EXPECT_TRUE(whole == want) << name(isa) << " " << C << " " << threads;
        a.d_table = split.f32();
        a.rows = 33;
        run(a, isa, pool);
        a = {.rows = rows - 33,
             .C = C,
             .V = V,
             .ids = ids.data() + 33,
             .dy = dy.f32() + 33 * C,
             .d_table = split.f32(),
             .accumulate = true};
        run(a, isa, pool);
        EXPECT_TRUE(split == want);
      }
    }
}

}  // namespace
}  // namespace hone::kernel
