// What products of x as codes with a weight in panels share, whatever the codes (coded_linear, int8_linear).
// `In`: the product's operands by name, codes, panels, bias and residual among them; `A`: its attributes,
// with the weight's columns, the rows of it that are multiplied, activation and dtype.
#pragma once
#include <span>
#include <string>

#include "kernel/gemm.hpp"
#include "op/common.hpp"

namespace hone::op {

inline std::span<std::byte> bytes_of(const Operand& o) {
  return {o.as<std::byte>(), static_cast<std::size_t>(o.type.bytes())};
}

// A kernel that packs so many panels from `first` on, of a weight [N,K].
using PackPanels = void(kernel::In weight, std::int64_t N, std::int64_t K, std::int64_t first,
                        std::int64_t count, std::span<std::byte> to);

template <PackPanels* pack>
void run_panels(const Call& c) {
  const Operand &w = c.in[0], &panels = c.out[0];
  c.pool->run(panels.type.shape[0], [&](std::int64_t panel, int) {
    pack(in(w), w.type.shape[0], w.type.shape[1], panel, 1, bytes_of(panels));
  });
}
template <PackPanels* pack>
void reference_panels(const Call& c) {
  const Operand& w = c.in[0];
  pack(in(w), w.type.shape[0], w.type.shape[1], 0, c.out[0].type.shape[0], bytes_of(c.out[0]));
}

// So many columns the result has.
template <class A>
std::int64_t columns_of(const A& a) {
  return a.rows ? a.rows.rows : a.columns;
}

// Of the result; Error where the rows do not begin a panel, or the bias has another length.
template <class In, class A>
Shape panel_product_shape(const InferInput& i, const A& a, std::int64_t panel_rows) {
  if (a.rows.first % panel_rows != 0 || a.rows.end() > a.columns)
    i.fail("the weight has no such rows of panels",
           "a multiple of " + std::to_string(panel_rows) + ", below " + std::to_string(a.columns),
           std::to_string(a.rows.first) + " to " + std::to_string(a.rows.end()));
  if (i.has(In::bias)) i.require(In::bias, f32({a.columns}));
  return i.in[In::codes].shape.with_last(columns_of(a));
}

template <class In>
Cost panel_product_cost(const Program& p, const Node& n) {
  const Shape &codes = p[n.inputs[In::codes]].type.shape, &y = p[n.outputs[0]].type.shape;
  return {.flops = 2.0 * static_cast<double>(codes.elements()) * static_cast<double>(y.last()),
          .bytes = operand_bytes(p, n),
          .low_precision = true};
}

// All but where the result and its activation are written.
template <class In, class A>
kernel::Gemm panel_gemm(const Call& c, const A& a) {
  const Operand &y = c.out[0], &bias = c.in[In::bias];
  return {.M = y.type.shape.rows(),
          .N = columns_of(a),
          .K = c.in[In::codes].type.shape.last(),
          .c_stride = y.row_stride(),
          .bias = bias ? bias.template as<float>() + a.rows.first : nullptr,
          .rounded = element(a.dtype),
          .activation = a.activation,
          .residual = c.in[In::residual].template as<float>()};
}

// The panel that the multiplied rows begin with.
template <class In, class A>
const std::byte* first_panel(const Call& c, const A& a, std::int64_t panel_rows) {
  const Operand& panels = c.in[In::panels];
  if (!panels.data) return nullptr;
  return panels.template as<std::byte>() + a.rows.first / panel_rows * panels.type.shape[1];
}

// For `OpRecord::alias`: the result may overwrite what is added to it.
template <class In>
int residual_alias(const Node& n, int output) {
  return output == 0 && n.inputs[In::residual] ? static_cast<int>(In::residual) : -1;
}

inline constexpr InputRecord stored_weight_input[] = {{.name = "weight", .stored = true}};

}  // namespace hone::op
