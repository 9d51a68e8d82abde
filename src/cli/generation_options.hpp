// The options of commands that write text with a model: generate and run.
#pragma once
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "hone/generate.hpp"

namespace hone::cli {

void add_sampling(Command& command, SamplingOptions& sampling);
// Of a generator, those that are named.
struct GeneratorNames {
  std::string precision = "f32", cache_type = "same";
  void set(GenerateOptions& plan) const;
};
void add_int8(Command& command, bool& int8);
void add_cache_type(Command& command, std::string& cache_type);
// --precision, --int8, --cache-type, --threads, --isa, --ctx-size
void add_generator(Command& command, GenerateOptions& plan, GeneratorNames& names);

// What a model's folder says its answers end with, beside what was given.
void add_end_tokens(SamplingOptions& sampling, const GenerationDefaults& defaults);

}  // namespace hone::cli
