#include <algorithm>
#include <chrono>

#include "hone/bench.hpp"
#include "machine/yardstick.hpp"

namespace hone {

TokenizerBench bench_tokenizer(const Tokenizer& tokenizer, std::string_view text, int times) {
  TokenizerBench result{.bytes = std::ssize(text), .ids = std::ssize(tokenizer.encode(text))};
  std::vector<double> speeds;
  for (int i = 0; i < std::max(1, times); ++i) {
    const auto begin = std::chrono::steady_clock::now();
    tokenizer.encode(text);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    speeds.push_back(static_cast<double>(text.size()) / 1e6 / seconds.count());
  }
  result.mb_per_s = spread_of(speeds);
  return result;
}

}  // namespace hone
