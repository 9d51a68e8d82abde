// GFLOP/s of the matrix products of a GPT-2 step, and their share of what the multiply-add units can do.
//   gemm_bench [threads] [portable|avx2|avx512|avx512_bf16]
// With oneDNN at build time (HONE_BENCH_ONEDNN) it runs in turn with hone, weights packed beforehand, so that
// both see the same neighbours' noise. Medians and best of the rounds.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "base/thread_pool.hpp"
#include "base/types.hpp"
#include "kernel/gemm.hpp"
#include "machine/limits.hpp"
#if defined(HONE_BENCH_ONEDNN)
#include <omp.h>

#include <dnnl.hpp>
#endif

namespace {

using namespace hone;
using namespace hone::kernel;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Case {
  const char* what;
  enum Kind { forward, input_gradient, weight_gradient } kind;
  std::int64_t rows, in, out;  // a linear layer's positions and widths
};

// Small whole numbers times 1/64, so that no product is denormal or overflows.
std::vector<std::byte> values(std::int64_t n, Element e) {
  std::vector<std::byte> v(static_cast<std::size_t>(n * bytes(e)));
  for (std::int64_t i = 0; i < n; ++i) {
    const float x = static_cast<float>(i * 7919 % 127 - 63) / 64;
    if (e == Element::f32)
      reinterpret_cast<float*>(v.data())[i] = x;
    else
      reinterpret_cast<bf16*>(v.data())[i] = to_bf16(x);
  }
  return v;
}

struct Runner {
  Isa isa;
  ThreadPool pool;
  std::vector<std::byte> scratch;

  template <class Arguments>
  std::function<void()> prepare(const Arguments& arguments) {
    scratch.resize(static_cast<std::size_t>(scratch_bytes(arguments, isa, pool.threads()) + 64));
    void* aligned =
        reinterpret_cast<void*>((reinterpret_cast<std::uintptr_t>(scratch.data()) + 63) / 64 * 64);
    return [this, arguments, aligned] { run(arguments, isa, pool, aligned); };
  }
};

std::function<void()> hone_call(Runner& runner, const Case& c, Element e, std::vector<std::byte>& x,
                                std::vector<std::byte>& w, std::vector<std::byte>& y,
                                std::vector<float>& dw) {
  const In in_x{x.data(), e}, in_w{w.data(), e}, in_y{y.data(), e};
  if (c.kind == Case::forward)
    return runner.prepare(Gemm{.M = c.rows,
                               .N = c.out,
                               .K = c.in,
                               .a = in_x,
                               .a_stride = c.in,
                               .b = in_w,
                               .b_stride = c.in,
                               .b_transposed = true,
                               .c = {y.data(), e},
                               .c_stride = c.out,
                               .rounded = e});
  if (c.kind == Case::input_gradient)
    return runner.prepare(Gemm{.M = c.rows,
                               .N = c.in,
                               .K = c.out,
                               .a = in_y,
                               .a_stride = c.out,
                               .b = in_w,
                               .b_stride = c.in,
                               .c = {x.data(), e},
                               .c_stride = c.in,
                               .rounded = e});
  const std::int64_t positions = std::min<std::int64_t>(c.rows, 256);
  dw.resize(static_cast<std::size_t>(c.in * c.out));
  return runner.prepare(WeightGradient{.sequences = c.rows / positions,
                                       .positions = positions,
                                       .N = c.out,
                                       .K = c.in,
                                       .dy = in_y,
                                       .dy_stride = c.out,
                                       .x = in_x,
                                       .x_stride = c.in,
                                       .dw = {dw.data()}});
}

#if defined(HONE_BENCH_ONEDNN)
// Forward and input gradient as tiles of 128 rows, one thread a tile, weights packed beforehand.
std::function<void()> onednn_call(int threads, const Case& c, Element e) {
  using namespace dnnl;
  if (c.kind == Case::weight_gradient || c.rows % 128 != 0) return {};
  static const engine cpu(engine::kind::cpu, 0);
  const bool forward = c.kind == Case::forward;
  const std::int64_t tile = 128, K = forward ? c.in : c.out, N = forward ? c.out : c.in;
  const auto type = e == Element::bf16 ? memory::data_type::bf16 : memory::data_type::f32;
  omp_set_num_threads(1);
  const memory::desc a({tile, K}, type, memory::format_tag::ab), d({tile, N}, type, memory::format_tag::ab);
  const memory::desc w({K, N}, type, memory::format_tag::any);
  const matmul::primitive_desc description(matmul::desc(a, w, d), cpu);
  const matmul product(description);
  const memory weights(description.weights_desc(), cpu);
  std::fill_n(static_cast<char*>(weights.get_data_handle()), description.weights_desc().get_size(), '\0');
  auto in = std::make_shared<std::vector<std::byte>>(values(c.rows * K, e));
  auto out = std::make_shared<std::vector<std::byte>>(static_cast<std::size_t>(c.rows * N * bytes(e)));
  return [=] {
#pragma omp parallel num_threads(threads)
    {
      stream order(cpu);
      for (std::int64_t row = omp_get_thread_num() * tile; row < c.rows; row += threads * tile) {
        const memory from(a, cpu, in->data() + row * K * bytes(e)),
            to(d, cpu, out->data() + row * N * bytes(e));
        product.execute(order, {{DNNL_ARG_SRC, from}, {DNNL_ARG_WEIGHTS, weights}, {DNNL_ARG_DST, to}});
      }
    }
  };
}
#else
std::function<void()> onednn_call(int, const Case&, Element) { return {}; }
#endif

struct Rates {
  double median, best;
};
Rates rates(std::vector<double> seconds, double gflop) {
  std::sort(seconds.begin(), seconds.end());
  return {gflop / seconds[seconds.size() / 2], gflop / seconds[0]};
}

void measure(Runner& runner, const Case& c, Element e, double limit) {
  auto x = values(c.rows * c.in, e), w = values(c.in * c.out, e), y = values(c.rows * c.out, e);
  std::vector<float> dw;
  const auto own = hone_call(runner, c, e, x, w, y, dw), other = onednn_call(runner.pool.threads(), c, e);
  const double gflop = 2e-9 * static_cast<double>(c.rows * c.in * c.out);
  const int rounds = std::clamp(static_cast<int>(0.5 * limit / gflop), 9, 200);
  std::vector<double> own_seconds, other_seconds;
  own();
  for (int i = 0; i < rounds; ++i) {
    double start = now();
    own();
    own_seconds.push_back(now() - start);
    if (!other) continue;
    start = now();
    other();
    other_seconds.push_back(now() - start);
  }
  const Rates r = rates(own_seconds, gflop);
  std::printf("%-16s %5ld x %5ld -> %5ld %-5s %7.0f %7.0f %4.0f %%", c.what, c.rows, c.in, c.out,
              e == Element::f32 ? "f32" : "bf16", r.median, r.best, 100 * r.median / limit);
  if (other)
    std::printf(" %9.0f %7.0f", rates(other_seconds, gflop).median, rates(other_seconds, gflop).best);
  std::puts("");
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 2;
  const Isa isa = argc > 2 ? isa_from_name(argv[2]) : best_isa();
  Runner runner{isa, ThreadPool(threads), {}};
  const MachineLimits limits = measure_limits(threads, isa);
  std::printf("%d threads, %s; limit f32 %.0f, bf16 %.0f GFLOP/s\n", threads, std::string(name(isa)).c_str(),
              limits.f32_gflops.median, limits.bf16_gflops.median);
  std::printf("%-40s %7s %7s %6s %s\n", "positions x in -> out", "median", "best", "share",
              "  (oneDNN: median, best)");
  constexpr auto F = Case::forward, I = Case::input_gradient, W = Case::weight_gradient;
  const Case cases[] = {{"forward", F, 1024, 768, 2304},
                        {"forward", F, 1024, 768, 768},
                        {"forward", F, 1024, 768, 3072},
                        {"forward", F, 1024, 3072, 768},
                        {"forward", F, 256, 768, 50257},
                        {"input gradient", I, 1024, 768, 2304},
                        {"input gradient", I, 1024, 768, 3072},
                        {"input gradient", I, 1024, 3072, 768},
                        {"input gradient", I, 256, 768, 50257},
                        {"weight gradient", W, 1024, 768, 768},
                        {"weight gradient", W, 1024, 768, 3072},
                        {"weight gradient", W, 1024, 3072, 768},
                        {"weight gradient", W, 256, 768, 50257},
                        {"forward", F, 768, 128, 512},
                        {"forward", F, 768, 128, 128},
                        {"input gradient", I, 768, 128, 512},
                        {"weight gradient", W, 768, 128, 512},
                        {"forward", F, 1024, 1024, 4096},
                        {"forward", F, 1, 768, 3072},
                        {"forward", F, 8, 768, 3072}};
  for (const Element e : {Element::f32, Element::bf16})
    for (const Case& c : cases)
      measure(runner, c, e, e == Element::f32 ? limits.f32_gflops.median : limits.bf16_gflops.median);
}
