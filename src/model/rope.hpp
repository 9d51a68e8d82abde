// Rotary frequencies as a config.json of Transformers says them: the kind of scaling by which a context was
// stretched, and its numbers. Computed in f32 step by step as Transformers does: a frequency that is off by
// its last bit turns a pair by 1e-4 at position 2000.
#pragma once
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace hone {

struct Rope {
  std::vector<float> frequencies;       // radians a position, one a pair
  float factor = 1;                     // what is rotated is multiplied by it
  std::vector<float> long_frequencies;  // LongRoPE: where sequences may be longer than `original`
  std::int64_t original = 0;
};

// What else decides them.
struct RopeContext {
  std::int64_t head_dim, positions;  // of a head; max_position_embeddings
  std::string where;
};

// The parameters that a config has under rope_parameters (since Transformers 5), or rope_scaling and
// rope_theta; `theta` where it has none.
nlohmann::json rope_parameters(const nlohmann::json& config, double theta, const std::string& where);
// Error(input) for a kind that is not known, and for numbers that are missing or impossible.
Rope make_rope(const nlohmann::json& parameters, const RopeContext& context);

}  // namespace hone
