// What an op's `gradient` sees and does: it reads the gradients of its outputs, emits nodes, and says what
// the gradients of its inputs are. pass/autodiff.cpp goes through a program with it.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "ir/op_record.hpp"

namespace hone {

class GradientContext {
 public:
  // Of the nodes that the program has now.
  explicit GradientContext(Program& program);
  std::size_t size() const { return forward_; }
  // Writes the gradient of node n; nodes are to be gone through from the last to the first.
  void differentiate(std::size_t n);

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
  // Is there an input i, and does it lead to something that is trained?
  bool wants(std::size_t i) const {
    return node_.inputs[i] && wants_[static_cast<std::size_t>(node_.inputs[i].value)];
  }
  std::vector<TensorId> emit(const OpRecord& op, std::vector<TensorId> inputs,
                             const Attributes& attributes = {});
  // `value` is the gradient of input i (an activation) through this node; several uses are added.
  void set(std::size_t i, TensorId value);
  // The sum of the gradients of the parameter at input i, of this use alone, over a step's micro-batches: the
  // op emits a node that makes its next version. Of a frozen parameter it is one that nobody will read.
  TensorId sum(std::size_t i);
  // The i32[4] input that says which micro-batch this is (op/common.hpp).
  TensorId step();

 private:
  // The parameter that this is, or is derived from; none for anything else.
  TensorId parameter_of(TensorId id) const;
  void find_what_is_wanted();
  void add_sums();
  TensorId gradient_of(TensorId id);
  TensorId gather_views(TensorId base);
  std::vector<TensorId> emit(const OpRecord& op, std::vector<TensorId> inputs, const Attributes& attributes,
                             const std::string& name);
  TensorId add(TensorId a, TensorId b, const std::string& name);
  void grow();  // after nodes were emitted
  [[noreturn]] void refuse_parameter() const;

  Program& p_;
  std::size_t forward_;
  Node node_;
  std::size_t node_index_ = 0;
  std::vector<bool> wants_;                                       // of each tensor
  std::vector<TensorId> gradients_;                               // of each tensor
  std::map<std::int32_t, std::vector<TensorId>> views_;           // of each base that has views
  std::map<std::pair<std::size_t, std::size_t>, TensorId> sums_;  // by node and input
};

// The name of the state that holds the sum of a parameter's gradients over its n-th use (in program order).
std::string gradient_name(const std::string& parameter, std::size_t use);

}  // namespace hone
