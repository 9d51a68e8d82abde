// verify() and print() on small programs: each complaint has a program that is wrong in just that way.
#include <gtest/gtest.h>

#include <stdexcept>

#include "op/common.hpp"
#include "op/ops.hpp"

namespace hone {
namespace {

struct Small {
  Program p;
  TensorId x = p.add({.name = "x", .type = op::f32({2, 3}), .role = Role::input});
  TensorId sum = p.add({.name = "sum", .type = op::f32({2, 3}), .role = Role::state});
  TensorId act(TensorId of) {
    return emit(p, op::activation, {of}, op::ActivationAttributes{op::Activation::relu}, "act")[0];
  }
  TensorId accumulate(TensorId to) { return emit(p, op::accumulate, {to, x}, {}, "more")[0]; }
};

void expect_complaint(const Program& p, const std::string& words) {
  try {
    verify(p);
    ADD_FAILURE() << "no complaint about: " << words;
  } catch (const std::logic_error& e) {
    EXPECT_NE(std::string(e.what()).find(words), std::string::npos) << e.what();
  }
}

TEST(Verify, TakesAGoodProgram) {
  Small s;
  s.p.outputs = {s.act(s.act(s.x))};
  s.accumulate(s.accumulate(s.sum));
  EXPECT_NO_THROW(verify(s.p));
}

TEST(Verify, AnIdOutOfRange) {
  Small s;
  s.act(s.x);
  s.p.nodes[0].inputs[0] = {99};
  expect_complaint(s.p, "an id out of range");
  s.p.nodes[0].inputs[0] = {};
  expect_complaint(s.p, "no input 'x'");
}

TEST(Verify, ReadBeforeItIsMade) {
  Small s;
  s.act(s.act(s.x));
  std::swap(s.p.nodes[0], s.p.nodes[1]);
  expect_complaint(s.p, "is read before it is made");
}

TEST(Verify, AViewOfWhatIsNotThere) {
  Small s;
  const TensorId made = s.act(s.x);
  s.act(add_view(s.p, made, {3}, {1}, 3, "row"));
  std::swap(s.p.nodes[0], s.p.nodes[1]);
  expect_complaint(s.p, "'row' is read before it is made");
}

TEST(Verify, ReadAfterTheNextVersion) {
  Small s;
  s.accumulate(s.sum);
  s.act(s.sum);
  expect_complaint(s.p, "'sum' is read after its next version was written");
}

TEST(Verify, TwoNextVersions) {
  Small s;
  const TensorId one = s.accumulate(s.sum), two = s.accumulate(one);
  s.p[two].previous = s.sum;
  expect_complaint(s.p, "two next versions of 'sum'");
}

TEST(Verify, WrittenTwice) {
  Small s;
  const TensorId a = s.act(s.x);
  s.act(s.x);
  s.p.nodes[1].outputs = {a};
  expect_complaint(s.p, "is written twice");
}

TEST(Verify, TheWrongNumberOfOutputs) {
  Small s;
  s.act(s.x);
  s.p.nodes[0].outputs.clear();
  expect_complaint(s.p, "wrong number of outputs");
}

TEST(Verify, TypesThatInferDoesNotGive) {
  Small s;
  s.p[s.act(s.x)].type.dtype = DType::bf16;
  expect_complaint(s.p, "inferred f32[2,3], has bf16[2,3]");
}

TEST(Print, SaysAllThereIs) {
  Small s;
  const TensorId row = add_view(s.p, s.x, {3}, {1}, 3, "row");
  s.p.outputs = {s.act(row)};
  s.accumulate(s.sum);
  s.p.nodes[1].phase = Phase::update;
  EXPECT_EQ(print(s.p),
            "input %0: f32[2,3] x\n"
            "state %1: f32[2,3] sum\n"
            "%3: f32[3] = activation(%2(%0+3 [1])) {kind=1} @act\n"
            "%4(next %1): f32[2,3] = accumulate(%1, %0) @more #update\n"
            "output %3\n");
}

TEST(RemoveDead, KeepsWhatIsNeededAndWrites) {
  Small s;
  s.act(s.act(s.x));  // nobody reads it
  s.p.outputs = {s.act(s.x)};
  s.accumulate(s.sum);
  const TensorId made = emit(s.p, op::cast, {s.sum}, op::TypeAttributes{DType::bf16}, "copy")[0];
  s.p[made].role = Role::state;  // made outright, for another program
  s.p.nodes.back().inputs = {s.p.nodes[s.p.nodes.size() - 2].outputs[0]};
  remove_dead(s.p);
  EXPECT_NO_THROW(verify(s.p));
  EXPECT_EQ(s.p.nodes.size(), 3u) << print(s.p);
  const std::string once = print(s.p);
  remove_dead(s.p);
  EXPECT_EQ(print(s.p), once);
}

}  // namespace
}  // namespace hone
