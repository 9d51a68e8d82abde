#include "pass/recompute.hpp"

#include "pass/recompute_flow.hpp"
#include "pass_check.hpp"

namespace hone {
namespace {

Program trained(const Network& network, DType products, std::int64_t batch = 3, std::int64_t seq = 19) {
  Program p = after(fuse, with_backward(network, batch, seq, products));
  return after([](Program& q) { chunk_loss(q, {.rows = 32, .above_bytes = 0}); }, std::move(p));
}

std::vector<std::int32_t> droppable(const Program& p) { return Flow(p, {.threads = 1}).droppable(); }

// Of a program's tensors those that a coin chooses, each in one of some groups.
std::vector<Recomputed> drawn(const Program& p, std::uint64_t number, std::int32_t groups) {
  Stream stream(stream_key("recompute", number));
  std::vector<Recomputed> list;
  for (const std::int32_t s : droppable(p))
    if (stream.below(2) == 0)
      list.push_back({{s}, static_cast<std::int32_t>(stream.below(static_cast<std::uint64_t>(groups) + 1))});
  return list;
}

std::vector<Recomputed> everything(const Program& p) {
  std::vector<Recomputed> list;
  for (const std::int32_t s : droppable(p)) list.push_back({{s}});
  return list;
}

Pass recomputed(std::vector<Recomputed> list) {
  return [list = std::move(list)](Program& p) { recompute(p, list); };
}

// Dropout draws the same numbers again: both networks of GPT-2's family have it everywhere.
TEST(Recompute, KeepsTheBits) {
  for (const DType products : {DType::f32, DType::bf16, DType::f16})
    for (const auto& network : {gpt2(32, 2), without_biases}) {
      const Program before = trained(network, products);
      for (std::uint64_t n = 0; n < 6; ++n) {
        const Program changed = after(recomputed(drawn(before, n, n % 3 == 2 ? 3 : 0)), before);
        EXPECT_GE(changed.nodes.size(), before.nodes.size());
        ASSERT_NO_FATAL_FAILURE(expect_same_numbers(before, changed));
      }
      ASSERT_NO_FATAL_FAILURE(expect_same_numbers(before, after(recomputed(everything(before)), before)));
    }
}

TEST(Recompute, IsAFunctionAndDoneAfterOnce) {
  const Program before = trained(gpt2(32, 2), DType::bf16);
  std::vector<std::string> names;
  for (const Recomputed& each : drawn(before, 1, 0)) names.push_back(before[each.tensor].name);
  const Pass pass = [&](Program& p) {
    std::vector<Recomputed> list;
    for (const std::string& name : names)
      if (const TensorId id = p.find(name)) list.push_back({id});
    recompute(p, list);
  };
  expect_settled(pass, before);
  const Program untouched = after(recomputed({}), before);
  EXPECT_EQ(print(untouched), print(before));
}

TEST(Recompute, PrintsAsExpected) {
  const auto network = language_model([](Builder& b, Tensor tokens) {
    const auto x = embedding(tokens, b.parameter("table", {7, 4}));
    return linear(gelu(linear(x, "up", 8)), "down", 7);
  });
  const Program before = after(fuse, with_backward(network, 1, 2, DType::f32));
  const auto up =
      std::find_if(before.nodes.begin(), before.nodes.end(), [](const Node& n) { return n.name == "up"; });
  const Recomputed pre{up->outputs[0]}, activated{up->outputs[1]};
  // What is activated, from what was kept of the same node; both, by the product once more.
  const std::string one = print(after(recomputed({activated}), before));
  EXPECT_NE(one.find("%28: f32[1,2,8] = activation(%5) {kind=3} @up\n"
                     "%21(next %17): f32[7,8] = linear_weight_gradient(%19, %28, %17, %20)"),
            std::string::npos)
      << one;
  const std::string both = print(after(recomputed({pre, activated}), before));
  EXPECT_NE(
      both.find("%28: f32[1,2,8], %29: f32[1,2,8] = linear(%2, %3, %4)"
                " {bias=true, residual=false, activation=3, dtype=f32} @up\n"
                "%23: f32[1,2,8] = linear_input_gradient(%19, %7, %28) {activation=3, dtype=f32} @down\n"),
      std::string::npos)
      << both;
}

// Every layer's inside made again, one layer at a time: the peak no longer grows with the layers' insides.
TEST(Recompute, LowersThePeak) {
  const ExecOptions options{.threads = 2};
  const Program before = trained(gpt2(64, 6), DType::f32, 4, 64);
  const auto peak = [&](const Program& p) { return workspace_bytes(p, options); };
  std::vector<Recomputed> inside;
  for (const std::int32_t s : droppable(before)) {
    const Node& maker =
        before.nodes[static_cast<std::size_t>(Flow(before, options).maker[static_cast<std::size_t>(s)])];
    if (!maker.name.ends_with("c_proj") && !maker.name.starts_with("dropout")) inside.push_back({{s}});
  }
  const Program less = after(recomputed(inside), before);
  EXPECT_LT(peak(less), peak(before) * 7 / 10);
  expect_same_numbers(before, less);
}

// What the search measures is what the pass writes.
TEST(Recompute, IsMeasuredBeforeItIsWritten) {
  const ExecOptions options{.threads = 2};
  const Program before = trained(gpt2(32, 2), DType::bf16);
  const Flow flow(before, options);
  Scheduler scheduler(flow);
  Meter meter(flow);
  for (std::uint64_t n = 0; n < 8; ++n) {
    Choice choice(before.tensors.size(), kept);
    const auto list = drawn(before, n, n % 2 ? 3 : 0);
    for (const Recomputed& each : list) choice[static_cast<std::size_t>(each.tensor.value)] = each.group;
    const Measure found = meter.measure(scheduler.schedule(choice));
    Program written = before;
    recompute(written, list);
    const Flow after_all(written, options);
    Scheduler plain(after_all);
    const Measure expected = Meter(after_all).measure(plain.schedule(Choice(written.tensors.size(), kept)));
    EXPECT_EQ(found.peak_bytes, expected.peak_bytes);
    EXPECT_GE(aligned(workspace_bytes(written, options)), found.peak_bytes);
  }
}

}  // namespace
}  // namespace hone
