// A Program: tensors, and nodes in the order in which they run. A value: copied, compared by its print,
// passed from pass to pass. It knows nothing of memory addresses or threads.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "ir/attributes.hpp"
#include "ir/type.hpp"

namespace hone {

struct OpRecord;

struct TensorId {
  std::int32_t value = -1;
  explicit operator bool() const { return value >= 0; }
  bool operator==(const TensorId&) const = default;
};

enum class Role : std::uint8_t {
  input,       // written by the loop before a run: ids, labels, lengths, the scalars of a step
  parameter,   // of the model: has a name in its files
  state,       // outlives a program, shared by name with the job's other programs: moments, gradients, caches
  activation,  // lives from the node that makes it to the last one that reads it
};

// How long a state is kept; only what is saved goes into a checkpoint.
enum class Lifetime : std::uint8_t { step, run, saved };

enum class Alias : std::uint8_t {
  none,     // owns its storage
  view,     // a part of its base's storage, by offset and strides
  version,  // the base's storage after one more write
};

struct TensorDef {
  std::string name;
  TensorType type;
  Role role = Role::activation;
  Lifetime lifetime = Lifetime::step;
  Alias alias = Alias::none;
  TensorId base;            // the tensor that owns the storage; itself never an alias
  TensorId previous;        // for a version: the one it replaces
  std::int64_t offset = 0;  // elements into the base
  Shape strides;            // in elements
};

// What a model brings: a parameter, or the bf16 copy "NAME.bf16" of one.
bool is_weight(const TensorDef& tensor);

enum class Phase : std::uint8_t {
  prepare,  // once, when weights have been loaded
  micro,    // once for each micro-batch
  norm,     // once for each step: whole gradients and their norm, looked at before the update
  update,   // once for each step
};

struct Node {
  const OpRecord* op = nullptr;
  std::string name;  // where it comes from: "h.0.attn.c_attn"
  std::vector<TensorId> inputs;
  std::vector<TensorId> outputs;
  Attributes attributes;
  Phase phase = Phase::micro;
};

struct Program {
  std::vector<TensorDef> tensors;
  std::vector<Node> nodes;
  std::vector<TensorId> outputs;  // activations that must still be there when the program ends

  TensorDef& operator[](TensorId id) { return tensors[static_cast<std::size_t>(id.value)]; }
  const TensorDef& operator[](TensorId id) const { return tensors[static_cast<std::size_t>(id.value)]; }

  TensorId add(TensorDef tensor);              // fills in strides where they are missing
  TensorId find(std::string_view name) const;  // the first of that name, or none
  TensorId root(TensorId id) const { return (*this)[id].alias == Alias::none ? id : (*this)[id].base; }
  bool contiguous(TensorId id) const;
};

// A view of `of` with another shape and strides; `offset` elements from where `of` starts.
TensorId add_view(Program& program, TensorId of, Shape shape, Shape strides, std::int64_t offset,
                  std::string name);
// The next version of a state or parameter (or of an earlier version of it).
TensorId add_version(Program& program, TensorId of);

// One line a node: %out: type = op(%in, ...) {attributes} @name. Equal programs print equally. `note`, where
// there is one, adds to the line of each node.
std::string print(const Program& program, const std::function<std::string(const Node&)>& note = {});

// Throws std::logic_error (a bug of hone's) when the program is malformed: an id out of range, a tensor read
// before it is made or made twice, a version read after its successor was written, inferred types that
// differ.
void verify(const Program& program);

// Removes nodes whose results nobody needs: roots are outputs and whatever is written to states and
// parameters, a new version or a state made outright (a weight's bf16 copy, which other programs of the job
// read). Then drops unused tensors and renumbers.
void remove_dead(Program& program);

}  // namespace hone
