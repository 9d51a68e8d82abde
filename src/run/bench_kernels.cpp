#include <algorithm>
#include <chrono>
#include <cmath>

#include "exec/job.hpp"
#include "hone/bench.hpp"
#include "kernel/attention.hpp"
#include "kernel/gemm.hpp"
#include "op/common.hpp"
#include "run/in_turns.hpp"

namespace hone {
namespace {

struct Setting {
  kernel::Element type;
  int threads;
  Isa isa;
  Arithmetic arithmetic;
};

Setting setting(Precision precision, int threads, const std::string& isa_name) {
  const ExecOptions exec = exec_options(threads, isa_name);
  return {op::element(dtype_of(precision)), exec.threads, exec.isa,
          precision == Precision::bf16 ? Arithmetic::bf16 : Arithmetic::f32};
}

// Elements of some type, all 0.01: products of any length stay finite.
class Elements {
 public:
  Elements(std::int64_t n, kernel::Element type)
      : type_(type), bits_(static_cast<std::size_t>(n * kernel::bytes(type) + 3) / 4) {
    constexpr std::uint32_t hundredth[] = {0x3c23d70au, 0x3c243c24u, 0x211f211fu};
    std::fill(bits_.begin(), bits_.end(), hundredth[static_cast<std::size_t>(type)]);
  }
  kernel::In in() { return {bits_.data(), type_}; }
  kernel::Out out() { return {bits_.data(), type_}; }
  void* data() { return bits_.data(); }

 private:
  kernel::Element type_;
  std::vector<std::uint32_t> bits_;
};

// Short work is repeated for as long as a sample of the limit takes; a case takes half its time for either.
constexpr double turn_seconds = 0.004, case_seconds = 0.4;

// Runs a kernel with the scratch that it asks for.
template <class Arguments>
KernelBench measure(std::string name, double flops, const Arguments& arguments, const Setting& s,
                    ThreadPool& pool) {
  std::vector<std::byte> scratch(
      static_cast<std::size_t>(kernel::scratch_bytes(arguments, s.isa, s.threads)) + 64);
  auto* aligned =
      reinterpret_cast<std::byte*>((reinterpret_cast<std::uintptr_t>(scratch.data()) + 63) / 64 * 64);
  const auto work = [&] { kernel::run(arguments, s.isa, pool, aligned); };
  const auto begin = std::chrono::steady_clock::now();
  const auto seconds = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  work();
  const int times = std::max(1, static_cast<int>(turn_seconds / seconds()));
  InTurns turns(pool, s.isa, s.arithmetic, turn_seconds);
  for (int turn = 0; turn < 5 || seconds() < case_seconds; ++turn) turns.measure(flops, times, work);
  return {std::move(name), 1e3 * turns.seconds().median, turns.gflops(), turns.limit(),
          turns.share_of_limit()};
}

struct Product {
  std::int64_t M, N, K;
};

void bench_product(const Product& p, const Setting& s, ThreadPool& pool, std::vector<KernelBench>& results) {
  Elements x(p.M * p.K, s.type), w(p.N * p.K, s.type), y(p.M * p.N, s.type);
  std::vector<float> dw(static_cast<std::size_t>(p.N * p.K));
  const double flops = 2.0 * static_cast<double>(p.M) * static_cast<double>(p.N) * static_cast<double>(p.K);
  const std::string shape = std::to_string(p.M) + " x " + std::to_string(p.K) + " -> " + std::to_string(p.N);
  results.push_back(measure("forward " + shape, flops,
                            kernel::Gemm{.M = p.M,
                                         .N = p.N,
                                         .K = p.K,
                                         .a = x.in(),
                                         .a_stride = p.K,
                                         .b = w.in(),
                                         .b_stride = p.K,
                                         .b_transposed = true,
                                         .c = y.out(),
                                         .c_stride = p.N,
                                         .rounded = s.type},
                            s, pool));
  results.push_back(measure("input gradient " + shape, flops,
                            kernel::Gemm{.M = p.M,
                                         .N = p.K,
                                         .K = p.N,
                                         .a = y.in(),
                                         .a_stride = p.N,
                                         .b = w.in(),
                                         .b_stride = p.K,
                                         .c = x.out(),
                                         .c_stride = p.K,
                                         .rounded = s.type},
                            s, pool));
  const std::int64_t positions = std::min<std::int64_t>(p.M, 256);
  results.push_back(measure("weight gradient " + shape, flops,
                            kernel::WeightGradient{.sequences = p.M / positions,
                                                   .positions = positions,
                                                   .N = p.N,
                                                   .K = p.K,
                                                   .dy = y.in(),
                                                   .dy_stride = p.N,
                                                   .x = x.in(),
                                                   .x_stride = p.K,
                                                   .dw = {dw.data()},
                                                   .accumulate = true},
                            s, pool));
}

void bench_heads(std::int64_t B, std::int64_t heads, std::int64_t T, std::int64_t D, const Setting& s,
                 ThreadPool& pool, std::vector<KernelBench>& results) {
  const std::int64_t C = heads * D, n = B * T * C;
  Elements q(n, s.type), k(n, s.type), v(n, s.type), o(n, s.type), dq(n, s.type), dk(n, s.type),
      dv(n, s.type), d_o(n, s.type);
  std::vector<float> lse(static_cast<std::size_t>(B * heads * T));
  const kernel::Attention forward{.B = B,
                                  .T = T,
                                  .S = T,
                                  .heads = heads,
                                  .kv_heads = heads,
                                  .D = D,
                                  .type = s.type,
                                  .q = {q.data(), C},
                                  .k = {k.data(), C},
                                  .v = {v.data(), C},
                                  .o = {o.data(), C},
                                  .lse = lse.data(),
                                  .scale = 1 / std::sqrt(static_cast<float>(D)),
                                  .sees = kernel::Sees::causal()};
  const kernel::AttentionGradient backward{
      forward, {d_o.data(), C}, {dq.data(), C}, {dk.data(), C}, {dv.data(), C}};
  const double pairs = static_cast<double>(B * heads * D) * forward.sees.pairs(T, T);
  const std::string shape =
      std::to_string(B) + "x" + std::to_string(heads) + "x" + std::to_string(T) + "x" + std::to_string(D);
  results.push_back(measure("forward " + shape, 4 * pairs, forward, s, pool));
  results.push_back(measure("gradient " + shape, 10 * pairs, backward, s, pool));
}

}  // namespace

std::vector<KernelBench> bench_gemm(Precision precision, int threads, const std::string& isa) {
  const Setting s = setting(precision, threads, isa);
  ThreadPool pool(s.threads);
  std::vector<KernelBench> results;
  for (const Product& p : {Product{1024, 2304, 768},
                           {1024, 768, 768},
                           {1024, 3072, 768},
                           {1024, 768, 3072},
                           {256, 50257, 768},
                           {768, 512, 128}})
    bench_product(p, s, pool, results);
  return results;
}

std::vector<KernelBench> bench_attention(Precision precision, int threads, const std::string& isa) {
  const Setting s = setting(precision, threads, isa);
  ThreadPool pool(s.threads);
  std::vector<KernelBench> results;
  bench_heads(4, 12, 256, 64, s, pool, results);
  bench_heads(32, 6, 256, 64, s, pool, results);
  bench_heads(1, 12, 2048, 64, s, pool, results);
  bench_heads(1, 8, 2048, 128, s, pool, results);
  bench_heads(12, 4, 64, 32, s, pool, results);
  return results;
}

}  // namespace hone
