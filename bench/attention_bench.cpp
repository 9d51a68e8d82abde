// Attention's speed as a share of this CPU's multiply-add limit, measured in between; only the pairs that are
// seen count. The last two shapes are causal attention and a window at the same length.
//   g++ -O2 -std=c++20 -march=native -Isrc -Iinclude bench/attention_bench.cpp build/libhone.a -pthread
//   ./a.out [threads] [rounds] [dropout]
#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <vector>

#include "base/random.hpp"
#include "base/types.hpp"
#include "kernel/attention.hpp"

namespace {

using namespace hone;
using namespace hone::kernel;

bool one_thread = true;

// With one thread its own processor time, which leaves out what others take of a shared machine.
double now() {
  timespec t;
  clock_gettime(one_thread ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

// GFLOP/s of one thread with nothing but multiply-adds, 16 chains of them.
#define HONE_CHAINS(op)                                                                              \
  op " %%zmm16,%%zmm16,%%zmm0\n" op " %%zmm16,%%zmm16,%%zmm1\n" op " %%zmm16,%%zmm16,%%zmm2\n" op    \
     " %%zmm16,%%zmm16,%%zmm3\n" op " %%zmm16,%%zmm16,%%zmm4\n" op " %%zmm16,%%zmm16,%%zmm5\n" op    \
     " %%zmm16,%%zmm16,%%zmm6\n" op " %%zmm16,%%zmm16,%%zmm7\n" op " %%zmm16,%%zmm16,%%zmm8\n" op    \
     " %%zmm16,%%zmm16,%%zmm9\n" op " %%zmm16,%%zmm16,%%zmm10\n" op " %%zmm16,%%zmm16,%%zmm11\n" op  \
     " %%zmm16,%%zmm16,%%zmm12\n" op " %%zmm16,%%zmm16,%%zmm13\n" op " %%zmm16,%%zmm16,%%zmm14\n" op \
     " %%zmm16,%%zmm16,%%zmm15\n"
double limit(Element type) {
#if defined(__AVX512BF16__)
  constexpr int steps = 50000;
  const double start = now();
  for (int i = 0; i < steps; ++i) {
    if (type == Element::f32)
      asm volatile(HONE_CHAINS("vfmadd231ps")::
                       : "zmm0", "zmm1", "zmm2", "zmm3", "zmm4", "zmm5", "zmm6", "zmm7", "zmm8", "zmm9",
                         "zmm10", "zmm11", "zmm12", "zmm13", "zmm14", "zmm15");
    else
      asm volatile(HONE_CHAINS("vdpbf16ps")::
                       : "zmm0", "zmm1", "zmm2", "zmm3", "zmm4", "zmm5", "zmm6", "zmm7", "zmm8", "zmm9",
                         "zmm10", "zmm11", "zmm12", "zmm13", "zmm14", "zmm15");
  }
  return steps * 16.0 * (type == Element::f32 ? 32 : 64) / (now() - start) * 1e-9;
#else
  (void)type;
  return 1;
#endif
}

// As the arena of a job: huge pages where the system gives them.
void* huge(std::int64_t bytes) {
  constexpr std::size_t page = std::size_t{2} << 20;
  const std::size_t n = (static_cast<std::size_t>(bytes) + page - 1) / page * page;
  void* p = std::aligned_alloc(page, n);
  madvise(p, n, MADV_HUGEPAGE);
  return p;
}

struct Shape {
  std::int64_t B, heads, T, D;
  Sees sees = Sees::causal();
};

struct Use {
  std::unique_ptr<char, void (*)(void*)> memory{nullptr, std::free};
  std::vector<float> lse;
  AttentionGradient g;

  Use(const Shape& s, Element type, float p) : lse(static_cast<std::size_t>(s.B * s.heads * s.T)) {
    const std::int64_t C = s.heads * s.D,
                       each = s.B * s.T * C * bytes(type);  // joint qkv, joint gradient, o, d_o
    memory.reset(static_cast<char*>(huge(8 * each)));
    Stream random(1);
    for (std::int64_t i = 0; i < 8 * each / bytes(type); ++i) {
      const float x = random.normal();
      if (type == Element::f32)
        reinterpret_cast<float*>(memory.get())[i] = x;
      else
        reinterpret_cast<bf16*>(memory.get())[i] = to_bf16(x);
    }
    auto rows = [&](std::int64_t tensor, std::int64_t slice, std::int64_t stride) {
      return HeadRows{memory.get() + tensor * each + slice * C * bytes(type), stride};
    };
    Attention& a = g.forward;
    a.B = s.B, a.T = a.S = s.T, a.heads = a.kv_heads = s.heads, a.D = s.D, a.type = type, a.sees = s.sees;
    a.q = rows(0, 0, 3 * C), a.k = rows(0, 1, 3 * C), a.v = rows(0, 2, 3 * C), a.o = rows(6, 0, C);
    g.d_q = rows(3, 0, 3 * C), g.d_k = rows(3, 1, 3 * C), g.d_v = rows(3, 2, 3 * C), g.d_o = rows(7, 0, C);
    a.lse = lse.data();
    a.scale = 1 / std::sqrt(static_cast<float>(s.D));
    a.dropout.p = p;
  }
};

// The machine is shared: the best round is the one that others disturbed least.
double best(const std::vector<double>& x) { return *std::min_element(x.begin(), x.end()); }

void bench(const Shape& s, Element type, int threads, int rounds, float p) {
  Use u(s, type, p);
  ThreadPool pool(threads);
  const Isa isa = best_isa();
  const auto need = std::max(scratch_bytes(u.g.forward, isa, threads), scratch_bytes(u.g, isa, threads));
  void* scratch = huge(need);
  const double product = 2 * static_cast<double>(s.B * s.heads * s.D) * s.sees.pairs(s.T, s.T) * 1e-9;
  std::vector<double> forward, backward, limits;
  for (int i = 0; i <= rounds; ++i) {
    const double t0 = now();
    run(u.g.forward, isa, pool, scratch);
    const double t1 = now();
    run(u.g, isa, pool, scratch);
    const double t2 = now();
    if (i == 0) continue;
    forward.push_back(t1 - t0), backward.push_back(t2 - t1), limits.push_back(-limit(type) * threads);
  }
  std::free(scratch);
  const double f = best(forward), b = best(backward), l = -best(limits);
  std::printf(
      "%2ldx%ldx%ldx%-3ld %s  forward %7.2f ms %4.0f GFLOP/s %3.0f%%  backward %7.2f ms %4.0f %3.0f%%  both "
      "%3.0f%%  limit %4.0f\n",
      s.B, s.heads, s.T, s.D, type == Element::f32 ? "f32 " : "bf16", f * 1e3, 2 * product / f,
      200 * product / f / l, b * 1e3, 5 * product / b, 500 * product / b / l, 700 * product / (f + b) / l, l);
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 1, rounds = argc > 2 ? std::atoi(argv[2]) : 15;
  const float p = argc > 3 ? static_cast<float>(std::atof(argv[3])) : 0;
  one_thread = threads == 1;
  for (const Shape& s :
       {Shape{4, 12, 256, 64}, Shape{32, 6, 256, 64}, Shape{1, 12, 2048, 64}, Shape{1, 8, 2048, 128},
        Shape{12, 4, 64, 32}, Shape{1, 12, 4096, 64}, Shape{1, 12, 4096, 64, Sees::window(512)}})
    for (const Element type : {Element::bf16, Element::f32})
      bench(s, type, threads, s.B == 1 || s.B == 32 ? rounds / 3 + 1 : rounds, p);
}
