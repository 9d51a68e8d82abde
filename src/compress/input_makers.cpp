#include "compress/input_makers.hpp"

#include <optional>
#include <utility>

#include "ir/rewrite.hpp"
#include "op/norm.hpp"
#include "op/ops.hpp"

namespace hone {
namespace {

using LinearIn = op::LinearInputs;

// The product of that very weight, all rows of it.
bool is_whole_product(const Program& p, const Node& node) {
  if (node.op != &op::linear || node.attributes.as<op::LinearAttributes>().rows) return false;
  const TensorDef& weight = p[node.inputs[LinearIn::weight]];
  return weight.role == Role::parameter && weight.alias == Alias::none;
}

class Finder {
 public:
  Finder(const Program& program, Makers which) : p_(program), edit_(p_), which_(which) {}

  std::vector<InputMaker> all() {
    std::vector<InputMaker> found;
    for (std::size_t n = 0; n < edit_.size(); ++n)
      if (auto maker = maker_of(n)) found.push_back(std::move(*maker));
    return found;
  }

 private:
  // The products that read what node n makes; none where somebody else does too.
  std::vector<std::string> products_of(std::size_t n) const {
    std::vector<std::string> names;
    const TensorId x = edit_[n].outputs[0];
    if (edit_.viewed(x)) return {};
    for (const std::size_t reader : edit_.readers(x)) {
      if (reader == edit_.size() || !is_whole_product(p_, edit_[reader]) ||
          edit_[reader].inputs[LinearIn::x] != x)
        return {};
      names.push_back(p_[edit_[reader].inputs[LinearIn::weight]].name);
    }
    return names;
  }

  std::optional<InputMaker> maker_of(std::size_t n) const {
    const Node& node = edit_[n];
    InputMaker maker{.products = products_of(n)};
    if (maker.products.empty()) return {};
    if (node.op == &op::rms_norm || node.op == &op::layer_norm) {
      maker.offset = node.attributes.as<op::NormAttributes>().offset;
      for (std::size_t i = 1; i < node.inputs.size(); ++i) maker.divided.push_back(p_[node.inputs[i]].name);
      return maker;
    }
    if (node.op == &op::gated) return divides_product(maker, node.inputs[1]);
    if (node.op != &op::attention || which_ != Makers::values_too) return {};
    const auto a = node.attributes.as<op::AttentionAttributes>();
    maker.heads = a.heads / a.kv_heads;
    maker.head_width = p_[node.inputs[0]].type.shape.last() / a.heads;
    return divides_product(maker, node.inputs[op::AttentionInputs::v]);
  }

  // By the rows of the product that makes x, where nobody else reads that.
  std::optional<InputMaker> divides_product(InputMaker& maker, TensorId x) const {
    const auto product = edit_.maker(x);
    if (!product || edit_.viewed(x) || edit_.readers(x).size() != 1 || !is_whole_product(p_, edit_[*product]))
      return {};
    const Node& linear = edit_[*product];
    if (linear.attributes.as<op::LinearAttributes>().activation != op::Activation::none) return {};
    maker.divided.push_back(p_[linear.inputs[LinearIn::weight]].name);
    if (linear.inputs[LinearIn::bias]) maker.divided.push_back(p_[linear.inputs[LinearIn::bias]].name);
    return std::move(maker);
  }

  Program p_;
  Rewrite edit_;
  Makers which_;
};

}  // namespace

std::vector<InputMaker> input_makers(const LayerMoments& layer, Makers which) {
  return Finder(*layer.program, which).all();
}

void divide_rows(std::vector<float>& w, std::span<const float> s, float offset) {
  const std::size_t row = w.size() / s.size();
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = (w[i] + offset) / s[i / row] - offset;
}

void multiply_columns(std::vector<float>& w, std::span<const float> s) {
  for (std::size_t i = 0; i < w.size(); ++i) w[i] *= s[i % s.size()];
}

}  // namespace hone
