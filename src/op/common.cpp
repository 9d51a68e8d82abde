#include "op/common.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

#include "ir/values.hpp"
#include "kernel/blocks.hpp"
#include "op/inputs.hpp"
#include "op/ops.hpp"

namespace hone::op {

StepInfo step_info(const Operand& step) {
  StepInfo info;
  std::memcpy(&info, step.data, sizeof info);
  return info;
}

TensorId step_input(Program& p) {
  const TensorId id = p.input(input::step);
  return id ? id
            : p.add({.name = input::step,
                     .type = step_type(),
                     .role = Role::input,
                     .input = {.meaning = Meaning::step, .once_a_step = false}});
}

std::uint64_t random_key(std::uint64_t stream, const StepInfo& step) {
  std::uint64_t h = stream ^ ((static_cast<std::uint64_t>(static_cast<std::uint32_t>(step.seed_high)) << 32) |
                              static_cast<std::uint32_t>(step.seed_low));
  h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9ull;  // splitmix64's finish
  h = (h ^ (h >> 27)) * 0x94D049BB133111EBull;
  return h ^ (h >> 31);
}

bool all_even_rows(const Call& c) {
  const auto even = [](const Operand& o) { return o.even_rows(); };
  return std::all_of(c.in.begin(), c.in.end(), even) && std::all_of(c.out.begin(), c.out.end(), even);
}

kernel::Element element(DType dtype) { return element_of(dtype); }

namespace {

std::int64_t address(const Operand& o, std::int64_t i) {
  std::int64_t at = 0;
  for (int axis = o.type.shape.rank() - 1; axis >= 0; --axis) {
    at += (i % o.type.shape[axis]) * o.strides[axis];
    i /= o.type.shape[axis];
  }
  return at;
}

double get_from_block(const Operand& o, std::int64_t i) {
  const std::int64_t whole = block_elements(o.type.dtype), width = o.type.shape.last(), column = i % width;
  const std::byte* row = o.as<std::byte>() + i / width * row_bytes(o.type.dtype, width);
  float values[256];
  kernel::expand({row + row_bytes(o.type.dtype, column / whole * whole), element(o.type.dtype)},
                 std::span(values).first(static_cast<std::size_t>(whole)));
  return static_cast<double>(values[column % whole]);
}

}  // namespace

double get(const Operand& o, std::int64_t i) {
  if (is_blocks(o.type.dtype)) return get_from_block(o, i);
  const std::int64_t at = address(o, i);
  switch (o.type.dtype) {
    case DType::f32:
      return static_cast<double>(o.as<float>()[at]);
    case DType::bf16:
      return static_cast<double>(to_f32(o.as<bf16>()[at]));
    case DType::f16:
      return static_cast<double>(to_f32(o.as<f16>()[at]));
    case DType::i32:
      return o.as<std::int32_t>()[at];
    case DType::u8:
      return o.as<std::uint8_t>()[at];
    default:
      return 0;
  }
}

Operand expanded(const Operand& weight, std::vector<float>& values) {
  if (!is_blocks(weight.type.dtype)) return weight;
  values.resize(static_cast<std::size_t>(weight.type.shape.elements()));
  widen({weight.as<std::byte>(), static_cast<std::size_t>(weight.type.bytes())}, weight.type, values);
  return {values.data(), f32(weight.type.shape), weight.strides};
}

void set(const Operand& o, std::int64_t i, double value) {
  const std::int64_t at = address(o, i);
  switch (o.type.dtype) {
    case DType::f32:
      o.as<float>()[at] = static_cast<float>(value);
      break;
    case DType::bf16:
      o.as<bf16>()[at] = to_bf16(static_cast<float>(value));
      break;
    case DType::f16:
      o.as<f16>()[at] = to_f16(static_cast<float>(value));
      break;
    case DType::i32:
      o.as<std::int32_t>()[at] = static_cast<std::int32_t>(value);
      break;
    case DType::u8:
      o.as<std::uint8_t>()[at] = static_cast<std::uint8_t>(value);
      break;
    default:
      assert(false);  // blocks are only read
  }
}

double rounded(DType dtype, double value) {
  const auto x = static_cast<float>(value);
  return static_cast<double>(dtype == DType::bf16  ? to_f32(to_bf16(x))
                             : dtype == DType::f16 ? to_f32(to_f16(x))
                                                   : x);
}

int first_input(const Node&, int output) { return output == 0 ? 0 : -1; }

void continue_sum(Attributes& attributes) {
  auto a = attributes.as<SumAttributes>();
  a.begun = true;
  attributes = a;
}

bool continues(const Call& c, std::size_t step) {
  return c.attributes.as<SumAttributes>().begun || step_info(c.in[step]).micro != 0;
}

Rows rows_of(const Shape& shape) { return {shape[0], shape.rows() / shape[0]}; }

double sum_by_pieces(double before, bool continued, Rows rows,
                     const std::function<float(std::int64_t, std::int64_t)>& term, DType type) {
  auto sum = static_cast<float>(continued ? before : 0.0);
  for (std::int64_t b = 0; b < rows.sequences; ++b)
    for (std::int64_t first = 0; first < rows.positions; first += kernel::piece_positions) {
      double piece = 0;
      const std::int64_t end = std::min(rows.positions, first + kernel::piece_positions);
      for (std::int64_t t = first; t < end; ++t) piece += static_cast<double>(term(b, t));
      sum = static_cast<float>(rounded(type, static_cast<double>(sum + static_cast<float>(piece))));
    }
  return static_cast<double>(sum);
}

DType sum_type(DType kept) { return kept == DType::bf16 ? DType::bf16 : DType::f32; }

Shape rows_shape(const Shape& shape) {
  Shape rows;
  for (int axis = 0; axis + 1 < shape.rank(); ++axis) rows.push_back(shape[axis]);
  return rows;
}

double operand_bytes(const Program& p, const Node& n) {
  double total = 0;
  for (const TensorId id : n.inputs)
    if (id) total += static_cast<double>(p[id].type.bytes());
  for (const TensorId id : n.outputs) total += static_cast<double>(p[id].type.bytes());
  return total;
}

Cost streaming_cost(const Program& p, const Node& n) { return {.flops = 0, .bytes = operand_bytes(p, n)}; }

TensorType f32(Shape shape) { return {shape, DType::f32}; }

}  // namespace hone::op
