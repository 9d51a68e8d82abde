#include <cmath>

#include "base/number.hpp"
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
}

std::int64_t known_ids(const DistillLoss& loss, std::int64_t vocab_size) {
  return std::min(loss.top_k, vocab_size);
}

Objective distillation(const DistillLoss& loss) {
  check_distill_loss(loss);
  return [loss](Builder& b, const Outputs& outputs) -> std::vector<LossTerm> {
    const std::int64_t V = b.vocab_size(), k = known_ids(loss, V);
    const Tensor labels = b.input("labels", {b.seq()}, {.kind = InputKind::labels, .below = V});
    const Tensor ids = b.input(teacher_ids, {b.seq(), k}, {.kind = InputKind::ids, .below = V});
    const Tensor masses = b.input(teacher_masses, {b.seq(), k + 1}, {});
    return {{"loss", soft_cross_entropy(outputs.at("logits"), labels, ids, masses,
                                        {.share = loss.alpha, .temperature = loss.temperature})}};
  };
}

Samples SoftLabels::beside(Samples batch) const {
  batch.set(teacher_ids, std::span(ids)).set(teacher_masses, std::span(masses));
  return batch;
}

}  // namespace hone
