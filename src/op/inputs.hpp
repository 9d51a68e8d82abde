// The names of programs' inputs: what the loop writes before a run. No weight's name begins with '$'
// (Builder::parameter refuses it), so a weight may well be called "positions".
#pragma once

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
