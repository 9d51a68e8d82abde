#include "kernel/elementwise.hpp"
#include "op/common.hpp"
#include "op/gradient_context.hpp"
#include "op/ops.hpp"

// add, cast, accumulate: sums and roundings of whole tensors.
namespace hone::op {
namespace {

std::vector<OutputSpec> infer_add(const InferInput& i) {
  if (i.in[0].shape != i.in[1].shape)
    i.fail("the shapes of a sum differ", to_string(i.in[0].shape), to_string(i.in[1].shape));
  return {{{i.in[0].shape, i.attributes.as<TypeAttributes>().dtype}}};
}
std::vector<OutputSpec> infer_cast(const InferInput& i) {
  return {{{i.in[0].shape, i.attributes.as<TypeAttributes>().dtype}}};
}
std::vector<OutputSpec> infer_accumulate(const InferInput& i) {
  i.require(1, i.in[0]);
  return {{i.in[0], 0}};
}

void run_add(const Call& c) {
  kernel::run(
      kernel::Add{
          .n = c.out[0].type.shape.elements(), .a = in(c.in[0]), .b = in(c.in[1]), .y = out(c.out[0])},
      c.isa, *c.pool);
}
void run_cast(const Call& c) {
  kernel::run(kernel::Cast{.n = c.out[0].type.shape.elements(), .x = in(c.in[0]), .y = out(c.out[0])}, c.isa,
              *c.pool);
}

void reference_add(const Call& c) {
  for (std::int64_t i = 0; i < c.out[0].type.shape.elements(); ++i)
    set(c.out[0], i, get(c.in[0], i) + get(c.in[1], i));
}
void reference_cast(const Call& c) {
  for (std::int64_t i = 0; i < c.out[0].type.shape.elements(); ++i) set(c.out[0], i, get(c.in[0], i));
}

// The gradient of an addend in its own type: rounded once where it is narrow.
void pass_on(GradientContext& g, std::size_t input, TensorId dy) {
  if (!g.wants(input)) return;
  const DType wanted = g.type(g.in(input)).dtype;
  if (g.type(dy).dtype != wanted) dy = g.emit(cast, {dy}, TypeAttributes{wanted})[0];
  g.set(input, dy);
}
void gradient_add(GradientContext& g) {
  const TensorId dy = g.gradient(0);
  if (!dy) return;
  pass_on(g, 0, dy);
  pass_on(g, 1, dy);
}
void gradient_cast(GradientContext& g) {
  const TensorId dy = g.gradient(0);
  if (dy) pass_on(g, 0, dy);
}

void set_type(Attributes& a, DType dtype) { a = TypeAttributes{dtype}; }

constexpr InputRecord add_inputs[] = {{"a"}, {"b"}};
constexpr InputRecord cast_inputs[] = {{"x"}};
constexpr InputRecord accumulate_inputs[] = {{"sum"}, {"more"}};

}  // namespace

const OpRecord add{.name = "add",
                   .inputs = add_inputs,
                   .infer = infer_add,
                   .cost = streaming_cost,
                   .gradient = gradient_add,
                   .alias = first_input,
                   .reference = reference_add,
                   .variants = elementwise_variants<run_add>,
                   .autocast = Autocast::any,
                   .set_type = set_type};
const OpRecord cast{.name = "cast",
                    .inputs = cast_inputs,
                    .infer = infer_cast,
                    .cost = streaming_cost,
                    .gradient = gradient_cast,
                    .reference = reference_cast,
                    .variants = elementwise_variants<run_cast>,
                    .set_type = set_type};
const OpRecord accumulate{.name = "accumulate",
                          .inputs = accumulate_inputs,
                          .infer = infer_accumulate,
                          .cost = streaming_cost,
                          .reference = reference_add,
                          .variants = elementwise_variants<run_add>};

}  // namespace hone::op
