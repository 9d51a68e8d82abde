// Where the windows of training begin: a pure function of a key and the number of the sample.
#pragma once
#include <cstdint>

namespace hone {

// In each pass over the text its windows lie side by side from a drawn offset and come in a drawn order, so
// that a pass reads no token twice. (Drawing each start by itself gave the same validation losses within the
// spread of seeds after 1.5 passes over a text of 1 MB; a pass that is a pass is easier to reason about.)
// tokens >= seq + 1; the start is in [0, tokens - seq).
std::int64_t window_start(std::uint64_t key, std::int64_t sample, std::int64_t tokens, std::int64_t seq);

// The same of windows that stand apart: the number of one of them, in [0, windows).
std::int64_t drawn_window(std::uint64_t key, std::int64_t sample, std::int64_t windows);

// A permutation of [0, n): four rounds of a Feistel network over the next power of four, walked until it
// lands inside (Black & Rogaway, "Ciphers with arbitrary finite domains", 2002).
std::int64_t permuted(std::uint64_t key, std::int64_t i, std::int64_t n);

}  // namespace hone
