#include "compress/awq.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "compress/gptq.hpp"
#include "ir/rewrite.hpp"
#include "op/norm.hpp"
#include "op/ops.hpp"

namespace hone {
namespace {

constexpr int powers = 20;  // tried between 0 and 1, as AWQ's own program does

using LinearIn = op::LinearInputs;

// The product of that very weight, all rows of it.
bool is_whole_product(const Program& p, const Node& node) {
  if (node.op != &op::linear || node.attributes.as<op::LinearAttributes>().rows) return false;
  const TensorDef& weight = p[node.inputs[LinearIn::weight]];
  return weight.role == Role::parameter && weight.alias == Alias::none;
}

class Makers {
 public:
  explicit Makers(const Program& program) : p_(program), edit_(p_) {}

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
    if (node.op != &op::gated) return {};
    const TensorId up = node.inputs[1];
    const auto product = edit_.maker(up);
    if (!product || edit_.viewed(up) || edit_.readers(up).size() != 1 ||
        !is_whole_product(p_, edit_[*product]))
      return {};
    const Node& linear = edit_[*product];
    maker.divided.push_back(p_[linear.inputs[LinearIn::weight]].name);
    if (linear.inputs[LinearIn::bias]) maker.divided.push_back(p_[linear.inputs[LinearIn::bias]].name);
    return maker;
  }

  Program p_;
  Rewrite edit_;
};

std::vector<float> scales_of_power(const Moments& m, double power) {
  std::vector<float> s(static_cast<std::size_t>(m.width));
  double low = std::numeric_limits<double>::infinity(), high = 0;
  for (std::int64_t i = 0; i < m.width; ++i) {
    const double size = std::sqrt(m.at(i, i) / static_cast<double>(m.positions));
    const double at = std::max(std::pow(size, power), 1e-4);
    s[static_cast<std::size_t>(i)] = static_cast<float>(at);
    low = std::min(low, at), high = std::max(high, at);
  }
  const auto middle = static_cast<float>(std::sqrt(low * high));
  for (float& x : s) x /= middle;
  return s;
}

std::vector<float> scaled(std::span<const float> w, std::span<const float> s) {
  std::vector<float> all(w.begin(), w.end());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] *= s[i % s.size()];
  return all;
}

double error_with(const Moments& m, std::span<const std::span<const float>> weights, std::span<const float> s,
                  const Grid& grid, Isa isa, ThreadPool& pool) {
  double sum = 0;
  for (const auto w : weights) {
    const auto rows = static_cast<std::int64_t>(w.size()) / m.width;
    const std::vector<float> wide = scaled(w, s);
    std::vector<float> back = round_to_nearest(wide, rows, m.width, grid, pool).values();
    for (std::size_t i = 0; i < back.size(); ++i) back[i] /= s[i % s.size()];
    sum += output_error(w, back, rows, m, isa, pool) * static_cast<double>(rows);
  }
  return sum;
}

}  // namespace

std::vector<InputMaker> input_makers(const LayerMoments& layer) { return Makers(*layer.program).all(); }

std::vector<float> channel_scales(const Moments& m, std::span<const std::span<const float>> weights,
                                  const Grid& grid, Isa isa, ThreadPool& pool) {
  std::vector<float> best;
  double least = std::numeric_limits<double>::infinity();
  for (int i = 0; i < powers; ++i) {
    const std::vector<float> s = scales_of_power(m, static_cast<double>(i) / powers);
    const double error = error_with(m, weights, s, grid, isa, pool);
    if (error < least) least = error, best = s;
  }
  return best;
}

Moments divided(const Moments& m, std::span<const float> s) {
  Moments other{.width = m.width, .positions = m.positions, .sum = m.sum};
  for (std::int64_t i = 0; i < m.width; ++i)
    for (std::int64_t j = 0; j < m.width; ++j)
      other.sum[static_cast<std::size_t>(i * m.width + j)] /=
          s[static_cast<std::size_t>(i)] * s[static_cast<std::size_t>(j)];
  return other;
}

}  // namespace hone
