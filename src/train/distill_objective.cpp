#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/number.hpp"
#include "op/builder_nodes.hpp"
#include "train/layer_map.hpp"
#include "train/soft_labels.hpp"

namespace hone {

void check_distill_loss(const DistillLoss& loss) {
  const auto require = [](bool good, const char* option, const char* expected, const std::string& found) {
    if (!good)
      throw Error(ErrorKind::usage,
                  {.what = "impossible value", .where = option, .expected = expected, .found = found});
  };
  require(loss.temperature > 0 && std::isfinite(loss.temperature), "temperature", "above 0",
          to_text(loss.temperature));
  require(loss.alpha >= 0 && loss.alpha <= 1, "alpha", "0 to 1", to_text(loss.alpha));
  require(loss.top_k >= 1, "top_k", "1 or more", std::to_string(loss.top_k));
  require(loss.hidden >= 0 && std::isfinite(loss.hidden), "hidden", "0 or more", to_text(loss.hidden));
  require(loss.attention >= 0 && std::isfinite(loss.attention), "attention", "0 or more",
          to_text(loss.attention));
  require(loss.relation_heads >= 0, "relation_heads", "1 or more, or 0 where they are not given",
          std::to_string(loss.relation_heads));
}

std::int64_t known_ids(const DistillLoss& loss, std::int64_t vocab_size) {
  return std::min(loss.top_k, vocab_size);
}

namespace {

// A network's layers, and what stands beside them.
struct Layers {
  std::vector<std::string> names;
  Tensor labels;
};

// A term for each pair of states.
void add_states(Builder& b, const DistillLoss& loss, const Layers& layers, std::vector<LossTerm>& terms) {
  const std::int64_t W = loss.layers.teacher_width;
  for (const LayerPair& pair : loss.layers.pairs) {
    const std::string name = "hidden." + std::to_string(pair.student);
    Tensor x = b.activation(layers.names.at(static_cast<std::size_t>(pair.student)));  // [B,T,C]
    if (x.width() != W) {
      const auto scope = b.scope("distill");
      const float range = 1 / std::sqrt(static_cast<float>(x.width()));
      x = linear(x, name, W, {.bias = false, .init = normal(range)});
    }
    const Tensor target = b.input(teacher_state(pair.teacher), {b.seq(), W}, {});
    terms.push_back({name, state_error(x, target, layers.labels),
                     loss.hidden / static_cast<float>(loss.layers.pairs.size())});
  }
}

constexpr std::int64_t usual_relation_width = 32;

// Of what is compared in this layer.
std::int64_t relation_heads(const DistillLoss& loss, std::int64_t queries, std::int64_t keys) {
  const std::int64_t widths[] = {queries, keys, loss.layers.teacher_queries, loss.layers.teacher_keys};
  std::int64_t common = 0;
  for (const std::int64_t width : widths) common = std::gcd(common, width);
  if (loss.relation_heads > 0) {
    if (common % loss.relation_heads == 0) return loss.relation_heads;
    throw Error(ErrorKind::usage, {.what = "relations' heads do not divide all widths",
                                   .where = "relation-heads",
                                   .expected = "a divisor of " + std::to_string(common),
                                   .found = std::to_string(loss.relation_heads)});
  }
  std::int64_t heads = std::max<std::int64_t>(1, *std::ranges::min_element(widths) / usual_relation_width);
  while (common % heads != 0) --heads;
  return heads;
}

// Three terms for each pair.
void add_relations(Builder& b, const DistillLoss& loss, const Layers& layers,
                   const std::map<std::string, TensorId>& activations, std::vector<LossTerm>& terms) {
  constexpr const char* parts[] = {".queries", ".keys", ".values"};
  const LayerMap& map = loss.layers;
  for (const LayerPair& pair : map.pairs) {
    const auto own =
        attention_operands(activations, layers.names.at(static_cast<std::size_t>(pair.student)), "student");
    const auto inputs = teacher_operands(pair.teacher);
    const std::int64_t heads =
        relation_heads(loss, b.activation(own[0]).width(), b.activation(own[1]).width());
    for (std::size_t i = 0; i < own.size(); ++i) {
      const std::int64_t width = i == 0 ? map.teacher_queries : map.teacher_keys;
      const Tensor target = b.input(inputs[i], {b.seq(), width}, {});
      terms.push_back({"attention." + std::to_string(pair.student) + parts[i],
                       relation_error(b.activation(own[i]), target, layers.labels, {.heads = heads}),
                       loss.attention / static_cast<float>(3 * map.pairs.size())});
    }
  }
}

}  // namespace

Objective distillation(const DistillLoss& loss) {
  check_distill_loss(loss);
  if ((loss.hidden > 0 || loss.attention > 0) && loss.layers.pairs.empty())
    throw Error(ErrorKind::usage, {.what = "hidden states and attention need a map of layers",
                                   .where = "DistillLoss::layers",
                                   .expected = "what layer_map() returns",
                                   .found = "none"});
  if (loss.attention > 0 && loss.layers.teacher_queries == 0)
    throw Error(ErrorKind::usage, {.what = "the teacher's attention is not known by name",
                                   .where = "attention",
                                   .expected = "one attention in each layer, made below the layer's name"});
  return [loss](Builder& b, const Outputs& outputs) -> std::vector<LossTerm> {
    const std::int64_t V = b.vocab_size(), k = known_ids(loss, V);
    const Tensor labels = b.input("labels", {b.seq()}, {.kind = InputKind::labels, .below = V});
    const Tensor ids = b.input(teacher_ids, {b.seq(), k}, {.kind = InputKind::ids, .below = V});
    const Tensor masses = b.input(teacher_masses, {b.seq(), k + 1}, {});
    const Tensor logits = outputs.at("logits");
    std::vector<LossTerm> terms{
        {"loss", soft_cross_entropy(logits, labels, ids, masses,
                                    {.share = loss.alpha, .temperature = loss.temperature})}};
    if (!b.training() || (loss.hidden == 0 && loss.attention == 0)) return terms;
    const auto& activations = builder::state_of(logits, "distillation").activations;
    const Layers layers{layer_states(activations, "student"), labels};  // before terms add names
    if (loss.hidden > 0) add_states(b, loss, layers, terms);
    if (loss.attention > 0) add_relations(b, loss, layers, activations, terms);
    return terms;
  };
}

Samples SoftLabels::beside(Samples batch) const {
  batch.set(teacher_ids, std::span(ids)).set(teacher_masses, std::span(masses));
  for (const auto& [input, values] : states) batch.set(input, std::span(values));
  return batch;
}

}  // namespace hone
