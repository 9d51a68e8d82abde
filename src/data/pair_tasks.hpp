// Tasks that make pairs of texts by themselves, so that an encoder-decoder can be tried without any data.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/random.hpp"

namespace hone {

struct MadePair {
  std::string source, target;
  std::uint64_t answer;  // pairs that ask the same in other words have the same one
};

struct PairTask {
  const char* name;
  const char* characters;                       // all that occur
  std::int64_t longest_source, longest_target;  // bytes
  MadePair (*draw)(Stream&);
};

// What names a task where a file of pairs may stand: "task:dates".
inline constexpr std::string_view task_prefix = "task:";

// One line of pair_tasks.cpp each, and nowhere else by name.
// dates: a date in words or figures, in several forms, to ISO 8601 ("the third of may nineteen ninety-eight",
// "1998-05-03"). sums: two numbers below 1000 in words, to their sum ("forty-two plus nineteen", "61").
std::span<const PairTask> pair_tasks();

// Pair i of the training part or of the held-out one: a pure function of its arguments. A tenth of the
// answers is held out, the same ones for every seed, so no pair of the one part asks what the other does.
MadePair made_pair(const PairTask& task, std::uint64_t seed, std::int64_t i, bool held_out);

}  // namespace hone
