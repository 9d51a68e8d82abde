// Eight micro-batches a step give the weights of the undivided batch, bit by bit, in a fraction of its
// memory.
//
// A gradient is summed over pieces of sequences in an order that is fixed by the batch, not by how it is cut;
// and a loss is divided by the tokens of the whole step. So the micro-batch is a matter of memory and speed
// alone.
#include <hone/hone.hpp>

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace {

bool same_bits(const hone::Model& a, const hone::Model& b) {
  for (const hone::WeightInfo& w : a.weights()) {
    std::vector<float> x(static_cast<std::size_t>(a.size(w.name))), y(x.size());
    a.read(w.name, x);
    b.read(w.name, y);
    if (std::memcmp(x.data(), y.data(), x.size() * sizeof(float)) != 0) {
      std::printf("%s differs\n", w.name.c_str());
      return false;
    }
  }
  return true;
}

}  // namespace

int main() try {
  std::string counting;
  for (int i = 0; i < 3000; ++i) counting += std::to_string(10 + i % 90) + " ";
  const hone::Text text = hone::Text::of(counting);
  const hone::Model gpt = hone::preset("tiny", {.vocab_size = text.vocab_size()});
  const hone::TrainPlan undivided(gpt, {.batch = 32, .micro_batch = 32, .seq = 64});
  const hone::TrainPlan in_eight(gpt, {.batch = 32, .micro_batch = 4, .seq = 64});

  hone::Trainer whole(undivided), parts(in_eight);
  for (std::int64_t n = 0; n < 4; ++n) {
    const hone::StepOptions adamw{.lr = 1e-3f, .clip = 1};
    whole.step(text.batch(n, 32, 64), adamw);
    for (std::int64_t first = 0; first < 32; first += 4) parts.accumulate(text.batch(n, 32, 64, first, 4));
    parts.update(adamw);
  }
  const bool same = same_bits(whole.model(), parts.model());
  std::printf("undivided %s, in eight %s: the weights are %s\n",
              hone::human_bytes(static_cast<double>(undivided.forecast().arena_bytes)).c_str(),
              hone::human_bytes(static_cast<double>(in_eight.forecast().arena_bytes)).c_str(),
              same ? "the same, bit by bit" : "NOT the same");
  return same ? 0 : 1;
} catch (const hone::Error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return hone::exit_code(e.kind());
}
