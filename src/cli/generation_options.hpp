// The options of commands that write text with a model: generate and run.
#pragma once
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "hone/generate.hpp"

namespace hone::cli {

void add_sampling(Command& command, SamplingOptions& sampling);
// --precision, --threads, --isa, --ctx-size
void add_generator(Command& command, GenerateOptions& plan, std::string& precision);

// What a model's folder says its answers end with, beside what was given.
void add_end_tokens(SamplingOptions& sampling, const GenerationDefaults& defaults);

}  // namespace hone::cli
