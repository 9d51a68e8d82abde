// The one way from what an architecture wrote to the program that runs: which passes, in which order.
#pragma once
#include <map>
#include <string>

#include "pass/passes.hpp"
#include "pass/simulate_codes.hpp"

namespace hone {

struct PipelineOptions {
  enum class Use : std::uint8_t { train, evaluate, generate } use = Use::train;
  DType products = DType::f32;            // the type that they take
  std::map<std::string, DType> stored{};  // weights that are read in their file's own type, by name
  CoreIndices cores{};                    // nothing is trained: tables that are read by their cores
  SparseIndices sparse{};                 // generation: of these, weights that are read sparse
  bool int8 = false;         // evaluation, generation: products in eight bits (code_products, int8_products)
  bool hits = false;         // evaluation: what mark_hits adds
  std::int64_t batch = 1;    // training: samples of the whole step
  std::int64_t longest = 0;  // training: positions of a sample in the longest of several
                             // programs that share sums; 0: there is one length
  std::map<std::string, TensorId> keep{};        // training: activations that outlive the step, by name
  UpdateOptions update{};                        // training
  std::int64_t loss_rows = ChunkOptions{}.rows;  // of a chunk of the loss
  bool stored_only = false;                      // nothing is trained: `stored` holds for trained ones too
  std::int64_t alike_rows = 0;                   // generation: so many have the bits that each has alone
  bool cast_at_use = false;                      // weights' copies in low precision: made where they are read
  bool update_in_backward = false;               // training
  bool bf16_weights = false;                     // training and evaluation: kept in bf16 alone
  bool keep_zeros = false;                       // training
  RoundedWeights rounded{};                      // training and its evaluation: weights that codes will hold
};

// Runs them; after each, dead nodes go and the program is checked.
void run_pipeline(Program& program, const PipelineOptions& options);

}  // namespace hone
