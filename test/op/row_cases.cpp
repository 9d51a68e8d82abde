#include "kernel/cross_entropy.hpp"
#include "op/cases.hpp"

namespace hone {
namespace {

constexpr std::int64_t widths[] = {1, 3, 17, 64, 100};
constexpr op::Activation activations[] = {op::Activation::relu, op::Activation::gelu_new,
                                          op::Activation::gelu, op::Activation::silu};
const Shape shapes[] = {{1, 1, 1}, {1, 5, 3}, {3, 11, 17}, {2, 300, 64}, {5, 1, 100}};

void add_flat(DType dtype, std::vector<OpCase>& cases) {
  for (const Shape& s : shapes) {
    const Input x{{s, dtype}, normals(2)}, y{{s, DType::f32}}, part{{s, dtype}, normals(2), 5};
    for (const DType to : results_of(dtype)) {
      cases.push_back({&op::add, {x, y}, op::TypeAttributes{to}});
      cases.push_back({&op::add, {y, part}, op::TypeAttributes{to}, {3}});
      cases.push_back({&op::cast, {x}, op::TypeAttributes{to}});
      cases.push_back({&op::cast, {part}, op::TypeAttributes{to}, {3}});
    }
    const op::ActivationAttributes gelu{op::Activation::gelu};
    cases.push_back({&op::gated, {part, x}, gelu, {3}});
    cases.push_back({&op::gated_gradient, {x, part, x}, gelu, {5, 0}});
    cases.push_back({&op::activation, {part}, gelu, {3}});
    cases.push_back({&op::activation_gradient, {x, part}, gelu, {5}});
    const Input wide{{s, dtype}, normals(30)};
    cases.push_back({&op::softcap, {wide}, op::SoftcapAttributes{20}});
    cases.push_back({&op::softcap, {part}, op::SoftcapAttributes{0.5f}, {3}});
    // Of what softcap made: within +-cap.
    const Input made{{s, dtype}, [](std::int64_t, Stream& r) { return 40 * r.uniform() - 20; }};
    cases.push_back({&op::softcap_gradient, {x, made}, op::SoftcapAttributes{20}});
    for (const auto kind : activations) {
      cases.push_back({&op::gated, {x, wide}, op::ActivationAttributes{kind}});
      cases.push_back({&op::gated_gradient, {wide, x, x}, op::ActivationAttributes{kind}});
      cases.push_back({&op::activation, {x}, op::ActivationAttributes{kind}});
      cases.push_back({&op::activation_gradient, {x, x}, op::ActivationAttributes{kind}});
    }
    for (const std::int32_t sample : {0, 7})
      cases.push_back({&op::dropout, {x, step(0, sample)}, op::DropoutAttributes{.p = 0.3f, .stream = 99}});
    if (dtype == DType::f32) {
      cases.push_back({&op::accumulate, {sum(s), x}, NoAttributes{}});
      const Input pruned{{s, dtype}, given({0, -0.0, 1.5, 0, -2})};
      cases.push_back({&op::keep_zeros, {sum(s), pruned}, NoAttributes{}});
      const Input narrow{{s, DType::bf16}, given({0, -0.0, 1.5, 0, -2})};
      cases.push_back({&op::keep_zeros, {sum(s), narrow}, NoAttributes{}});
      cases.push_back({&op::scale, {x}, op::ScaleAttributes{-1.5f}});
      const Shape rows{s[0] * s[1], s[2]}, groups{rows[0], (s[2] + 15) / 16};
      cases.push_back({&op::simulate,
                       {{{rows, dtype}, normals(2)},
                        {{groups, dtype}, given({0.5, 0.25, 0})},
                        {{groups, dtype}, given({-1, -2})}},
                       op::SimulateAttributes{.group = 16, .levels = 8}});
      for (const bool symmetric : {false, true})
        cases.push_back({&op::round_weight,
                         {{{rows, dtype}, normals(2)}},
                         op::RoundWeightAttributes{.bits = 3, .group = 16, .symmetric = symmetric}});
      const Input positions{{{s[0], s[1]}, DType::i32}, ids(1000)};
      const Input frequencies{op::f32({s[2]}), given({1, 0.3, 0.01, 1e-4})};
      cases.push_back({&op::sinusoids, {positions, frequencies}, NoAttributes{}});
    }
    // The rows of a micro-batch that begins with sample s[0], from its second sequence on.
    const Input kept{{{2 * s[0] + 1, s[1], s[2]}, dtype}};
    cases.push_back({&op::keep,
                     {part, kept, step(1, static_cast<std::int32_t>(s[0]))},
                     op::KeepAttributes{.first = s[1]}});
  }
}

// mean and rstd, or rstd alone, as the forward norm of the same rows leaves them.
void fill_statistics(const Call& c, bool centred) {
  Call forward = c;
  std::vector<float> y(static_cast<std::size_t>(c.in[1].type.shape.elements()));
  forward.attributes = op::NormAttributes{};
  forward.in = {c.in[1], c.in[2], c.in[2]};
  forward.out = {{y.data(), c.in[1].type, contiguous_strides(c.in[1].type.shape)}, c.in[3], c.in[4]};
  (centred ? op::layer_norm : op::rms_norm).reference(forward);
}

// In place of a micro-batch: gamma and beta have no sums.
constexpr std::int32_t frozen = -1;

void add_norms(DType dtype, bool centred, std::vector<OpCase>& cases) {
  for (const Shape& s :
       {Shape{1, 1, 3}, Shape{3, 11, 17}, Shape{2, 300, 64}, Shape{1, 33, 100}, Shape{5, 7, 768}}) {
    const Input x{op::f32(s), normals(3)}, row{op::f32({s.last()})}, statistic{op::f32({s.rows()})};
    const float offset = centred ? 0 : 1;
    if (dtype == DType::f32)
      for (const DType to : results_of(dtype)) {
        cases.push_back({centred ? &op::layer_norm : &op::rms_norm,
                         centred ? std::vector<Input>{x, row, row} : std::vector<Input>{x, row},
                         op::NormAttributes{.dtype = to}});
        if (!centred)
          cases.push_back({&op::rms_norm, {x, row}, op::NormAttributes{.dtype = to, .offset = 1}});
      }
    for (const std::int32_t micro : {0, 1, frozen})
      for (const bool addend : {false, true}) {
        OpCase c{centred ? &op::layer_norm_gradient : &op::rms_norm_gradient,
                 {{{s, dtype}}, x, row, statistic},
                 op::NormGradientAttributes{.begun = micro == 0 && addend, .offset = micro ? offset : 0}};
        if (centred) c.inputs.push_back(statistic);
        c.inputs.insert(c.inputs.end(), centred ? 2 : 1, micro == frozen ? none : row);
        c.inputs.push_back(micro == frozen ? none : step(micro));
        if (addend) c.inputs.push_back(x);
        c.prepare = [centred](const Call& call) { fill_statistics(call, centred); };
        cases.push_back(c);
      }
  }
}

void add_embeddings(std::vector<OpCase>& cases) {
  for (auto blocks = static_cast<int>(DType::q8_0); blocks < static_cast<int>(dtype_count); ++blocks)
    for (const std::int64_t C : {512, 7, 33, 100, 180})
      cases.push_back({&op::embedding,
                       {{{{2, 3}, DType::i32}, ids(5)}, {{{5, C}, static_cast<DType>(blocks)}}},
                       NoAttributes{}});
  for (const std::int64_t C : widths)
    for (const std::int64_t T : {1, 7, 300}) {
      const Input tokens{{{2, T}, DType::i32}, ids(11)};
      for (const DType table : {DType::f32, DType::bf16, DType::f16})
        cases.push_back({&op::embedding, {tokens, {{{11, C}, table}}}, NoAttributes{}});
      // A step of twice the micro-batch's rows; the micro-batch is its second half.
      const Input kept{{{4, T}, DType::i32}, ids(11)};
      cases.push_back({&op::keep, {tokens, kept, step(1, 2)}, op::KeepAttributes{}});
      Input narrow = sum({11, C});
      narrow.type.dtype = DType::bf16;
      for (const Input& table : {sum({11, C}), narrow})
        cases.push_back({&op::add_rows, {{op::f32({4, T, C})}, kept, table}, NoAttributes{}});
      for (const std::int32_t micro : {0, 1})
        for (const bool begun : {false, true})
          cases.push_back({&op::embedding_gradient,
                           {tokens, {op::f32({2, T, C})}, sum({11, C}), step(micro)},
                           op::SumAttributes{begun}});
    }
}

// Of a table in two or three cores; as a product of two matrices; rounded, to a neighbour where an f32 sum is
// near a tie.
void add_core_embeddings(std::vector<OpCase>& cases) {
  const std::vector<std::vector<Shape>> trains{{{3, 1, 2, 4}, {2, 4, 3, 5}, {4, 5, 3, 1}},
                                               {{4, 1, 16, 20}, {3, 20, 9, 19}, {2, 19, 4, 1}},
                                               {{7, 1, 1, 1}, {1, 1, 33, 1}, {5, 1, 1, 1}},
                                               {{5, 1, 3, 17}, {6, 17, 33, 1}},
                                               {{29, 9}, {9, 100}}};
  for (const std::vector<Shape>& cores : trains)
    for (const std::int64_t T : {1, 5, 90})
      for (const DType type : {DType::f32, DType::bf16, DType::f16})
        for (const DType rounded : {DType::f32, type}) {
          std::vector<Input> inputs{{{{2, T}, DType::i32}, ids(24)}};
          for (const Shape& core : cores) inputs.push_back({{core, type}});
          OpCase c{&op::core_embedding, std::move(inputs), op::CoreEmbeddingAttributes{rounded}};
          if (rounded != DType::f32) c.loose = rounded == DType::bf16 ? 0x1p-7 : 0x1p-10;
          cases.push_back(std::move(c));
        }
}

Fill labels(std::int64_t V) {
  return [V](std::int64_t i, Stream& s) {
    return i % 4 == 2 ? kernel::ignored_label : static_cast<double>(s.below(static_cast<std::uint64_t>(V)));
  };
}

void fill_lse(const Call& c) {
  Call forward = c;
  std::vector<float> loss(static_cast<std::size_t>(c.in[2].type.shape.elements()));
  forward.in = {c.in[0], c.in[1], c.in[3]};
  forward.out = {{loss.data(), c.in[2].type, c.in[2].strides}, c.in[2]};
  op::cross_entropy.reference(forward);
}

// Of k ids a row, each once, and masses of k + 1 that add up to 1.
Fill distinct_ids(std::int64_t V, std::int64_t k) {
  return [=](std::int64_t i, Stream&) { return static_cast<double>((i / k * 7 + i % k * 163) % V); };
}
Fill shares(std::int64_t k) {
  return [=](std::int64_t i, Stream&) {
    return 2 * static_cast<double>(i % (k + 1) + 1) / static_cast<double>((k + 1) * (k + 2));
  };
}

void fill_soft_sums(const Call& c) {
  using In = op::SoftCrossEntropyGradientInputs;
  Call forward = c;
  const Operand& lse = c.in[In::lse];
  std::vector<float> loss(static_cast<std::size_t>(lse.type.shape.elements()));
  forward.in = {c.in[In::logits], c.in[In::labels], c.in[In::ids], c.in[In::masses], c.in[In::scale]};
  forward.out = {{loss.data(), lse.type, lse.strides}, lse, c.in[In::soft_lse], c.in[In::others]};
  op::soft_cross_entropy.reference(forward);
}

void add_soft_losses(DType dtype, std::vector<OpCase>& cases) {
  for (const std::int64_t V : {2, 17, 100, 5000})
    for (const std::int64_t k : {1, 2, 17}) {
      const bool beyond_a_chunk = V > 4096;  // slow by the reference: once
      if (k > V || (beyond_a_chunk && k < 17)) continue;
      const Shape rows{2, 5}, known{2, 5, k};
      const Input logits{{{2, 5, V}, dtype}, normals(3)}, label{{rows, DType::i32}, labels(V)};
      const Input ids{{known, DType::i32}, distinct_ids(V, k)}, masses{op::f32({2, 5, k + 1}), shares(k)};
      const Input scale{op::f32({1}), given({0.25})}, sum{op::f32(rows)}, apart{logits.type, logits.fill, 3};
      for (const float temperature : {1.0f, 3.0f}) {
        if (beyond_a_chunk && temperature == 1) continue;
        cases.push_back({&op::likeliest, {logits}, op::LikeliestAttributes{k, temperature}});
        cases.push_back({&op::likeliest, {apart}, op::LikeliestAttributes{k, temperature}});
        if (V > k + 1)
          cases.push_back({&op::likeliest, {logits}, op::LikeliestAttributes{k, temperature, V - 1}});
        for (const float share : {0.0f, 0.6f, 1.0f}) {
          if (beyond_a_chunk && share != 0.6f) continue;
          const op::SoftCrossEntropyAttributes a{share, temperature};
          cases.push_back({&op::soft_cross_entropy, {logits, label, ids, masses, scale}, a});
          cases.push_back({&op::soft_cross_entropy_gradient,
                           {logits, label, ids, masses, sum, sum, sum, scale},
                           a,
                           {},
                           fill_soft_sums});
        }
      }
    }
}

void fill_state_factors(const Call& c) {
  using In = op::StateErrorGradientInputs;
  Call forward = c;
  const Operand& factor = c.in[In::x_factor];
  std::vector<float> loss(static_cast<std::size_t>(factor.type.shape.elements()));
  forward.in = {c.in[In::x], c.in[In::target], c.in[In::labels], c.in[In::scale]};
  forward.out = {{loss.data(), factor.type, factor.strides}, factor, c.in[In::target_factor]};
  op::state_error.reference(forward);
}

void add_state_errors(DType dtype, std::vector<OpCase>& cases) {
  for (const std::int64_t C : {1, 17, 100, 576, 2049})
    for (const std::int64_t gap : {0, 3}) {
      const Shape rows{2, 5}, shape{2, 5, C};
      const Input x{{shape, dtype}, normals(3), gap}, target{op::f32(shape), normals(0.5)};
      const Input label{{rows, DType::i32}, labels(9)}, scale{op::f32({1}), given({0.25})},
          factor{op::f32(rows)};
      cases.push_back({&op::state_error, {x, target, label, scale}, NoAttributes{}});
      if (C > 1)  // of one channel there is a sign, and a slope of nothing but rounding
        cases.push_back({&op::state_error_gradient,
                         {x, target, label, factor, factor, scale},
                         NoAttributes{},
                         {gap},
                         fill_state_factors});
    }
}

void fill_relation_sums(const Call& c) {
  using In = op::RelationErrorGradientInputs;
  Call forward = c;
  const Operand &lse = c.in[In::x_lse], &labels = c.in[In::labels];
  std::vector<float> loss(static_cast<std::size_t>(labels.type.shape.elements()));
  forward.in = {c.in[In::x], c.in[In::target], labels, c.in[In::scale]};
  forward.out = {{loss.data(), op::f32(labels.type.shape), labels.strides}, lse, c.in[In::target_lse]};
  op::relation_error.reference(forward);
}

void add_relation_errors(DType dtype, std::vector<OpCase>& cases) {
  struct Size {
    std::int64_t T, W, target_W, heads;
  };
  for (const Size& s : {Size{1, 2, 4, 2}, Size{7, 6, 10, 2}, Size{19, 51, 34, 1}, Size{40, 64, 96, 4}})
    for (const bool causal : {true, false})
      for (const std::int64_t gap : {0, 3}) {
        const Input x{{{2, s.T, s.W}, dtype}, normals(1), gap}, target{op::f32({2, s.T, s.target_W})};
        const Input label{{{2, s.T}, DType::i32}, labels(9)}, scale{op::f32({1}), given({0.25})};
        const Input lse{op::f32({2, s.heads, s.T})};
        const op::RelationErrorAttributes a{s.heads, causal};
        cases.push_back({&op::relation_error, {x, target, label, scale}, a});
        if (s.T == 1) continue;  // one position is related to itself alone: a slope of nothing but rounding
        cases.push_back({&op::relation_error_gradient,
                         {x, target, label, lse, lse, scale},
                         a,
                         {gap},
                         fill_relation_sums});
      }
}

void add_losses(DType dtype, std::vector<OpCase>& cases) {
  for (const std::int64_t V : {2, 17, 100, 2049})
    for (const Shape& rows : {Shape{1, 5}, Shape{3, 11}}) {
      const Input logits{{{rows[0], rows[1], V}, dtype}, normals(4)}, label{{rows, DType::i32}, labels(V)};
      const Input scale{op::f32({1}), given({0.25})};
      cases.push_back({&op::hit, {logits, label}, NoAttributes{}});
      cases.push_back({&op::hit, {{logits.type, logits.fill, 3}, label}, NoAttributes{}});
      for (const float smoothing : {0.0f, 0.1f, 0.9f}) {
        const op::CrossEntropyAttributes a{.label_smoothing = smoothing};
        cases.push_back({&op::cross_entropy, {logits, label, scale}, a});
        cases.push_back(
            {&op::cross_entropy_gradient, {logits, label, {op::f32(rows)}, scale}, a, {}, fill_lse});
      }
    }
}

void add_updates(std::vector<OpCase>& cases) {
  for (const Shape& s : {Shape{1}, Shape{17}, Shape{33, 100}, Shape{300, 257}}) {
    const Input w{op::f32(s)};
    for (const double clip : {0.0, 1.0, 1e6})
      for (const Input& scaled_by : {none, Input{op::f32({1}), given({1024})}})
        cases.push_back({&op::gradient_norm,
                         {{op::f32({1}), given({clip})}, scaled_by, w, {op::f32({5})}, w},
                         NoAttributes{}});
  }
}

}  // namespace

void add_row_cases(DType dtype, std::vector<OpCase>& cases) {
  add_flat(dtype, cases);
  for (const bool centred : {true, false}) add_norms(dtype, centred, cases);
  add_losses(dtype, cases);
  add_soft_losses(dtype, cases);
  add_state_errors(dtype, cases);
  add_relation_errors(dtype, cases);
  if (dtype != DType::f32) return;
  add_embeddings(cases);
  add_core_embeddings(cases);
  add_updates(cases);
}

}  // namespace hone
