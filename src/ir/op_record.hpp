// What hone knows of an op: one constant record in the op's own file (src/op). Passes, planner, executor and
// tests ask the record; nothing anywhere switches over ops.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <vector>

#include "base/thread_pool.hpp"
#include "hone/error.hpp"
#include "ir/program.hpp"
#include "machine/isa.hpp"

namespace hone {

// What infer sees of a node whose outputs do not exist yet.
struct InferInput {
  std::string_view node;  // the user's name for it, for messages
  const OpRecord* op;
  std::vector<TensorType> in;  // without axes where an optional operand is left out
  Attributes attributes;
  bool has(std::size_t input) const { return in[input].shape.rank() > 0; }
  // Throw Error(input) naming the node: `what` is wrong, with expected and found.
  [[noreturn]] void fail(const std::string& what, const std::string& expected,
                         const std::string& found) const;
  void require_rank(std::size_t input, int rank) const;
  void require_rank_at_least(std::size_t input, int rank) const;
  void require(std::size_t input, const TensorType& type) const;

 private:
  std::string label(std::size_t input) const;
};

struct OutputSpec {
  TensorType type;
  int version_of = -1;  // index of the input whose next version this is
};

struct Cost {
  double flops = 0;            // multiply-adds count twice
  double bytes = 0;            // read and written, each operand once
  bool low_precision = false;  // the flops are bf16 products
};

struct Operand {
  void* data = nullptr;
  TensorType type;
  Shape strides;
  explicit operator bool() const { return type.shape.rank() > 0; }  // else an optional one that is left out
  std::int64_t row_stride() const {
    return strides.rank() < 2 ? type.shape.last() : strides[strides.rank() - 2];
  }
  // Rows at even distances, each without gaps; packed: no gaps between rows either.
  bool even_rows() const;
  bool packed() const;
  template <class T>
  T* as() const {
    return static_cast<T*>(data);
  }
};

// A bound node, ready to run.
struct Call {
  Attributes attributes;
  std::vector<Operand> in, out;
  void* scratch = nullptr;
  ThreadPool* pool = nullptr;
  Isa isa = Isa::portable;
};

// Are all operands packed, but for these inputs and outputs, which have even rows?
bool gaps_only_in(const Call& call, std::initializer_list<std::size_t> in,
                  std::initializer_list<std::size_t> out);

struct Variant {
  const char* name;
  const char* device;          // "cpu"
  bool (*takes)(const Call&);  // addresses are null when asked; null: takes operands without gaps
  std::int64_t (*scratch_bytes)(const Call&);  // null: none
  void (*run)(const Call&);
};

class GradientContext;  // op/gradient_context.hpp: emits the nodes of a gradient

// An input of an op by name. A node lists all of them, in this order, with none for an optional one that it
// does without; the last may be `variadic`: as many as there are.
struct InputRecord {
  const char* name;
  enum class Kind : std::uint8_t { required, optional, variadic } kind = Kind::required;
  bool trains = false;  // the op's gradient sums that of a parameter that stands here
  bool widens = false;  // takes a narrow type for f32, with the bits of a cast
  bool stored = false;  // takes a weight as its file has it: any floating type, or blocks
};

// How autocast treats an op's floating inputs.
enum class Autocast : std::uint8_t {
  keep,    // computes in f32: norms
  any,     // takes each input as it comes: sums, losses
  lower,   // wants the narrow type: products
  follow,  // takes the type of its first input
};

// What a neighbour's work a kernel does on the way, with the bits of both nodes one after the other.
struct Fusion {
  int addend = -1;  // an optional input in f32 that is added to the first output, which is f32 then
  // Sets the node to also make activation(first output) as its second one; or, where `slope_of` is an
  // optional input, to multiply its first output by the activation's slope at that. False: this node cannot.
  bool (*activate)(Node&, const Attributes& activation) = nullptr;
  int slope_of = -1;
};

// One output of a node made from another one of it by another op, cheaper than the node and with its bits.
struct Remake {
  std::size_t output, from;
  const OpRecord* op;
  Attributes attributes;
};

// Some rows of a weight, from `first` on; 0 rows: all of them.
struct RowRange {
  std::int64_t first = 0, rows = 0;
  explicit operator bool() const { return rows > 0; }
  std::int64_t end() const { return first + rows; }
};

struct OpRecord {
  const char* name;
  std::span<const InputRecord> inputs;
  std::vector<OutputSpec> (*infer)(const InferInput&);
  Cost (*cost)(const Program&, const Node&);
  void (*gradient)(GradientContext&) = nullptr;     // null: no gradient flows through it
  int (*alias)(const Node&, int output) = nullptr;  // input that this output may overwrite, or -1
  void (*reference)(const Call&);                   // slow and obvious; every floating type
  std::span<const Variant> variants;                // the first that takes a call is used
  Autocast autocast = Autocast::keep;
  bool foldable_cast = false;  // its first output may be narrow directly instead of f32 and a cast (set_type)
  void (*set_type)(Attributes&, DType) = nullptr;
  int activation_inputs = 1;  // the first so many inputs are activations that autocast looks at
  // Of an op that adds to sums over micro-batches: an earlier node of this program has begun them.
  void (*continue_sums)(Attributes&) = nullptr;
  bool bf16_sums = false;  // takes such a sum in bf16 too, rounded behind each addition
  bool loss = false;       // its first output is a loss; `gradient` begins there
  // Its first input is logits, and each row of what it makes follows from that row of its inputs alone, but
  // for scalars: it may be computed by chunks of rows, right behind the product that makes them.
  bool of_logits = false;
  Fusion fusion{};
  std::optional<Remake> (*remake)(const Node&) = nullptr;  // for recomputation; null: there is none
  // Which rows of the weights that it trains a node uses; null: all. Nodes that use other rows of one weight
  // share the sum of its gradients.
  RowRange (*weight_rows)(const Attributes&) = nullptr;
  std::span<const std::size_t> states_like_first{};  // inputs, states, that take the first input's type

  std::optional<std::size_t> find_input(std::string_view name) const;  // its place
  std::size_t least_inputs() const;  // how many a node lists, variadic ones apart
};

// Of the types of a node's inputs; a bug of hone's where they are not as many as the record says.
InferInput infer_input(const Program& program, const OpRecord& op, std::string_view node,
                       const std::vector<TensorId>& inputs, const Attributes& attributes);

// Appends a node: infers its outputs, adds them, returns them. Names outputs after the node. Optional inputs
// at the end may be left out of the list.
std::vector<TensorId> emit(Program& program, const OpRecord& op, std::vector<TensorId> inputs,
                           const Attributes& attributes, std::string name, Phase phase = Phase::micro);

}  // namespace hone
