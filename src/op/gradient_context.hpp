// What an op's `gradient` sees and does: it reads the gradients of its outputs, emits nodes, and says what
// the gradients of its inputs are. pass/autodiff.cpp drives it.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "ir/op_record.hpp"

namespace hone {

class GradientContext {
 public:
  explicit GradientContext(Program& program) : p_(program) {}

  // --- for ops -----------------------------------------------------------------------------------------
  TensorId in(std::size_t i) const { return node_.inputs[i]; }
  TensorId out(std::size_t i) const { return node_.outputs[i]; }
  const TensorType& type(TensorId id) const { return p_[id].type; }
  template <class T>
  T attributes() const {
    return node_.attributes.as<T>();
  }
  // Gradient of output i; none when nothing depends on it.
  TensorId gradient(std::size_t i);
  // Does input i lead to something that is trained?
  bool wants(std::size_t i) const { return wants_[static_cast<std::size_t>(node_.inputs[i].value)]; }
  std::vector<TensorId> emit(const OpRecord& op, std::vector<TensorId> inputs,
                             const Attributes& attributes = {});
  // `value` is the gradient of input i (an activation) through this node; several uses are added.
  void set(std::size_t i, TensorId value);
  // The sum of the gradients of the parameter at input i (which may be a cast of it), and whether an earlier
  // node of this program has begun that sum. The op emits a node that makes its next version, and hands it
  // back.
  struct Sum {
    TensorId current;
    bool begun;
  };
  Sum sum(std::size_t i);
  void set_sum(std::size_t i, TensorId next);
  // The i32[4] input that says which micro-batch this is (op/common.hpp).
  TensorId step();

  // --- for the pass ------------------------------------------------------------------------------------
  void run();

 private:
  friend void differentiate(Program& program);
  TensorId parameter_of(TensorId id) const;  // through casts; none for an activation
  TensorId gradient_of(TensorId id);
  TensorId gather_views(TensorId base);
  TensorId add(TensorId a, TensorId b, const std::string& name);

  struct Use {  // one use of a parameter: its own sum
    TensorId sum;
    bool begun = false;
  };

  Program& p_;
  Node node_;
  std::size_t node_index_ = 0;
  std::vector<bool> wants_;
  std::vector<std::int32_t> producer_;                        // of each tensor, or -1
  std::vector<TensorId> gradients_;                           // of each tensor
  std::map<std::int32_t, std::vector<TensorId>> views_;       // of each base that has views
  std::map<std::pair<std::int32_t, std::size_t>, Use> uses_;  // (parameter, node index)
};

// The name of the state that holds the sum of a parameter's gradients over its n-th use (in program order).
std::string gradient_name(const std::string& parameter, std::size_t use);

}  // namespace hone
