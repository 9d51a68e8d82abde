// Times of the kernels that are bound by memory, on gpt2's shapes: rows_bench [threads] [isa]. GB/s counts
// each stream once, as the algorithm needs it; the median of nine runs, and the fastest and slowest. A copy
// of the largest shape, by memcpy on the same threads, is the yardstick.
#include <algorithm>
#include <bit>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "base/thread_pool.hpp"
#include "kernel/cross_entropy.hpp"
#include "kernel/elementwise.hpp"
#include "kernel/embedding.hpp"
#include "kernel/norm.hpp"
#include "kernel/optimizer.hpp"

namespace {

using namespace hone;
using namespace hone::kernel;

constexpr std::int64_t rows = 1024, C = 768, wide = 3072, V = 50257, chunk_rows = 256, weights = 38'000'000;

std::vector<float> floats(std::int64_t n, std::uint64_t key) {
  std::vector<float> x(static_cast<std::size_t>(n));
  std::uint32_t s = static_cast<std::uint32_t>(key) * 2654435761u + 1;  // quality does not matter, speed does
  for (float& v : x) {
    s = s * 1664525u + 1013904223u;
    v = static_cast<float>(s >> 8) * 0x1p-23f - 1;
  }
  return x;
}
std::vector<std::uint16_t> halves(std::int64_t n) {
  std::vector<std::uint16_t> x(static_cast<std::size_t>(n));
  const auto f = floats(n, 7);
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(f[i]) >> 16);
  return x;
}

struct Bench {
  ThreadPool pool;
  Isa isa;

  void time(const char* what, double bytes, const std::function<void()>& f) {
    std::vector<double> seconds;
    const auto once = [&] {
      const auto start = std::chrono::steady_clock::now();
      f();
      return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    };
    f();
    const int repeat = std::max(1, static_cast<int>(0.01 / once()));
    for (int i = 0; i < 9; ++i) {
      double sum = 0;
      for (int k = 0; k < repeat; ++k) sum += once();
      seconds.push_back(sum / repeat);
    }
    std::sort(seconds.begin(), seconds.end());
    std::printf("%-44s %9.1f us (%.1f to %.1f)  %6.1f GB/s, at best %.1f\n", what, seconds[4] * 1e6,
                seconds.front() * 1e6, seconds.back() * 1e6, bytes / seconds[4] * 1e-9,
                bytes / seconds[0] * 1e-9);
  }
};

void norms(Bench& b) {
  auto x = floats(rows * C, 1), add = floats(rows * C, 2), out = add, gamma = floats(C, 3),
       beta = floats(C, 4);
  auto mean = floats(rows, 5), rstd = mean, dgamma = gamma, dbeta = beta;
  auto y = halves(rows * C), dy = y;
  const double n = rows * C;
  LayerNorm f{.rows = rows,
              .C = C,
              .x = x.data(),
              .addend = {},
              .sum = nullptr,
              .gamma = gamma.data(),
              .beta = beta.data(),
              .y = {y.data(), Element::bf16},
              .mean = mean.data(),
              .rstd = rstd.data()};
  b.time("layer norm, f32 to bf16", n * 6, [&] { run(f, b.isa, b.pool); });
  f.addend = {add.data(), Element::f32};
  f.sum = x.data();
  std::fill(add.begin(), add.end(), 0.0f);
  b.time("layer norm of a sum, f32 + f32", n * 14, [&] { run(f, b.isa, b.pool); });
  LayerNormGradient g{.sequences = 4,
                      .positions = rows / 4,
                      .C = C,
                      .dy = {dy.data(), Element::bf16},
                      .x = x.data(),
                      .gamma = gamma.data(),
                      .mean = mean.data(),
                      .rstd = rstd.data(),
                      .addend = add.data(),
                      .dx = out.data(),
                      .dgamma = dgamma.data(),
                      .dbeta = dbeta.data()};
  std::vector<char> scratch(static_cast<std::size_t>(scratch_bytes(g, b.pool.threads())));
  b.time("its gradient + addend, 4 x 256 rows", n * 14, [&] { run(g, b.isa, b.pool, scratch.data()); });
  g.sequences = 1, g.positions = 256;
  b.time("its gradient + addend, 1 x 256 rows", n * 14 / 4, [&] { run(g, b.isa, b.pool, scratch.data()); });
}

void elementwise(Bench& b) {
  auto x = halves(rows * wide), y = x, d = x;
  auto f = floats(rows * wide, 1), g = f, sum = floats(wide, 2);
  const double n = rows * wide;
  const In in{x.data(), Element::bf16}, dy{d.data(), Element::bf16}, wide_in{f.data(), Element::f32};
  const Out out{y.data(), Element::bf16}, wide_out{g.data(), Element::f32};
  b.time("memcpy, 1024 x 3072 f32", n * 8, [&] {
    b.pool.run(192, [&](std::int64_t i, int) {
      std::memcpy(&g[static_cast<std::size_t>(i) * 16384], &f[static_cast<std::size_t>(i) * 16384], 65536);
    });
  });
  b.time("gelu_new, bf16", n * 4, [&] {
    run(Activate{.n = rows * wide, .kind = Activation::gelu_new, .x = in, .dy = {}, .y = out}, b.isa, b.pool);
  });
  b.time("gelu_new gradient, bf16", n * 6, [&] {
    run(Activate{.n = rows * wide, .kind = Activation::gelu_new, .x = in, .dy = dy, .y = out}, b.isa, b.pool);
  });
  b.time("add, f32 + bf16", n * 10,
         [&] { run(Add{.n = rows * wide, .a = wide_in, .b = in, .y = wide_out}, b.isa, b.pool); });
  b.time("cast, f32 to bf16", n * 6,
         [&] { run(Cast{.n = rows * wide, .x = wide_in, .y = out}, b.isa, b.pool); });
  b.time("dropout, bf16", n * 4, [&] {
    run(DropoutRows{.rows = rows, .columns = wide, .x = in, .y = out, .p = 0.1f, .key = 3, .first_row = 0},
        b.isa, b.pool);
  });
  const auto columns = [&](const char* what, std::int64_t width) {
    const ColumnSum s{.sequences = 4,
                      .positions = rows / 4,
                      .columns = width,
                      .x = in,
                      .x_stride = width,
                      .sum = sum.data(),
                      .accumulate = false};
    b.time(what, static_cast<double>(rows * width) * 2, [&] { run(s, b.isa, b.pool, nullptr); });
  };
  columns("column sum, bf16 x 3072", wide);
  columns("column sum, bf16 x 768", C);
}

void table_and_loss(Bench& b) {
  auto table = floats(V * C, 1), y = floats(rows * C, 2), d_table = table;
  std::vector<std::int32_t> ids(rows);
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int32_t>(i * 7919 % V);
  b.time("embedding, 1024 x 768", rows * C * 8.0, [&] {
    run(
        Embedding{
            .rows = rows, .C = C, .ids = ids.data(), .table = table.data(), .addend = nullptr, .y = y.data()},
        b.isa, b.pool);
  });
  EmbeddingGradient g{.rows = rows,
                      .C = C,
                      .V = V,
                      .ids = ids.data(),
                      .dy = y.data(),
                      .d_table = d_table.data(),
                      .accumulate = true};
  b.time("embedding gradient, adding", rows * C * 12.0, [&] { run(g, b.isa, b.pool); });
  g.accumulate = false;
  b.time("embedding gradient, zeroing 50257 x 768", V * C * 4.0, [&] { run(g, b.isa, b.pool); });
  for (const Element type : {Element::f32, Element::bf16}) {
    auto wide_logits = floats(chunk_rows * V, 5);
    auto logits = halves(chunk_rows * V);
    void* data = type == Element::f32 ? static_cast<void*>(wide_logits.data()) : logits.data();
    std::vector<float> loss(chunk_rows), lse(chunk_rows);
    const float scale = 1;
    const double bytes_once = static_cast<double>(chunk_rows * V * bytes(type));
    b.time(type == Element::f32 ? "cross-entropy, 256 x 50257 f32" : "cross-entropy, 256 x 50257 bf16",
           bytes_once, [&] {
             run(CrossEntropy{.rows = chunk_rows,
                              .V = V,
                              .logits = {data, type},
                              .stride = V,
                              .labels = ids.data(),
                              .loss = loss.data(),
                              .lse = lse.data()},
                 b.isa, b.pool);
           });
    void* to = type == Element::f32 ? static_cast<void*>(wide_logits.data()) : logits.data();
    b.time("  its gradient, in place", bytes_once * 2, [&] {
      run(CrossEntropyGradient{.rows = chunk_rows,
                               .V = V,
                               .logits = {data, type},
                               .stride = V,
                               .labels = ids.data(),
                               .lse = lse.data(),
                               .scale = &scale,
                               .d_logits = {to, type}},
          b.isa, b.pool);
    });
  }
}

void update(Bench& b) {
  auto w = floats(weights, 1), g = floats(weights, 2), m = floats(weights, 3), v = floats(weights, 4);
  for (float& x : v) x = x < 0 ? -x : x;
  auto low = halves(weights);
  const float clip = 1;
  float norm = 0, clip_scale = 1;
  const GradientNorm::Part part{{g.data()}, weights};
  const GradientNorm n{.parts = {&part, 1}, .clip = &clip, .norm = &norm, .clip_scale = &clip_scale};
  std::vector<double> scratch(static_cast<std::size_t>(scratch_bytes(n) / 8));
  b.time("gradient norm, 38M", weights * 4.0, [&] { run(n, b.isa, b.pool, scratch.data()); });
  const AdamWStep step{1e-4f, 0.9f, 0.999f, 1e-8f, 0.1f, 0.1f, 0.001f};
  AdamW a{.n = weights,
          .w = w.data(),
          .gradient = {g.data()},
          .m = m.data(),
          .v = v.data(),
          .low = nullptr,
          .step = &step,
          .decay = true,
          .clip_scale = &clip_scale};
  b.time("adamw, 38M", weights * 28.0, [&] { run(a, b.isa, b.pool); });
  a.low = low.data();
  b.time("adamw with bf16 copy, 38M", weights * 30.0, [&] { run(a, b.isa, b.pool); });
}

}  // namespace

int main(int argc, char** argv) {
  Bench b{ThreadPool(argc > 1 ? std::atoi(argv[1]) : 2), argc > 2 ? isa_from_name(argv[2]) : best_isa()};
  std::printf("%d threads, %s\n", b.pool.threads(), std::string(name(b.isa)).c_str());
  norms(b);
  elementwise(b);
  table_and_loss(b);
  update(b);
}
