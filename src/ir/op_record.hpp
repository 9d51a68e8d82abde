// What hone knows of an op: one constant record in the op's own file (src/op). Passes, planner, executor and
// tests ask the record; nothing anywhere switches over ops.
#pragma once
#include <cstdint>
#include <initializer_list>
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
  std::vector<TensorType> in;
  Attributes attributes;
  // Throw Error(input) naming the node: `what` is wrong, with expected and found.
  [[noreturn]] void fail(const std::string& what, const std::string& expected,
                         const std::string& found) const;
  void require_rank(std::size_t input, int rank) const;
  void require(std::size_t input, const TensorType& type) const;
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

class GradientContext;  // pass/autodiff.hpp: emits the nodes of a gradient

// How autocast treats an op's floating inputs.
enum class Autocast : std::uint8_t {
  keep,    // computes in f32: norms
  any,     // takes each input as it comes: sums, losses
  lower,   // wants bf16: products
  follow,  // takes the type of its first input
};

struct OpRecord {
  const char* name;
  std::vector<OutputSpec> (*infer)(const InferInput&);
  Cost (*cost)(const Program&, const Node&);
  void (*gradient)(GradientContext&) = nullptr;     // null: no gradient flows through it
  int (*alias)(const Node&, int output) = nullptr;  // input that this output may overwrite, or -1
  void (*reference)(const Call&);                   // slow and obvious; f32 and bf16
  std::span<const Variant> variants;                // the first that takes a call is used
  Autocast autocast = Autocast::keep;
  bool foldable_cast = false;  // its first output may be bf16 directly instead of f32 and a cast (set_type)
  void (*set_type)(Attributes&, DType) = nullptr;
  int activation_inputs = 1;  // the first so many inputs are activations that autocast looks at
  int state_like_first = -1;  // an input, a state, that holds what the first input is and so takes its type
};

// Appends a node: infers its outputs, adds them, returns them. Names outputs after the node.
std::vector<TensorId> emit(Program& program, const OpRecord& op, std::vector<TensorId> inputs,
                           const Attributes& attributes, const std::string& name, Phase phase = Phase::micro);

}  // namespace hone
