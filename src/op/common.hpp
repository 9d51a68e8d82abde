// What op files share: access to operands for the slow references, operands as kernel arguments, and the
// scalars of a step that kernels read at run time.
#pragma once
#include <cstdint>
#include <functional>
#include <vector>

#include "base/types.hpp"
#include "ir/op_record.hpp"
#include "kernel/element.hpp"

namespace hone::op {

// Input "step" of nodes that depend on where in the run they are: i32[4].
struct StepInfo {
  std::int32_t seed_low, seed_high;  // of the run and the step
  std::int32_t first_sample;         // the micro-batch's first sequence, counted in the whole step
  std::int32_t micro;                // 0 for the step's first micro-batch, which starts every sum
};
inline TensorType step_type() { return {{4}, DType::i32}; }
StepInfo step_info(const Operand& step);
TensorId step_input(Program& program);  // that input, made where the program lacks it
// The key of a random stream at this step; `stream` hashes the name of the use.
std::uint64_t random_key(std::uint64_t stream, const StepInfo& step);

// For loops over elements that know of no rows: the same row by row, over operands of one shape with gaps
// between their rows. Rare, and slow where rows are short: a call of the kernel for each.
template <void (*run)(const Call&)>
void by_rows(const Call& c) {
  Call row = c;
  for (std::int64_t r = 0; r < c.out[0].type.shape.rows(); ++r) {
    const auto place = [&](Operand& o, const Operand& whole) {
      o.type.shape = {whole.type.shape.last()};
      o.data = whole.as<std::byte>() + r * whole.row_stride() * size_bytes(whole.type.dtype);
    };
    for (std::size_t i = 0; i < c.in.size(); ++i) place(row.in[i], c.in[i]);
    for (std::size_t i = 0; i < c.out.size(); ++i) place(row.out[i], c.out[i]);
    run(row);
  }
}
bool all_even_rows(const Call& c);

// Of an op whose kernel goes element by element: all at once, or row by row where rows have gaps.
template <void (*run)(const Call&)>
inline constexpr Variant elementwise_variants[] = {{"flat", "cpu", nullptr, nullptr, run},
                                                   {"rows", "cpu", all_even_rows, nullptr, by_rows<run>}};

kernel::Element element(DType dtype);
inline kernel::In in(const Operand& o) { return {o.data, element(o.type.dtype)}; }
inline kernel::Out out(const Operand& o) { return {o.data, element(o.type.dtype)}; }

// Element i (counted row-major over the shape) of an operand of any dtype and strides.
double get(const Operand& o, std::int64_t i);
void set(const Operand& o, std::int64_t i, double value);
// A weight in blocks as f32, in `values`; others as they are. (get() of one element expands its whole block.)
Operand expanded(const Operand& weight, std::vector<float>& values);
double rounded(DType dtype, double value);  // to a floating type

// For `OpRecord::alias`: the first output may overwrite the first input.
int first_input(const Node& node, int output);

// For ops with SumAttributes: does this call add to a sum that is there, or begin it? `step`: that input's
// index.
bool continues(const Call& c, std::size_t step);

// For OpRecord::continue_sums of those ops.
void continue_sum(Attributes& attributes);

// Samples and rows of each of a [B,..,C] operand: the pieces of sums do not cross samples.
struct Rows {
  std::int64_t sequences, positions;
};
Rows rows_of(const Shape& shape);

// sum = (micro-batch's first ? 0 : sum) + the pieces in order, each from zero, as every weight's gradient
// adds up. term(sequence, position) is what one position contributes.
double sum_by_pieces(double before, bool continued, Rows rows,
                     const std::function<float(std::int64_t, std::int64_t)>& term, DType sum = DType::f32);
// The type of a sum that is kept in f32 or bf16: bf16, or the f32 that is asked for.
DType sum_type(DType kept);

Shape rows_shape(const Shape& shape);  // all axes but the last

// Traffic of a node, each operand once.
double operand_bytes(const Program& p, const Node& n);
Cost streaming_cost(const Program& p, const Node& n);  // no flops worth counting

TensorType f32(Shape shape);

}  // namespace hone::op
