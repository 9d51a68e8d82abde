// What a Builder writes into, and how the library calls an architecture.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hone/builder.hpp"
#include "ir/program.hpp"

namespace hone {

// The one of that name; null where there is none.
const ParameterSpec* find_spec(const std::vector<ParameterSpec>& specs, std::string_view name);

// The keys and values that a decoding program reads: blocks of `block` positions, at most `blocks_a_sequence`
// of them for each sequence.
struct CacheShape {
  std::int64_t block = 64, blocks_a_sequence = 0;
  std::int64_t sequences = 0;  // that it has room for, of which a program may use fewer; 0: the batch
  std::int64_t sources = 1;  // of those whose keys and values a decoding program reads; they divide the batch
  std::int64_t source_rows = 0;  // positions of each that there is room for; 0: as many as a program has
  bool coded = false;            // keys and values in eight bits (kernel/cache_codes.hpp)
};

// The size of a network by which its rows hold several examples, one behind the other: positions are then an
// input of the batch, "positions", and attention keeps within an example (op/packed_attention.cpp).
inline constexpr const char* packed_size = "packed";

struct BuildOptions {
  std::int64_t batch = 1, seq = 1;
  bool training = false;  // dropout acts
  bool cached = false;    // attention that uses a cache reads and extends it
  bool encodes = false;   // cached: keys and values of the source are written, and nothing else is
  CacheShape cache{};
  std::int64_t longest = 0;  // Builder::longest(); 0: seq, or all positions that the cache's blocks have
  std::int64_t vocab_size = 0, context = 0;  // of the model: what ids and positions stay below; 0: not known
  std::map<std::string, std::int64_t, std::less<>> sizes{};
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
  std::map<std::string, TensorId> by_name;         // inputs, constants and parameters
  std::map<std::string, TensorId> activations;     // what nodes leave, by the nodes' names and by named()
  int losses = 0;                                  // so far
  bool in_objective = false;                       // else in the network
  std::set<std::string, std::less<>> asked_sizes;  // by Builder::size
  bool packed() {                                  // do several texts share a sample?
    asked_sizes.emplace(packed_size);
    return options.sizes.contains(packed_size);
  }
  // Made at its first use; Error(input) where a second one disagrees. `name` begins with '$'.
  TensorId input(const std::string& name, const TensorType& type, const InputInfo& info);
  // Numbers, by a name that begins with '$' too.
  TensorId constant(const std::string& name, const Shape& shape, std::span<const float> values);
  // `what` under the open scopes; the second node of a name is called NAME.2.
  std::string new_name(std::string_view what) const;
};

struct Forward {
  Program program;                                 // its outputs: the network's
  std::map<std::string, TensorId> activations;     // by name; the outputs by theirs too
  std::set<std::string, std::less<>> asked_sizes;  // what Builder::size was asked for
};

// Calls the network once, and behind it the objective, where there is one: then the outputs are the losses of
// its terms, by the terms' names, and behind them those of the network that `keep_outputs` names.
Forward write_forward(const Network& network, const BuildOptions& options);
Forward write_forward(const Network& network, const Objective& objective, const BuildOptions& options,
                      const std::vector<std::string>& keep_outputs = {});

}  // namespace hone
