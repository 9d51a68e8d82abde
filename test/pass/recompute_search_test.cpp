#include "pass/recompute_search.hpp"

#include <algorithm>

#include "pass_check.hpp"

namespace hone {
namespace {

const ExecOptions options{.threads = 2};

Program trained(const Network& network, std::int64_t batch, std::int64_t seq, DType products) {
  return after(fuse, with_backward(network, batch, seq, products));
}

// A machine of 100 GFLOP/s and 10 GB/s.
double node_ms(const Program& p, const Node& node) {
  const Cost cost = node.op->cost(p, node);
  return std::max(cost.flops / 100e6, cost.bytes / 10e6);
}

double whole_ms(const Program& p) {
  double ms = 0;
  for (const Node& node : p.nodes) ms += node_ms(p, node);
  return ms;
}

// Every set of tensors: what it needs as measured, and as placed once somebody asks.
class EveryWay {
 public:
  explicit EveryWay(const Program& p) : program_(p), flow_(p, options, node_ms), tensors_(flow_.droppable()) {
    EXPECT_LE(tensors_.size(), 15u);
    Scheduler scheduler(flow_);
    Meter meter(flow_);
    for (std::uint32_t set = 0; set < 1u << tensors_.size(); ++set) {
      Choice choice(p.tensors.size(), kept);
      for (const Recomputed& each : list(set))
        choice[static_cast<std::size_t>(each.tensor.value)] = made_again;
      const Measure m = meter.measure(scheduler.schedule(choice));
      ways_.push_back({set, m.peak_bytes, m.again_ms});
    }
    std::stable_sort(ways_.begin(), ways_.end(), [](const Way& a, const Way& b) { return a.ms < b.ms; });
  }
  std::int64_t least_bytes() const {
    return std::min_element(ways_.begin(), ways_.end(),
                            [](const Way& a, const Way& b) { return a.bytes < b.bytes; })
        ->bytes;
  }
  // The least added time of what fits; none where nothing does.
  std::optional<double> best(std::int64_t budget) {
    for (Way& way : ways_) {
      if (way.bytes > aligned(budget)) continue;
      if (way.placed == 0) {
        Program p = program_;
        recompute(p, list(way.set));
        way.placed = workspace_bytes(p, options);
      }
      if (way.placed <= budget) return way.ms;
    }
    return {};
  }

 private:
  struct Way {
    std::uint32_t set;
    std::int64_t bytes;
    double ms;
    std::int64_t placed = 0;
  };
  std::vector<Recomputed> list(std::uint32_t set) const {
    std::vector<Recomputed> tensors;
    for (std::size_t i = 0; i < tensors_.size(); ++i)
      if (set >> i & 1) tensors.push_back({{tensors_[i]}});
    return tensors;
  }

  const Program& program_;
  const Flow flow_;
  const std::vector<std::int32_t> tensors_;
  std::vector<Way> ways_;
};

TEST(RecomputeSearch, IsWithinFivePercentOfTheBestThatFits) {
  const auto gates = language_model([](Builder& b, Tensor tokens) {
    auto x = embedding(tokens, b.parameter("wte", {V, 12}));
    for (int i = 0; i < 2; ++i) {
      const auto layer = b.scope("h", i);
      x = x + linear(gelu(linear(layer_norm(x, "norm"), "up", 40)), "down", 12);
    }
    return linear(x, "head", V);
  });
  const auto attends = language_model([](Builder& b, Tensor tokens) {
    auto x = embedding(tokens, b.parameter("wte", {V, 12}));
    const auto n = layer_norm(x, "norm");
    x = x +
        linear(attention(linear(n, "q", 12), linear(n, "k", 12), linear(n, "v", 12), {.heads = 2}), "o", 12);
    return linear(relu(linear(x, "up", 30)), "head", V);
  });
  for (const auto& network : {gates, attends})
    for (const DType products : {DType::f32, DType::bf16, DType::f16}) {
      const Program p = trained(network, 4, 64, products);
      EveryWay ways(p);
      RecomputeSearch search(p, options, node_ms);
      const std::int64_t least = ways.least_bytes(), most = workspace_bytes(p, options);
      for (int part = 0; part <= 32; ++part) {
        SCOPED_TRACE(std::to_string(part) + " of 32, " + std::string(name(products)));
        const std::int64_t budget = least + (most - least) * part / 32;
        const auto best = ways.best(budget);
        const auto found = search.within(budget);
        if (!best) continue;
        ASSERT_TRUE(found);
        EXPECT_LE(found->workspace_bytes, budget);
        EXPECT_LE(whole_ms(p) + found->again_ms, 1.05 * (whole_ms(p) + *best));
      }
    }
}

TEST(RecomputeSearch, FindsNothingBelowTheLeast) {
  const Program p = trained(gpt2(64, 4), 4, 64, DType::f32);
  RecomputeSearch search(p, options, node_ms);
  const std::int64_t least = search.least().workspace_bytes;
  EXPECT_LT(least, workspace_bytes(p, options));
  EXPECT_TRUE(search.within(least));
  EXPECT_FALSE(search.within(least / 2));
  const auto all = search.within(workspace_bytes(p, options));
  ASSERT_TRUE(all);
  EXPECT_TRUE(all->tensors.empty());
}

}  // namespace
}  // namespace hone
