// Tokens a second of a preset with fresh weights, and where a token's time goes.
//   decode_bench PRESET f32|bf16 [THREADS] [TOKENS]
// The share is of the memory speed that this machine reached in a short measurement: a token reads every
// weight.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "hone/generate.hpp"
#include "machine/limits.hpp"

namespace {

double seconds_of(const auto& f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return std::fprintf(stderr, "decode_bench PRESET f32|bf16 [THREADS] [TOKENS]\n"), 2;
  const int threads = argc > 3 ? std::atoi(argv[3]) : 0, tokens = argc > 4 ? std::atoi(argv[4]) : 100;
  const hone::GeneratePlan plan(hone::preset(argv[1]),
                                {.precision = hone::precision_from_name(argv[2]), .threads = threads});
  hone::Generator generator(plan);
  const std::vector<std::int32_t> prompt(128, 1);
  std::vector<double> prefill, decode;
  generator.generate(prompt, {.max_tokens = 8}).begin();  // warm
  for (int run = 0; run < 5; ++run) {
    generator.reset();
    prefill.push_back(seconds_of([&] { generator.append(prompt); }) / 128);
    auto generation = generator.generate(prompt, {.max_tokens = tokens + 1});
    auto piece = generation.begin();  // reads the prompt
    for (int i = 0; i < tokens; ++i) decode.push_back(seconds_of([&] { ++piece; }));
  }
  std::sort(prefill.begin(), prefill.end()), std::sort(decode.begin(), decode.end());
  const double median = decode[decode.size() / 2];
  double weight_bytes = 0;
  for (const auto& [part, bytes] : plan.forecast().breakdown)
    if (part == (plan.options().precision == hone::Precision::bf16 ? "bf16 weights" : "weights"))
      weight_bytes += static_cast<double>(bytes);
  const auto& limits = hone::this_machine(plan.options().threads, hone::best_isa());
  std::printf("%s %s, %d threads, arena %.0f MiB, forecast %.2f ms a token\n", argv[1], argv[2],
              plan.options().threads, static_cast<double>(plan.forecast().arena_bytes) / 1048576,
              plan.forecast().step_ms);
  std::printf(
      "decode %.2f ms a token (80 %% within %.2f to %.2f), %.0f tokens/s, %.1f GB/s of %.1f; prefill %.0f "
      "tokens/s\n",
      median * 1e3, decode[decode.size() / 10] * 1e3, decode[decode.size() * 9 / 10] * 1e3, 1 / median,
      weight_bytes / median / 1e9, limits.read_gb_s, 1 / prefill[2]);
  generator.reset();
  generator.append(prompt);
  generator.profile(true);
  const double whole = seconds_of([&] {
    for (int i = 0; i < tokens; ++i) generator.append(std::span(prompt).first(1));
  });
  double sum = 0;
  for (const auto& [op, ms] : generator.profile_ms()) {
    std::printf("  %-18s %.3f ms\n", op.c_str(), ms / tokens);
    sum += ms;
  }
  std::printf("  %-18s %.3f ms\n", "beside the nodes", whole * 1e3 / tokens - sum / tokens);
}
