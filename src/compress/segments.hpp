// A forward program cut into its layers, each a program of its own: what is computed layer by layer needs the
// weights of one layer and the activations between two.
//
//   for (const Segment& s : segments_of(program)) std::puts(print(s.program).c_str());
//
// A layer is what one numbered scope wrote ("model.layers.3"); what stands before, between and behind layers
// is a segment too. Runs behind the passes of an evaluation, which keep scopes.
#pragma once
#include <string>
#include <vector>

#include "ir/program.hpp"

namespace hone {

// What an earlier segment made is an input here, "$between.N" of meaning `values`; what a later one reads is
// an output, "between.N". N is the same in both.
struct Segment {
  std::string name;  // "model.layers.3", or empty outside of layers
  Program program;
};

std::vector<Segment> segments_of(const Program& program);

// The scope up to and with its first number: "model.layers.3.self_attn" is of "model.layers.3"; empty where
// it has none.
std::string layer_of(const std::string& scope);

}  // namespace hone
