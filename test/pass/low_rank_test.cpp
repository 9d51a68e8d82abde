// Products of low rank in the place of a product, and beside it.
#include "pass/low_rank.hpp"

#include <algorithm>

#include "op/ops.hpp"
#include "pass/passes.hpp"
#include "pass_check.hpp"

namespace hone {
namespace {

const Network net = language_model([](Builder& b, Tensor tokens) {
  const auto x = embedding(tokens, b.parameter("wte", {V, 10}));
  return linear(x + linear(gelu(linear(x, "up", 20)), "down", 10), "head", V, {.bias = false});
});

std::int64_t count(const Program& p, const OpRecord& op) {
  return std::ranges::count_if(p.nodes, [&](const Node& n) { return n.op == &op; });
}

TEST(Correct, PutsAProductBesideAndAddsIt) {
  Program p = write_forward(net, {.batch = 2, .seq = 3}).program;
  const std::int64_t products = count(p, op::linear), sums = count(p, op::add);
  correct(p, {{"up", 3}, {"down", 2}});
  verify(p);
  EXPECT_EQ(count(p, op::linear), products + 4);
  EXPECT_EQ(count(p, op::add), sums + 2);
  const auto shape = [&](const std::string& name) { return p[p.find(name)].type.shape; };
  EXPECT_EQ(shape("up.weight"), (Shape{20, 10}));
  EXPECT_EQ(shape("up.weight.u"), (Shape{20, 3}));
  EXPECT_EQ(shape("up.weight.v"), (Shape{3, 10}));
  EXPECT_EQ(shape("down.weight.u"), (Shape{10, 2}));
}

// The product alone is what is added to in the last of the three; no sum of its own is left.
TEST(Correct, TheSumBecomesAnAddend) {
  Program p = write_forward(net, {.batch = 2, .seq = 3}).program;
  correct(p, {{"up", 3}, {"down", 2}});
  fuse(p);
  remove_dead(p);
  verify(p);
  EXPECT_EQ(count(p, op::add), 1);  // the model's own
  const std::string text = print(p);
  for (const char* line :
       {"%15: f32[2,3,3] = linear(%2, %13) {bias=false, residual=false, activation=0, dtype=f32} "
        "@up.correction_v\n",
        "%5: f32[2,3,20] = linear(%15, %14, %16) {bias=false, residual=true, activation=0, "
        "dtype=f32} @up.correction_u\n"})
    EXPECT_NE(text.find(line), std::string::npos) << text;
}

}  // namespace
}  // namespace hone
