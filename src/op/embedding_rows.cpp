#include <algorithm>
#include <cstring>

#include "kernel/embedding.hpp"
#include "op/common.hpp"
#include "op/ops.hpp"

// The gradient of an embedding as the rows of a step, and their sum into a table.
namespace hone::op {
namespace {

std::vector<OutputSpec> infer_keep(const InferInput& i) {
  i.require_rank(2, 2);
  const std::int64_t rows = i.in[2].shape[0];
  i.require(3, {{rows}, DType::i32});
  i.require(4, step_type());
  if (i.in[1].shape.last() != i.in[2].shape[1] || i.in[1].shape.rows() > rows)
    i.fail("the rows do not fit what is kept", to_string(i.in[2]), to_string(i.in[1]));
  return {{i.in[2], 2}, {i.in[3], 3}};
}

void run_keep(const Call& c) {
  const Shape& dy = c.in[1].type.shape;
  const std::int64_t first = step_info(c.in[4]).first_sample * rows_of(dy).positions;
  std::memcpy(c.out[1].as<std::int32_t>() + first, c.in[0].data, static_cast<std::size_t>(dy.rows() * 4));
  constexpr std::int64_t step = 64;  // rows a task
  c.pool->run((dy.rows() + step - 1) / step, [&](std::int64_t task, int) {
    const std::int64_t from = task * step, count = std::min(step, dy.rows() - from);
    std::memcpy(c.out[0].as<float>() + (first + from) * dy.last(), c.in[1].as<float>() + from * dy.last(),
                static_cast<std::size_t>(count * dy.last() * 4));
  });
}

void reference_keep(const Call& c) {
  const Shape& dy = c.in[1].type.shape;
  const std::int64_t first = step_info(c.in[4]).first_sample * rows_of(dy).positions;
  for (std::int64_t r = 0; r < dy.rows(); ++r) set(c.out[1], first + r, get(c.in[0], r));
  for (std::int64_t i = 0; i < dy.elements(); ++i) set(c.out[0], first * dy.last() + i, get(c.in[1], i));
}

Cost cost_keep(const Program& p, const Node& n) {
  return {.flops = 0, .bytes = 2 * static_cast<double>(p[n.inputs[1]].type.bytes())};
}

std::vector<OutputSpec> infer_add(const InferInput& i) {
  i.require(1, {{i.in[0].shape[0]}, DType::i32});
  if (i.in[0].shape.last() != i.in[2].shape.last())
    i.fail("widths differ", to_string(i.in[2]), to_string(i.in[0]));
  return {{i.in[2], 2}};
}

kernel::AddRows arguments(const Call& c) {
  return {.rows = c.in[0].type.shape[0],
          .C = c.in[0].type.shape[1],
          .ids = c.in[1].as<std::int32_t>(),
          .values = c.in[0].as<float>(),
          .sum = c.out[0].as<float>()};
}
std::int64_t scratch_add(const Call& c) { return kernel::scratch_bytes(arguments(c)); }
void run_add(const Call& c) { kernel::run(arguments(c), *c.pool, c.scratch); }

void reference_add(const Call& c) {
  const std::int64_t rows = c.in[0].type.shape[0], C = c.in[0].type.shape[1], V = c.in[2].type.shape[0];
  for (std::int64_t v = 0; v < V; ++v)
    for (std::int64_t j = 0; j < C; ++j) {
      float sum = 0;
      for (std::int64_t r = 0; r < rows; ++r)
        if (static_cast<std::int64_t>(get(c.in[1], r)) == v)
          sum += static_cast<float>(get(c.in[0], r * C + j));
      set(c.out[0], v * C + j, get(c.in[2], v * C + j) + static_cast<double>(sum));
    }
}

Cost cost_add(const Program& p, const Node& n) {
  return {.flops = 0, .bytes = 3 * static_cast<double>(p[n.inputs[0]].type.bytes())};
}

constexpr Variant keep_variants[] = {{"copy", "cpu", nullptr, nullptr, run_keep}};
constexpr Variant add_variants[] = {{"sorted", "cpu", nullptr, scratch_add, run_add}};

}  // namespace

const OpRecord keep_rows{.name = "keep_rows",
                         .infer = infer_keep,
                         .cost = cost_keep,
                         .reference = reference_keep,
                         .variants = keep_variants};
const OpRecord add_rows{.name = "add_rows",
                        .infer = infer_add,
                        .cost = cost_add,
                        .reference = reference_add,
                        .variants = add_variants};

}  // namespace hone::op
