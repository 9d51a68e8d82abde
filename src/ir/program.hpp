// A Program: tensors, and nodes in the order in which they run. A value: copied, compared by its print,
// passed from pass to pass. It knows nothing of memory addresses or threads.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "hone/init.hpp"
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
  constant,    // numbers that belong to the program: TensorDef::values
  activation,  // lives from the node that makes it to the last one that reads it
};

// What an input means: what may stand in it, and who writes it.
enum class Meaning : std::uint8_t {
  // Of a batch, given by whoever has the data:
  ids,      // i32, each 0 <= id < InputInfo::below
  labels,   // the same, or -100 where nothing counts
  lengths,  // i32[B]: how many positions of each sample count, 0 to `below`
  values,   // any numbers: pixels, sound, targets
  // Of the place in the run, written by the loop:
  positions,      // i32[B,T]: 0, 1, .. in each sequence; further on behind what a cache holds
  own_positions,  // the same, whatever a cache holds
  cache_table,    // i32[B,blocks]: where cached positions lie
  cache_lengths,  // i32[B]: positions cached so far
  step,           // i32[4]: op::StepInfo
  loss_scale,     // f32[1]: a loss term's weight over what it counts in the whole step
  hyper,          // f32[n]: the scalars of an optimizer
  clip,           // f32[1]: the norm to clip at
  scaled_by,      // f32[1]: what the step's losses, and so its gradients, were multiplied by
};

struct InputInfo {
  Meaning meaning = Meaning::values;
  std::int64_t below = 0;    // for ids, labels, lengths
  bool once_a_step = false;  // the same for all of a step's micro-batches; else the first axis counts samples
  // A loss term's scale is its weight over how many labels of the input `counts` count in the whole step.
  float weight = 1;
  std::string counts{};
  bool operator==(const InputInfo&) const = default;
};
// Is this input the data's, rather than written by the loop?
constexpr bool of_batch(Meaning m) { return m <= Meaning::values; }

// What a state is for: what the forecast counts it as, and who may look for it.
enum class Purpose : std::uint8_t {
  none,
  derived,    // made from the weight TensorDef::of by a node of phase prepare: a bf16 copy
  gradient,   // the sum of one use of the weight `of`
  rows,       // gradient rows of the weight `of`, and their ids, kept for the whole step
  optimizer,  // what an optimizer keeps of the weight `of`
  kept,       // a copy of the activation `of`, for the caller
  cache,      // keys and values, by blocks of positions
  source,     // keys and values of a source, by samples
  scalar,     // of a step: the gradients' norm
};

// How long a state is kept; only what is saved goes into a checkpoint.
enum class Lifetime : std::uint8_t { step, run, saved };

enum class Alias : std::uint8_t {
  none,     // owns its storage
  view,     // a part of its base's storage, by offset and strides
  version,  // the base's storage after one more write
};

// A weight as its model knows it: enough to make its first value, to find it in files and to train it.
struct ParameterSpec {
  std::string name;
  Shape shape;
  Init init;
  bool decay = true;
  bool transposed = false;  // files keep [in,out]
  bool trained = true;      // else frozen: no gradient, no update
  DType dtype = DType::f32;
  bool of_objective = false;  // else the model's; trained and kept with it, and no part of its files
  bool operator==(const ParameterSpec&) const = default;
};

// What a tensor is stands here, never in its name: names are for people and for files.
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
  InputInfo input{};        // of an input
  std::shared_ptr<const ParameterSpec> parameter{};        // of a parameter
  std::shared_ptr<const std::vector<std::byte>> values{};  // of a constant
  Purpose purpose = Purpose::none;                         // of a state
  std::string of{};                                        // the weight or activation that a state belongs to
};

// What a model brings: a parameter, or what is derived from one.
bool is_weight(const TensorDef& tensor);

enum class Phase : std::uint8_t {
  prepare,  // once, when weights have been loaded
  micro,    // once for each micro-batch
  norm,     // once for each step: whole gradients and their norm, looked at before the update
  update,   // once for each step
};

struct Node {
  const OpRecord* op = nullptr;
  std::string name;              // where it comes from: "h.0.attn.c_attn"
  std::vector<TensorId> inputs;  // in the order of OpRecord::inputs; none where an optional one is left out
  std::vector<TensorId> outputs;
  Attributes attributes;
  Phase phase = Phase::micro;
  std::string scope{};    // of the builder when it was written: "h.0.attn"
  bool backward = false;  // written by a gradient
};

// An activation that must still be there when the program ends.
struct Output {
  Output(TensorId made, std::string known_as = {})
      : id(made), name(std::move(known_as)) {}  // NOLINT: implicit
  TensorId id;
  std::string name;
};

struct Program {
  std::vector<TensorDef> tensors;
  std::vector<Node> nodes;
  std::vector<Output> outputs;

  TensorDef& operator[](TensorId id) { return tensors[static_cast<std::size_t>(id.value)]; }
  const TensorDef& operator[](TensorId id) const { return tensors[static_cast<std::size_t>(id.value)]; }

  TensorId add(TensorDef tensor);              // fills in strides where they are missing
  TensorId find(std::string_view name) const;  // the first of that name, or none
  std::vector<TensorId> inputs() const;
  TensorId input(std::string_view name) const;   // the input of that name, or none
  TensorId output(std::string_view name) const;  // the output of that name, or none
  TensorId newest(TensorId id) const;            // the version of it that none replaces
  std::vector<TensorId> states(Purpose purpose, std::string_view of) const;
  std::vector<ParameterSpec> parameters() const;  // in the order in which they were added
  TensorId root(TensorId id) const { return (*this)[id].alias == Alias::none ? id : (*this)[id].base; }
  bool contiguous(TensorId id) const;
};

// A view of `of` with another shape and strides; `offset` elements from where `of` starts.
TensorId add_view(Program& program, TensorId of, Shape shape, Shape strides, std::int64_t offset,
                  std::string name);
// A parameter of that specification.
TensorId add_parameter(Program& program, ParameterSpec spec);
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
