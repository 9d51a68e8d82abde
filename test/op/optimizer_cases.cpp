#include "kernel/adamw8bit.hpp"

#include "op/cases.hpp"
#include "optimizer/optimizer.hpp"

namespace hone {
namespace {

struct Update {
  const OpRecord* op;
  std::vector<double> hyper;
  std::vector<Input> states;  // of a weight [33,100], say; their shapes follow the weight's
};

Fill positive() {
  return [](std::int64_t, Stream& s) { return s.uniform(); };
}
Fill codes(std::int64_t least) {
  return [least](std::int64_t, Stream& s) {
    return static_cast<double>(least +
                               static_cast<std::int64_t>(s.below(static_cast<std::uint64_t>(256 - least))));
  };
}

// Ops that read the weight and its gradient, then the states, and write the weight.
std::vector<Update> updates(const Shape& s) {
  const std::vector<double> adamw{1e-2, 0.9, 0.95, 1e-8, 0.1, 0.19, 0.0975};
  const Input moment{op::f32(s)}, squares{op::f32(s), positive()};
  const Input largest{op::f32({kernel::moment_blocks(s.elements())}), positive()};
  std::vector<Update> all{{adamw_optimizer.ops[0], adamw, {moment, squares}},
                          {adamw8bit_optimizer.ops[0],
                           adamw,
                           {{{s, DType::u8}, codes(0)}, largest, {{s, DType::u8}, codes(2)}, largest}},
                          {adafactor_optimizer.ops[1], {1e-2, 0.1, 0.4}, {squares}},
                          {lion_optimizer.ops[0], {1e-2, 0.9, 0.99, 0.1}, {moment}},
                          {sgd_optimizer.ops[0], {1e-2, 0.9, 0.1}, {moment}}};
  if (s.rank() == 2)
    all.push_back({adafactor_optimizer.ops[0],
                   {1e-2, 0.1, 0.4},
                   {{op::f32({s[0]}), positive()}, {op::f32({s[1]}), positive()}}});
  return all;
}

// Muon's three: momentum to a direction, the polynomial between the products, the step.
void add_muon_cases(const Shape& s, std::vector<OpCase>& cases) {
  const std::span<const OpRecord* const> ops = muon_optimizer.ops;
  const Input hyper{op::f32({3}), given({1e-2, 0.95, 0.1})}, factor{op::f32({1}), given({0.5})};
  const Shape shorter = s[0] > s[1] ? Shape{s[1], s[0]} : s;
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const Input matrix{{s}}, square{{{shorter[0], shorter[0]}, dtype}};
    cases.push_back({ops[0], {matrix, matrix, hyper, factor}, op::TypeAttributes{dtype}});
    cases.push_back({ops[1], {square, square}, {}});
    for (const bool decay : {false, true})
      cases.push_back({ops[2], {matrix, {{shorter, dtype}}, hyper}, UpdateAttributes{decay}});
  }
}

// The norm in two parts, of a gradient that is shorter than a block and of one that is longer.
void add_norm_cases(std::vector<OpCase>& cases) {
  for (const std::int64_t n : {1, 33, 70000})
    for (const DType dtype : {DType::f32, DType::bf16}) cases.push_back({&op::squares, {{{{n}, dtype}}}, {}});
  cases.push_back({&op::norm_of_squares, {{op::f32({2, 3}), positive()}, {op::f32({2, 1}), positive()}}, {}});
}

}  // namespace

void add_optimizer_cases(std::vector<OpCase>& cases) {
  add_norm_cases(cases);
  for (const Shape& s : {Shape{1}, Shape{17}, Shape{33, 100}, Shape{300, 257}}) {
    for (const Update& u : updates(s))
      for (const bool decay : {false, true}) {
        const Input w{op::f32(s)}, factor{op::f32({1}), given({0.5})};
        std::vector<Input> inputs{w, w};
        inputs.insert(inputs.end(), u.states.begin(), u.states.end());
        inputs.push_back({op::f32({static_cast<std::int64_t>(u.hyper.size())}), given(u.hyper)});
        inputs.push_back(factor);
        cases.push_back({u.op, inputs, UpdateAttributes{decay}});
        if (!u.op->find_input("low")) continue;
        for (const DType low : {DType::bf16, DType::f16}) {
          inputs.resize(*u.op->find_input("low"));
          inputs.push_back({{s, low}});
          cases.push_back({u.op, inputs, UpdateAttributes{decay}});
        }
        if (!u.op->find_input("step")) continue;
        inputs.back() = {TensorType{}};
        inputs.push_back({op::step_type(), ids(1000)});
        inputs[0] = {{s, DType::bf16}};
        cases.push_back({u.op, inputs, UpdateAttributes{decay, 77}});
        inputs[1] = {{s, DType::bf16}};
        cases.push_back({u.op, inputs, UpdateAttributes{decay, 77}});
      }
    if (s.rank() == 2) add_muon_cases(s, cases);
  }
}

}  // namespace hone
