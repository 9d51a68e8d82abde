#include "cli/generation_options.hpp"

#include "cli/terminal.hpp"

namespace hone::cli {

void add_sampling(Command& c, SamplingOptions& o) {
  c.add_option("--temperature", o.temperature, "0: always the most probable token")->capture_default_str();
  c.add_option("--top-k", o.top_k, "draw among so many (0: all)")->capture_default_str();
  c.add_option("--top-p", o.top_p, "draw among the fewest that add up to this")->capture_default_str();
  c.add_option("--min-p", o.min_p, "of those, with so much of the largest's probability at least")
      ->capture_default_str();
  c.add_option("--repetition-penalty,--repeat-penalty", o.repetition_penalty,
               "above 1: tokens that stand in the text already are less probable")
      ->capture_default_str();
  c.add_option("--stop", o.stop_strings, "end in front of this text; may be given several times")
      ->repeatable();
  c.add_option("--seed", o.seed, "the same seed, the same text")->capture_default_str();
}

void GeneratorNames::set(GenerateOptions& plan) const {
  plan.precision = precision_from_name(precision);
  plan.cache = cache_type_from_name(cache_type);
}

void add_cache_type(Command& c, std::string& cache_type) {
  c.add_option("--cache-type", cache_type,
               "keys and values: same (as --precision), or int8: a quarter of f32's bytes")
      ->capture_default_str();
}

void add_int8(Command& c, bool& int8) {
  c.add_flag("--int8", int8, "products in eight bits, weights and activations (dynamic int8)");
}

void add_generator(Command& c, GenerateOptions& plan, GeneratorNames& names) {
  c.add_option("-c,--ctx-size,--context", plan.context, "most tokens, prompt included");
  c.add_option("--precision", names.precision,
               "f32, bf16 or fp16; weights of few bits meet activations in eight")
      ->capture_default_str();
  add_int8(c, plan.int8);
  add_cache_type(c, names.cache_type);
  c.add_option("--threads", plan.threads, "0: all cores; changes no text")->capture_default_str();
  add_isa(c, plan.isa);
}

void add_end_tokens(SamplingOptions& sampling, const GenerationDefaults& defaults) {
  print_notes(defaults.notes);
  sampling.stop_tokens.insert(sampling.stop_tokens.end(), defaults.end_tokens.begin(),
                              defaults.end_tokens.end());
}

}  // namespace hone::cli
