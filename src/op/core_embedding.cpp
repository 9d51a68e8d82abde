#include "kernel/tensor_train.hpp"
#include "op/common.hpp"
#include "op/core_shapes.hpp"
#include "op/ops.hpp"

// Rows of a table by its cores (kernel/tensor_train.hpp).
namespace hone::op {
namespace {

using In = CoreEmbeddingInputs;

// The factors of a table of low rank are its cores without the axes of one.
std::vector<Shape> whole_shapes(std::vector<Shape> cores) {
  if (cores.size() == 2 && cores[0].rank() == 2 && cores[1].rank() == 2)
    cores = {{cores[0][0], 1, 1, cores[0][1]}, {1, cores[1][0], cores[1][1], 1}};
  return cores;
}

std::vector<OutputSpec> infer(const InferInput& i) {
  i.require_rank_at_least(In::ids, 1);
  if (i.in[In::ids].dtype != DType::i32) i.fail("ids must be whole numbers", "i32", to_string(i.in[In::ids]));
  std::vector<Shape> cores;
  for (std::size_t k = In::core0; k < i.in.size() && i.has(k); ++k) {
    if (!is_floating(i.in[k].dtype))
      i.fail("a core is of no type that is multiplied", "a floating type", to_string(i.in[k]));
    cores.push_back(i.in[k].shape);
  }
  CoreIndex train{.cores = whole_shapes(std::move(cores))};
  Shape rows = i.in[In::ids].shape;
  rows.push_back(train.cores.back().rank() == 4 ? train.columns() : 0);
  if (const std::string flaw = flaw_of_cores(train.cores, {1, rows.last()}); !flaw.empty())
    i.fail("these are no cores of a table", flaw, to_string(i.in[In::core0]));
  return {{f32(rows)}};
}

template <class ShapeOf>
kernel::TensorTrain train_of(std::size_t inputs, const ShapeOf& shape_of) {
  std::vector<Shape> shapes;
  for (std::size_t k = In::core0; k < inputs && shape_of(k).rank() > 0; ++k) shapes.push_back(shape_of(k));
  kernel::TensorTrain t;
  for (const Shape& s : whole_shapes(std::move(shapes)))
    t.cores[static_cast<std::size_t>(t.count++)] = {
        .rows = s[0], .left = s[1], .columns = s[2], .right = s[3]};
  return t;
}

// Each id on its own; its matrices and its row.
Cost cost(const Program& p, const Node& n) {
  const kernel::TensorTrain t = train_of(
      n.inputs.size(), [&](std::size_t k) { return n.inputs[k] ? p[n.inputs[k]].type.shape : Shape(); });
  const TensorType& y = p[n.outputs[0]].type;
  double bytes = static_cast<double>(y.bytes());
  const auto rows = static_cast<double>(y.shape.rows());
  for (std::size_t k = In::core0; k < n.inputs.size(); ++k)
    if (n.inputs[k])
      bytes += static_cast<double>(p[n.inputs[k]].type.bytes()) *
               std::min(1.0, rows / static_cast<double>(t.cores[k - In::core0].rows));
  return {.flops = rows * kernel::row_flops(t), .bytes = bytes};
}

kernel::CoreRows arguments(const Call& c) {
  kernel::CoreRows a{.train = train_of(c.in.size(), [&](std::size_t k) { return c.in[k].type.shape; }),
                     .rows = c.out[0].type.shape.rows(),
                     .ids = c.in[In::ids].as<std::int32_t>(),
                     .rounded = element(c.attributes.as<CoreEmbeddingAttributes>().rounded),
                     .y = c.out[0].as<float>()};
  for (int k = 0; k < a.train.count; ++k)
    a.train.cores[static_cast<std::size_t>(k)].values = in(c.in[In::core0 + static_cast<std::size_t>(k)]);
  return a;
}

std::int64_t scratch(const Call& c) { return kernel::scratch_bytes(arguments(c), c.pool->threads()); }
void run(const Call& c) { kernel::run(arguments(c), c.isa, *c.pool, c.scratch); }

// The sum over all ranks of the cores' elements, from the last core to the first.
double element_of_row(const Call& c, const kernel::TensorTrain& t, std::int64_t id, std::int64_t column) {
  std::vector<double> after{1};
  for (int k = t.count - 1; k >= 0; --k) {
    const kernel::Core& core = t.cores[static_cast<std::size_t>(k)];
    const std::int64_t i = id % core.rows, j = column % core.columns;
    id /= core.rows, column /= core.columns;
    std::vector<double> sums(static_cast<std::size_t>(core.left));
    for (std::int64_t l = 0; l < core.left; ++l)
      for (std::int64_t r = 0; r < core.right; ++r)
        sums[static_cast<std::size_t>(l)] += get(c.in[In::core0 + static_cast<std::size_t>(k)],
                                                 ((i * core.left + l) * core.columns + j) * core.right + r) *
                                             after[static_cast<std::size_t>(r)];
    after = std::move(sums);
  }
  return after[0];
}

void reference(const Call& c) {
  const kernel::TensorTrain t = arguments(c).train;
  const DType type = c.attributes.as<CoreEmbeddingAttributes>().rounded;
  const std::int64_t C = c.out[0].type.shape.last();
  for (std::int64_t i = 0; i < c.out[0].type.shape.elements(); ++i)
    set(c.out[0], i,
        rounded(type, element_of_row(c, t, static_cast<std::int64_t>(get(c.in[In::ids], i / C)), i % C)));
}

constexpr InputRecord inputs[] = {{"ids"},
                                  {.name = "core0", .stored = true},
                                  {.name = "core1", .stored = true},
                                  {.name = "core2", .kind = InputRecord::Kind::optional, .stored = true}};
constexpr Variant variants[] = {{"rows", "cpu", nullptr, scratch, run}};

}  // namespace

const OpRecord core_embedding{.name = "core_embedding",
                              .inputs = inputs,
                              .infer = infer,
                              .cost = cost,
                              .reference = reference,
                              .variants = variants};

}  // namespace hone::op
