// What a Builder writes into, and how the library calls an architecture.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "hone/builder.hpp"
#include "ir/program.hpp"

namespace hone {

// A weight as its model knows it: enough to make its first value, to find it in files and to train it.
struct ParameterSpec {
  std::string name;
  Shape shape;
  Init init;
  bool decay = true;
  bool transposed = false;  // files keep [in,out]
};

// The one of that name; null where there is none.
const ParameterSpec* find_spec(const std::vector<ParameterSpec>& specs, std::string_view name);

// The keys and values that a decoding program reads: blocks of `block` positions, at most `blocks_a_sequence`
// of them for each sequence.
struct CacheShape {
  std::int64_t block = 64, blocks_a_sequence = 0;
};

struct BuildOptions {
  std::int64_t batch = 1, seq = 1;
  bool training = false;  // dropout acts
  bool cached = false;    // attention reads and extends a cache
  CacheShape cache;
};

struct BuilderState {
  BuilderState();
  ~BuilderState();
  BuilderState(const BuilderState&) = delete;
  BuilderState& operator=(const BuilderState&) = delete;

  std::uint64_t serial;  // of this call of an architecture: a Tensor that outlives it can be told
  BuildOptions options;
  Program program;
  std::string prefix;
  std::vector<ParameterSpec> parameters;        // in order of first use
  std::map<std::string, TensorId> by_name;      // inputs and parameters
  std::map<std::string, TensorId> activations;  // what nodes leave, by the nodes' names and by named()
  TensorId input(const std::string& name, TensorType type);  // made at its first use
  // `what` under the open scopes; the second node of a name is called NAME.2.
  std::string new_name(std::string_view what) const;
};

using ArchitectureFunction = std::function<Tensor(Builder&, Tensor)>;

struct Forward {
  Program program;  // its output: the logits [B,T,V]
  TensorId logits;
  std::vector<ParameterSpec> parameters;
  std::map<std::string, TensorId> activations;  // by name; the logits as "logits" too
};

// Calls the architecture once with the input "tokens" i32[B,T].
Forward write_forward(const ArchitectureFunction& architecture, const BuildOptions& options);

}  // namespace hone
