#include "op/cases.hpp"
#include "optimizer/optimizer.hpp"

namespace hone {
namespace {

struct Update {
  const OptimizerRecord* record;
  std::vector<double> hyper;
  std::vector<Input> states;  // of a weight [33,100], say; their shapes follow the weight's
};

Fill positive() {
  return [](std::int64_t, Stream& s) { return s.uniform(); };
}

std::vector<Update> updates(const Shape& s) {
  const Input moment{op::f32(s)}, squares{op::f32(s), positive()};
  return {{&adamw_optimizer, {1e-2, 0.9, 0.95, 1e-8, 0.1, 0.19, 0.0975}, {moment, squares}},
          {&lion_optimizer, {1e-2, 0.9, 0.99, 0.1}, {moment}},
          {&sgd_optimizer, {1e-2, 0.9, 0.1}, {moment}}};
}

}  // namespace

void add_optimizer_cases(std::vector<OpCase>& cases) {
  for (const Shape& s : {Shape{1}, Shape{17}, Shape{33, 100}, Shape{300, 257}})
    for (const Update& u : updates(s))
      for (const bool decay : {false, true}) {
        const Input w{op::f32(s)}, factor{op::f32({1}), given({0.5})};
        std::vector<Input> inputs{w, w};
        inputs.insert(inputs.end(), u.states.begin(), u.states.end());
        inputs.push_back({op::f32({static_cast<std::int64_t>(u.hyper.size())}), given(u.hyper)});
        inputs.push_back(factor);
        const OpRecord* op = u.record->ops[0];
        cases.push_back({op, inputs, UpdateAttributes{decay}});
        if (!op->find_input("low")) continue;
        for (const DType low : {DType::bf16, DType::f16}) {
          inputs.resize(*op->find_input("low"));
          inputs.push_back({{s, low}});
          cases.push_back({op, inputs, UpdateAttributes{decay}});
        }
      }
}

}  // namespace hone
