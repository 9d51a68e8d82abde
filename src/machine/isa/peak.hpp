// Loops that do nothing but multiply-adds in registers, or one pass over memory; one set an instruction set.
#pragma once
#include <cstddef>
#include <cstdint>

#include "machine/builds.hpp"

namespace hone {

struct PeakLoops {
  // Runs so many rounds and returns the operations done (a multiply-add counts as two).
  double (*f32)(std::int64_t rounds);
  double (*bf16)(std::int64_t rounds);
  double (*int8)(std::int64_t rounds);
  // The sum of all words, so that the reads cannot be left out. bytes: a multiple of 512.
  std::uint64_t (*read)(const void* from, std::size_t bytes);
};

HONE_VNNI_BUILDS(PeakLoops, peak_loops);

}  // namespace hone
