// What the files of builder functions share: tensors told apart and checked, nodes added under the open
// scopes.
#pragma once
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "ir/op_record.hpp"
#include "op/builder_state.hpp"

namespace hone::builder {

// Error(input) with the place where it was written.
[[noreturn]] void fail(const BuilderState& b, const std::string& name, const std::string& what,
                       const std::string& expected, const std::string& found);
// A tensor that this call of the architecture was not given and did not make.
[[noreturn]] void refuse_foreign(std::string_view use);

BuilderState& state_of(Tensor x, std::string_view use);
TensorId id_of(BuilderState& b, Tensor x, std::string_view use);
// What functions over tensors work on: values that are computed or given. Neither ids nor weights, which have
// places of their own. What ranks an op takes is the op's to say.
TensorId value_of(BuilderState& b, Tensor x, std::string_view use);
TensorId ids_of(BuilderState& b, Tensor x, std::string_view use);
TensorId weight_of(BuilderState& b, Tensor x, std::string_view use);
const TensorType& type_of(Tensor x);
std::string text_of(const TensorDef& t);
Shape positive_shape(const BuilderState& b, std::string_view name, std::initializer_list<std::int64_t> sizes);

// A new node, whose result is known by the node's name, or by another.
Tensor add_node(BuilderState& b, const OpRecord& op, const std::vector<TensorId>& inputs,
                const Attributes& attributes, const std::string& name, const std::string& known_as);
Tensor add_node(BuilderState& b, const OpRecord& op, const std::vector<TensorId>& inputs,
                const Attributes& attributes, const std::string& name);

}  // namespace hone::builder
