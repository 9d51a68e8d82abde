#include <cmath>

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
}

std::int64_t known_ids(const DistillLoss& loss, std::int64_t vocab_size) {
  return std::min(loss.top_k, vocab_size);
}

namespace {

// A term for each pair of states.
void add_states(Builder& b, const DistillLoss& loss, Tensor logits, Tensor labels, std::vector<LossTerm>& terms) {
  const std::vector<std::string> layers =
      layer_states(builder::state_of(logits, "distillation").activations, "student");
  const std::int64_t W = loss.layers.teacher_width;
  for (const LayerPair& pair : loss.layers.pairs) {
    const std::string name = "hidden." + std::to_string(pair.student);
    Tensor x = b.activation(layers.at(static_cast<std::size_t>(pair.student)));  // [B,T,C]
    if (x.width() != W) {
      const auto scope = b.scope("distill");
      const float range = 1 / std::sqrt(static_cast<float>(x.width()));
      x = linear(x, name, W, {.bias = false, .init = normal(range)});
    }
    const Tensor target = b.input(teacher_state(pair.teacher), {b.seq(), W}, {});
    terms.push_back({name, state_error(x, target, labels),
                     loss.hidden / static_cast<float>(loss.layers.pairs.size())});
  }
}

}  // namespace

Objective distillation(const DistillLoss& loss) {
  check_distill_loss(loss);
  if (loss.hidden > 0 && loss.layers.pairs.empty())
    throw Error(ErrorKind::usage, {.what = "hidden states need a map of layers",
                                   .where = "DistillLoss::layers",
                                   .expected = "what layer_map() returns",
                                   .found = "none"});
  return [loss](Builder& b, const Outputs& outputs) -> std::vector<LossTerm> {
    const std::int64_t V = b.vocab_size(), k = known_ids(loss, V);
    const Tensor labels = b.input("labels", {b.seq()}, {.kind = InputKind::labels, .below = V});
    const Tensor ids = b.input(teacher_ids, {b.seq(), k}, {.kind = InputKind::ids, .below = V});
    const Tensor masses = b.input(teacher_masses, {b.seq(), k + 1}, {});
    const Tensor logits = outputs.at("logits");
    std::vector<LossTerm> terms{{"loss", soft_cross_entropy(logits, labels, ids, masses,
                                                            {.share = loss.alpha, .temperature = loss.temperature})}};
    if (loss.hidden > 0 && b.training()) add_states(b, loss, logits, labels, terms);
    return terms;
  };
}

Samples SoftLabels::beside(Samples batch) const {
  batch.set(teacher_ids, std::span(ids)).set(teacher_masses, std::span(masses));
  for (const auto& [input, values] : states) batch.set(input, std::span(values));
  return batch;
}

}  // namespace hone
