// AdamW whose moments have eight bits (kernel/adamw8bit.hpp): two bytes a weight, and 8 for each 256, where
// AdamW keeps eight a weight. Small tensors and vectors stay with AdamW: they are a thousandth of the bytes.
#include "kernel/adamw8bit.hpp"

#include "op/common.hpp"
#include "optimizer/adamw_hyper.hpp"

namespace hone {
namespace {

using namespace op;

struct In {
  enum : std::size_t { weight, gradient, m, m_largest, v, v_largest, hyper, clip_scale, low, step };
};

Shape blocks_of(const Shape& weight) { return {kernel::moment_blocks(weight.elements())}; }

std::vector<OutputSpec> infer(const InferInput& i) {
  const TensorType weight = i.in[In::weight], largest = f32(blocks_of(weight.shape));
  adamw::require_weight(i, In::weight, In::step);
  adamw::require_gradient(i, In::weight, In::gradient);
  for (const std::size_t k : {In::m, In::v}) i.require(k, {weight.shape, DType::u8});
  for (const std::size_t k : {In::m_largest, In::v_largest}) i.require(k, largest);
  i.require(In::hyper, f32({adamw::hyper_floats}));
  i.require(In::clip_scale, f32({1}));
  std::vector<OutputSpec> specs{{weight, In::weight},
                                {i.in[In::m], In::m},
                                {largest, In::m_largest},
                                {i.in[In::v], In::v},
                                {largest, In::v_largest}};
  if (i.has(In::low)) specs.push_back({i.in[In::low], In::low});
  return specs;
}

void run(const Call& c) {
  kernel::run(kernel::AdamW8Bit{.n = c.in[In::weight].type.shape.elements(),
                                .w = out(c.out[0]),
                                .key = adamw::rounding_key(c, In::step),
                                .gradient = in(c.in[In::gradient]),
                                .m = {c.out[1].as<std::uint8_t>(), c.out[2].as<float>()},
                                .v = {c.out[3].as<std::uint8_t>(), c.out[4].as<float>()},
                                .low = c.in[In::low] ? out(c.out[5]) : kernel::Out{},
                                .step = c.in[In::hyper].as<kernel::AdamWStep>(),
                                .decay = c.attributes.as<UpdateAttributes>().decay,
                                .clip_scale = c.in[In::clip_scale].as<float>()},
              c.isa, *c.pool);
}

// A moment's next values to codes. In f32, as the kernel: a code on the edge of two would be the other one.
void encode(const std::vector<float>& values, std::int64_t first, bool squares, const Operand& codes,
            const Operand& largest) {
  float most = 0;
  for (const float x : values) most = std::max(most, std::abs(x));
  const float inverse = most > 0 ? 1 / most : 0;
  set(largest, first / kernel::AdamW8Bit::block_values, static_cast<double>(most));
  for (std::size_t k = 0; k < values.size(); ++k)
    set(codes, first + static_cast<std::int64_t>(k), kernel::moment_code(values[k] * inverse, squares));
}

void reference(const Call& c) {
  const auto* s = c.in[In::hyper].as<kernel::AdamWStep>();
  const float decay = c.attributes.as<UpdateAttributes>().decay ? s->weight_decay : 0;
  const std::int64_t n = c.in[In::weight].type.shape.elements(), block = kernel::AdamW8Bit::block_values;
  for (std::int64_t first = 0; first < n; first += block) {
    std::vector<float> m, v;
    const auto before = [&](std::size_t codes, std::int64_t i) {
      const auto code = static_cast<std::uint8_t>(get(c.in[codes], i));
      return kernel::moment_share(code, codes == In::v) *
             static_cast<float>(get(c.in[codes + 1], first / block));
    };
    for (std::int64_t i = first; i < std::min(n, first + block); ++i) {
      const auto g = static_cast<float>(get(c.in[In::gradient], i)) * *c.in[In::clip_scale].as<float>();
      m.push_back(s->beta1 * before(In::m, i) + (1 - s->beta1) * g);
      v.push_back(s->beta2 * before(In::v, i) + (1 - s->beta2) * (g * g));
      const float root = std::sqrt(v.back() / s->correction2) + s->epsilon;
      const float w = static_cast<float>(get(c.in[In::weight], i)) * (1 - s->lr * decay) -
                      s->lr * (m.back() / s->correction1) / root;
      adamw::set_weight(c, In::step, i, w);
      if (c.in[In::low]) set(c.out[5], i, static_cast<double>(w));
    }
    encode(m, first, false, c.out[1], c.out[2]);
    encode(v, first, true, c.out[3], c.out[4]);
  }
}

constexpr InputRecord inputs[] = {{"weight"},
                                  {"gradient"},
                                  {"m"},
                                  {"m_largest"},
                                  {"v"},
                                  {"v_largest"},
                                  {"hyper"},
                                  {"clip_scale"},
                                  {"low", InputRecord::Kind::optional},
                                  {"step", InputRecord::Kind::optional}};
constexpr Variant variants[] = {{"blocks", "cpu", nullptr, nullptr, run}};
constexpr OpRecord adamw8bit_update{.name = "adamw8bit",
                                    .inputs = inputs,
                                    .infer = infer,
                                    .cost = streaming_cost,
                                    .reference = reference,
                                    .variants = variants};

void update(UpdateContext& u) {
  u.emit(adamw8bit_update,
         {u.weight(), u.gradient(), u.state(0), u.state(1), u.state(2), u.state(3), u.hyper(), u.clip_scale(),
          u.take_low_copy(), u.step()},
         u.attributes());
}

bool takes(const TrainedWeight& w) { return w.spec.shape.rank() > 1 && w.spec.shape.elements() >= 4096; }

constexpr OptimizerState states[] = {{"m", DType::u8},
                                     {"m_largest", DType::f32, blocks_of},
                                     {"v", DType::u8},
                                     {"v_largest", DType::f32, blocks_of}};
constexpr const OpRecord* ops[] = {&adamw8bit_update};

}  // namespace

const OptimizerRecord adamw8bit_optimizer{.name = "adamw8bit",
                                          .states = states,
                                          .scalars = adamw::scalars,
                                          .hyper_floats = adamw::hyper_floats,
                                          .fill_hyper = adamw::fill_hyper,
                                          .update = update,
                                          .takes = takes,
                                          .others = &adamw_optimizer,
                                          .rounds_weights = true,
                                          .reads_bf16_gradients = true,
                                          .ops = ops};

}  // namespace hone
