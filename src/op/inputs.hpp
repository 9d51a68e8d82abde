// The names of programs' inputs: what the loop writes before a run. No weight's name begins with '$'
// (Builder::parameter refuses it), so a weight may well be called "positions".
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace hone::input {

inline constexpr const char* tokens = "$tokens";                // i32[B,T]
inline constexpr const char* positions = "$positions";          // i32[B,T]
inline constexpr const char* labels = "$labels";                // i32[B,T]
inline constexpr const char* loss_scale = "$loss_scale";        // f32[1]: one over the step's tokens
inline constexpr const char* step = "$step";                    // i32[4]: op::StepInfo
inline constexpr const char* hyper = "$hyper";                  // f32[7]: kernel::AdamWStep
inline constexpr const char* clip = "$clip";                    // f32[1]: the norm to clip at
inline constexpr const char* cache_table = "$cache_table";      // i32[B,blocks]: where cached positions lie
inline constexpr const char* cache_lengths = "$cache_lengths";  // i32[B]: positions cached so far

}  // namespace hone::input

namespace hone {

// The positions of every token: `first`, first + 1, ... in each of the rows of `seq`.
inline void fill_positions(std::span<std::int32_t> positions, std::int64_t seq, std::int64_t first) {
  for (std::size_t i = 0; i < positions.size(); ++i)
    positions[i] =
        static_cast<std::int32_t>(first) + static_cast<std::int32_t>(i % static_cast<std::size_t>(seq));
}

}  // namespace hone
