// Passes: what they promise of numbers, that a second run changes nothing, that they are functions.
#include "pass/passes.hpp"
#include "op/product_ops.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "pass_check.hpp"

namespace hone {
namespace {

std::int64_t count(const Program& p, const OpRecord& op) {
  return std::count_if(p.nodes.begin(), p.nodes.end(), [&](const Node& n) { return n.op == &op; });
}

TEST(Fuse, KeepsTheBits) {
  for (const DType products : {DType::f32, DType::bf16, DType::f16})
    for (const auto& architecture : {gpt2(32), without_biases}) {
      const Program before = with_backward(architecture, 3, 19, products);
      const Program fused = after(fuse, before);
      EXPECT_LT(fused.nodes.size(), before.nodes.size());
      EXPECT_EQ(count(fused, op::activation), 0) << print(fused);
      EXPECT_EQ(count(fused, op::activation_gradient), 0) << print(fused);
      expect_same_numbers(before, fused);
      expect_settled(fuse, before);
    }
}

const Network with_bias = language_model([](Builder& b, Tensor tokens) {
  const auto x = embedding(tokens, b.parameter("wte", {V, 24}));
  return linear(gelu(linear(x, "up", 24)), "head", V);
});

const Network soft_limit = language_model([](Builder& b, Tensor tokens) {
  const auto wte = b.parameter("wte", {V, 24});
  return softcap(linear(embedding(tokens, wte), wte), 2);
});

TEST(ChunkLoss, KeepsTheBits) {
  struct Size {
    std::int64_t batch, seq, rows;
  };
  for (const Size s : {Size{1, 300, 256},
                       {3, 300, 256},
                       {2, 300, 100},
                       {5, 64, 128},
                       {3, 64, 256},
                       {3, 64, 17},
                       {1, 1, 256}})
    for (const DType products : {DType::f32, DType::bf16, DType::f16})
      for (const auto& architecture : {gpt2(300), without_biases, with_bias, soft_limit}) {
        SCOPED_TRACE(std::to_string(s.batch) + "x" + std::to_string(s.seq) + " by " + std::to_string(s.rows));
        const Program before = after(fuse, with_backward(architecture, s.batch, s.seq, products));
        const Pass pass = [&](Program& p) { chunk_loss(p, {.rows = s.rows, .above_bytes = 0}); };
        const Program chunked = after(pass, before);
        if (s.seq > s.rows) {
          EXPECT_GT(count(chunked, op::cross_entropy), 1);
        }
        ASSERT_NO_FATAL_FAILURE(expect_same_numbers(before, chunked));
        EXPECT_EQ(print(after(pass, before)), print(chunked));
      }
}

TEST(MarkHits, AddsOneOutputATermWhateverTheChunks) {
  const Program before = forward_and_loss(without_biases, 3, 64);
  expect_settled(mark_hits, before);
  const Program marked = after(mark_hits, before);
  EXPECT_EQ(count(marked, op::hit), 1);
  EXPECT_TRUE(marked.output(hits_name("loss")));
  const Program chunked = after([](Program& p) { chunk_loss(p, {.rows = 64, .above_bytes = 0}); }, marked);
  EXPECT_EQ(count(chunked, op::hit), 3);
  expect_same_numbers(marked, chunked);
}

TEST(ChunkLoss, LeavesSmallLogitsWhole) {
  const Program before = with_backward(without_biases, 2, 9, DType::f32);
  EXPECT_EQ(print(after([](Program& p) { chunk_loss(p); }, before)), print(before));
}

const Pass autocast_bf16 = [](Program& p) { autocast(p, DType::bf16); };

TEST(Autocast, PutsProductsInBf16AndIsDoneAfterOnce) {
  const Program before = forward_and_loss(without_biases, 2, 9);
  const Program cast = after(autocast_bf16, before);
  for (const Node& node : cast.nodes)
    EXPECT_TRUE(node.op->autocast != Autocast::lower || cast[node.inputs[0]].type.dtype == DType::bf16)
        << node.name;
  EXPECT_TRUE(cast.find("up.weight.bf16"));
  expect_settled(autocast_bf16, before);
}

TEST(Autocast, PrintsAsExpected) {
  EXPECT_EQ(
      print(after(autocast_bf16, forward_and_loss(tiny, 1, 2))),
      "input %0: i32[1,2] $tokens\n"
      "parameter %1: f32[7,4] table\n"
      "state %4: bf16[7,4] table.bf16\n"
      "input %6: i32[1,2] $labels\n"
      "input %7: f32[1] $loss_scale\n"
      "%2: f32[1,2,4] = embedding(%0, %1) @table\n"
      "%3: bf16[1,2,4] = cast(%2) {dtype=bf16} @table:embedding\n"
      "%4: bf16[7,4] = cast(%1) {dtype=bf16} @table #prepare\n"
      "%5: bf16[1,2,7] = linear(%3, %4) {bias=false, residual=false, activation=0, dtype=bf16} @table:head\n"
      "%8: f32[1,2], %9: f32[1,2] = cross_entropy(%5, %6, %7) @loss\n"
      "output %8\n");
}

// Each use of a weight has its sum.
TEST(Differentiate, PrintsAsExpected) {
  EXPECT_EQ(
      print(with_backward(tiny, 1, 2, DType::f32)),
      "input %0: i32[1,2] $tokens\n"
      "parameter %1: f32[7,4] table\n"
      "input %4: i32[1,2] $labels\n"
      "input %5: f32[1] $loss_scale\n"
      "state %8: f32[7,4] grad.table\n"
      "state %9: f32[7,4] grad.table.2\n"
      "input %12: i32[4] $step\n"
      "%2: f32[1,2,4] = embedding(%0, %1) @table\n"
      "%3: f32[1,2,7] = linear(%2, %1) {bias=false, residual=false, activation=0, dtype=f32} @table:head\n"
      "%6: f32[1,2], %7: f32[1,2] = cross_entropy(%3, %4, %5) @loss\n"
      "%10: f32[1,2,7] = cross_entropy_gradient(%3, %4, %7, %5) @loss\n"
      "%11: f32[1,2,4] = linear_input_gradient(%10, %1) {activation=0, dtype=f32} @table:head\n"
      "%13(next %9): f32[7,4] = linear_weight_gradient(%10, %2, %9, %12) {begun=false} @table:head\n"
      "%14(next %8): f32[7,4] = embedding_gradient(%0, %11, %8, %12) {begun=false} @table\n"
      "output %6\n");
}

TensorId made_by(const Program& p, const std::string& node) {
  for (const Node& n : p.nodes)
    if (n.name == node) return n.outputs[0];
  return {};
}

TEST(KeepActivations, PrintsAsExpected) {
  const Pass pass = [](Program& p) {
    keep_activations(p, {{"logits", made_by(p, "table:head")}, {"x", made_by(p, "table")}}, 3);
  };
  const Program before = forward_and_loss(tiny, 1, 2);
  EXPECT_EQ(
      print(after(pass, before)),
      "input %0: i32[1,2] $tokens\n"
      "parameter %1: f32[7,4] table\n"
      "input %4: i32[1,2] $labels\n"
      "input %5: f32[1] $loss_scale\n"
      "state %8: f32[3,2,7] kept.logits\n"
      "input %9: i32[4] $step\n"
      "state %11: f32[3,2,4] kept.x\n"
      "%2: f32[1,2,4] = embedding(%0, %1) @table\n"
      "%12(next %11): f32[3,2,4] = keep(%2, %11, %9) {first=0} @x\n"
      "%3: f32[1,2,7] = linear(%2, %1) {bias=false, residual=false, activation=0, dtype=f32} @table:head\n"
      "%10(next %8): f32[3,2,7] = keep(%3, %8, %9) {first=0} @logits\n"
      "%6: f32[1,2], %7: f32[1,2] = cross_entropy(%3, %4, %5) @loss\n"
      "output %6\n");
  expect_settled(pass, before);
}

Program updated(Program p) {
  return after([](Program& q) { append_update(q, {}); },
               after([](Program& q) { append_norm(q); }, after(join_gradients, std::move(p))));
}

Program with_update(const Network& network, DType products) {
  return updated(after(fuse, with_backward(network, 2, 9, products)));
}

TEST(AppendUpdate, PrintsAsExpected) {
  const Program whole = updated(with_backward(tiny, 1, 2, DType::bf16));
  EXPECT_EQ(print(cut(whole, Phase::norm)),
            "state %0: f32[7,4] grad.table\n"
            "state %1: f32[7,4] grad.table.2\n"
            "input %5: f32[1] $clip\n"
            "state %6: f32[1] grad_norm\n"
            "state %7: f32[1] clip_scale\n"
            "%4(next %3): f32[7,4] = accumulate(%3(of %0), %2(of %1)) @table #norm\n"
            "%6: f32[1], %7: f32[1] = gradient_norm(%5, %4(next %3)) @clip #norm\n"
            "output\n");
  EXPECT_EQ(print(cut(whole, Phase::update)),
            "parameter %0: f32[7,4] table\n"
            "state %1: bf16[7,4] table.bf16\n"
            "state %2: f32[7,4] grad.table\n"
            "state %4: f32[1] clip_scale\n"
            "input %5: f32[7] $hyper\n"
            "state %6: f32[7,4] m.table\n"
            "state %7: f32[7,4] v.table\n"
            "%8(next %0): f32[7,4], %9(next %6): f32[7,4], %10(next %7): f32[7,4], %11(next %1): bf16[7,4] ="
            " adamw(%0, %3(of %2), %6, %7, %5, %4, %1) {decay=true, low=true} @table #update\n"
            "output\n");
}

TEST(Fuse, PrintsAsExpected) {
  const auto block = language_model([](Builder& b, Tensor tokens) {
    const auto x = embedding(tokens, b.parameter("table", {7, 4}));
    return x + linear(gelu(linear(layer_norm(x, "norm"), "up", 8)), "down", 4);
  });
  EXPECT_EQ(print(after(fuse, after(autocast_bf16, forward_and_loss(block, 1, 2)))),
            "input %0: i32[1,2] $tokens\n"
            "parameter %1: f32[7,4] table\n"
            "parameter %3: f32[4] norm.weight\n"
            "parameter %4: f32[4] norm.bias\n"
            "parameter %8: f32[8,4] up.weight\n"
            "state %9: bf16[8,4] up.weight.bf16\n"
            "parameter %10: f32[8] up.bias\n"
            "parameter %13: f32[4,8] down.weight\n"
            "state %14: bf16[4,8] down.weight.bf16\n"
            "parameter %15: f32[4] down.bias\n"
            "input %17: i32[1,2] $labels\n"
            "input %18: f32[1] $loss_scale\n"
            "%2: f32[1,2,4] = embedding(%0, %1) @table\n"
            "%7: bf16[1,2,4], %5: f32[2], %6: f32[2] = layer_norm(%2, %3, %4)"
            " {epsilon=9.99999975e-06, dtype=bf16} @norm\n"
            "%9: bf16[8,4] = cast(%8) {dtype=bf16} @up.weight #prepare\n"
            "%11: bf16[1,2,8], %12: bf16[1,2,8] = linear(%7, %9, %10)"
            " {bias=true, residual=false, activation=3, dtype=bf16} @up\n"
            "%14: bf16[4,8] = cast(%13) {dtype=bf16} @down.weight #prepare\n"
            "%16: f32[1,2,4] = linear(%12, %14, %15, %2)"
            " {bias=true, residual=true, activation=0, dtype=bf16} @down\n"
            "%19: f32[1,2], %20: f32[1,2] = cross_entropy(%16, %17, %18) @loss\n"
            "output %19\n");
}

// The kernel widens a bf16 gradient itself: no cast before it.
TEST(Fuse, LeavesNoCastInFrontOfANormsGradient) {
  const Program fused = after(fuse, with_backward(gpt2(32), 2, 9, DType::bf16));
  std::int64_t norms = 0;
  for (const Node& n : fused.nodes) {
    if (n.op != &op::layer_norm_gradient) continue;
    ++norms;
    EXPECT_EQ(fused[n.inputs[*n.op->find_input("dy")]].type.dtype, DType::bf16) << n.name;
  }
  EXPECT_EQ(norms, 3);
}

// Forward knows its scope; backward knows that, and that it is backward.
TEST(Differentiate, NodesKnowTheirScope) {
  const Program p = with_backward(gpt2(32), 2, 9, DType::f32);
  std::int64_t forward = 0, backward = 0;
  for (const Node& n : p.nodes) {
    if (n.name != "transformer.h.0.mlp.c_fc") continue;
    EXPECT_EQ(n.scope, "transformer.h.0") << n.op->name;
    ++(n.backward ? backward : forward);
  }
  EXPECT_EQ(forward, 1);
  EXPECT_EQ(backward, 3);
}

// Two losses over one network: each head goes by chunks.
TEST(ChunkLoss, TakesEveryHead) {
  const auto network = [](Builder& b) -> Outputs {
    const auto x = embedding(b.tokens(), b.parameter("table", {V, 10}));
    return {{"one", linear(x, "one", V, {.bias = false})}, {"two", linear(x, "two", 5, {.bias = false})}};
  };
  const auto objective = [](Builder& b, const Outputs& out) -> std::vector<LossTerm> {
    const auto one = b.input("labels", {b.seq()}, {.kind = InputKind::labels, .below = V});
    const auto two = b.input("kinds", {b.seq()}, {.kind = InputKind::labels, .below = 5});
    return {{"loss", cross_entropy(out.at("one"), one)}, {"kind", cross_entropy(out.at("two"), two), 0.5f}};
  };
  Program before = write_forward(network, objective, {.batch = 3, .seq = 64, .training = true}).program;
  differentiate(before);
  before = settled(std::move(before));
  const Program chunked = after([](Program& p) { chunk_loss(p, {.rows = 64, .above_bytes = 0}); }, before);
  EXPECT_EQ(count(chunked, op::cross_entropy), 6);
  ASSERT_NO_FATAL_FAILURE(expect_same_numbers(before, chunked));
}

TEST(ChunkLoss, TakesSoftLabelsAndWhatATeacherKnows) {
  const auto objective = [](Builder& b, const Outputs& out) -> std::vector<LossTerm> {
    const auto labels = b.input("labels", {b.seq()}, {.kind = InputKind::labels, .below = V});
    const auto ids = b.input("ids", {b.seq(), 4}, {.kind = InputKind::ids, .below = V});
    const auto masses = b.input("masses", {b.seq(), 5}, {});
    return {{"loss", soft_cross_entropy(out.at("logits"), labels, ids, masses)}};
  };
  const Pass pass = [](Program& p) { chunk_loss(p, {.rows = 64, .above_bytes = 0}); };
  for (const auto& [batch, seq] : {std::pair{3, 64}, {2, 300}}) {
    const Program before = with_backward(without_biases, batch, seq, DType::bf16, objective);
    const Program chunked = after(pass, before);
    EXPECT_GT(count(chunked, op::soft_cross_entropy), 1);
    EXPECT_EQ(count(chunked, op::soft_cross_entropy), count(chunked, op::soft_cross_entropy_gradient));
    ASSERT_NO_FATAL_FAILURE(expect_same_numbers(before, chunked));
  }
  for (const std::size_t looked_at : {0, 1}) {
    Program teacher = write_forward(without_biases, {.batch = 2, .seq = 300}).program;
    const auto known = emit(teacher, op::likeliest, {teacher.output("logits")},
                            op::LikeliestAttributes{.count = 3, .temperature = 2}, "teacher");
    teacher.outputs = {{known[looked_at], "loss"}, {known[1 - looked_at], "other"}};  // the first is compared
    teacher = settled(std::move(teacher));
    const Program chunked = after(pass, teacher);
    EXPECT_EQ(count(chunked, op::likeliest), 4);
    ASSERT_NO_FATAL_FAILURE(expect_same_numbers(teacher, chunked));
  }
}

TEST(ChunkLoss, PrintsAsExpected) {
  const Pass pass = [](Program& p) { chunk_loss(p, {.rows = 4, .above_bytes = 0}); };
  EXPECT_EQ(print(after(pass, with_backward(tiny, 3, 2, DType::f32))),
            "input %0: i32[3,2] $tokens\n"
            "parameter %1: f32[7,4] table\n"
            "input %3: i32[3,2] $labels\n"
            "input %4: f32[1] $loss_scale\n"
            "state %6: f32[7,4] grad.table\n"
            "state %7: f32[7,4] grad.table.2\n"
            "input %9: i32[4] $step\n"
            "%2: f32[3,2,4] = embedding(%0, %1) @table\n"
            "%13: f32[2,2,7] = linear(%12(%2+0 [8,4,1]), %1)"
            " {bias=false, residual=false, activation=0, dtype=f32} @table:head\n"
            "%15(%5+0 [2,1]): f32[2,2], %16: f32[2,2] = cross_entropy(%13, %14(%3+0 [2,1]), %4) @loss\n"
            "%17: f32[2,2,7] = cross_entropy_gradient(%13, %14(%3+0 [2,1]), %16, %4) @loss\n"
            "%18(%8+0 [8,4,1]): f32[2,2,4] = linear_input_gradient(%17, %1)"
            " {activation=0, dtype=f32} @table:head\n"
            "%19(next %7): f32[7,4] = linear_weight_gradient(%17, %12(%2+0 [8,4,1]), %7, %9)"
            " {begun=false} @table:head\n"
            "%21: f32[1,2,7] = linear(%20(%2+16 [8,4,1]), %1)"
            " {bias=false, residual=false, activation=0, dtype=f32} @table:head\n"
            "%23(%5+4 [2,1]): f32[1,2], %24: f32[1,2] = cross_entropy(%21, %22(%3+4 [2,1]), %4) @loss\n"
            "%25: f32[1,2,7] = cross_entropy_gradient(%21, %22(%3+4 [2,1]), %24, %4) @loss\n"
            "%26(%8+16 [8,4,1]): f32[1,2,4] = linear_input_gradient(%25, %1)"
            " {activation=0, dtype=f32} @table:head\n"
            "%10(next %19): f32[7,4] = linear_weight_gradient(%25, %20(%2+16 [8,4,1]), %19(next %7), %9)"
            " {begun=true} @table:head\n"
            "%11(next %6): f32[7,4] = embedding_gradient(%0, %8, %6, %9) {begun=false} @table\n"
            "output %5\n");
}

TEST(FewRows, MarksProductsOfFewRowsOnly) {
  const Program one = forward_and_loss(tiny, 1, 2);
  const std::string printed = print(after(few_rows, one));
  EXPECT_NE(
      printed.find("= linear(%2, %1) {bias=false, residual=false, activation=0, dtype=f32, few_rows=true}"),
      std::string::npos)
      << printed;
  expect_settled(few_rows, one);
  const Program many = forward_and_loss(tiny, 1, 9);
  EXPECT_EQ(print(after(few_rows, many)), print(many));
}

TEST(BlockProducts, TakeThePlaceOfProductsWithWhatIsKept) {
  const SparseIndices sparse{
      {"q.weight", {.form = kernel::SparseForm::block, .block_rows = 4, .kept = 3, .pairs = true}},
      {"k.weight", {.form = kernel::SparseForm::bitmap, .kept = 3}},  // no blocks
      {"v.weight", {.form = kernel::SparseForm::block, .block_rows = 4, .dtype = DType::bf16, .kept = 3}}};
  const Program before = forward_and_loss(without_biases, 1, 40);
  const Pass pass = [&](Program& p) { block_products(p, sparse); };
  const Program made = after(pass, before);
  EXPECT_EQ(count(made, op::block_linear), 1) << print(made);  // v's parameter is of another type
  EXPECT_EQ(count(made, op::pack_strips), 1);
  EXPECT_EQ(count(made, op::linear), count(before, op::linear) - 1);
  for (const Node& node : made.nodes) {
    if (node.op != &op::block_linear) continue;
    const auto a = node.attributes.as<op::BlockLinearAttributes>();
    EXPECT_FALSE(a.pairs);  // x is f32
    EXPECT_EQ(made[node.inputs[op::BlockLinearInputs::strips]].name, "q.weight.strips");
  }
  expect_settled(pass, before);
}

TEST(AppendUpdate, UpdatesEveryParameterOnce) {
  for (const DType products : {DType::f32, DType::bf16, DType::f16}) {
    const Program p = with_update(without_biases, products);
    std::int64_t parameters = 0;
    for (const TensorDef& t : p.tensors) parameters += t.role == Role::parameter && t.alias == Alias::none;
    const OpRecord& adamw = *adamw_optimizer.ops[0];
    EXPECT_EQ(count(p, adamw), parameters);
    EXPECT_EQ(count(p, op::gradient_norm), 1);
    EXPECT_EQ(print(with_update(without_biases, products)), print(p));
    for (const Node& node : p.nodes) {
      if (node.op != &adamw) continue;
      EXPECT_EQ(node.attributes.as<UpdateAttributes>().decay, p[p.find(node.name)].type.shape.rank() == 2)
          << node.name;
      EXPECT_EQ(bool(node.inputs[*adamw.find_input("low")]),
                bool(p.find(node.name + "." + std::string(name(products)))))
          << node.name;
      EXPECT_EQ(node.phase, Phase::update);
    }
  }
}

TEST(Cut, DividesTheNodesByPhase) {
  for (const DType products : {DType::f32, DType::bf16, DType::f16}) {
    const Program whole = with_update(gpt2(32), products);
    std::size_t nodes = 0;
    for (const Phase phase : {Phase::prepare, Phase::micro, Phase::norm, Phase::update}) {
      const Program part = cut(whole, phase);
      verify(part);
      nodes += part.nodes.size();
      for (const Node& node : part.nodes) EXPECT_EQ(node.phase, phase);
      EXPECT_EQ(print(cut(whole, phase)), print(part));
      EXPECT_EQ(print(cut(part, phase)), print(part));
    }
    EXPECT_EQ(nodes, whole.nodes.size());
    EXPECT_EQ(cut(whole, Phase::prepare).nodes.empty(), products == DType::f32);
  }
}

TEST(Cut, KeepsAnOutputThatIsAPartOfWhatANodeMade) {
  Program p = forward_and_loss(gpt2(32), 1, 8);
  const TensorId loss = p.outputs[0].id;
  p.outputs[0] = {add_view(p, loss, p[loss].type.shape, p[loss].strides, 0, "part"), "part"};
  EXPECT_TRUE(cut(p, Phase::micro).output("part"));
  EXPECT_FALSE(cut(p, Phase::update).output("part"));
}

}  // namespace
}  // namespace hone
