// An architecture that hone has never seen: attention and feed-forward side by side, grouped-query heads. It
// trains, is saved, opened again, and generates with a cache, as the families that come with hone do.
#include <hone/hone.hpp>

#include <cstdio>
#include <string>

namespace {

constexpr std::int64_t V = 256, context = 64, C = 64, H = 8, Hkv = 2, D = C / H, layers = 2;

// Token ids [B,T] to logits [B,T,V]; called once for each shape that is needed.
hone::Tensor parallel_gpt(hone::Builder& b, hone::Tensor tokens) {
  const auto wte = b.parameter("wte", {V, C});
  auto x =
      embedding(tokens, wte) + embedding(b.positions(), b.parameter("wpe", {context, C}, {.decay = false}));
  for (int i = 0; i < layers; ++i) {
    const auto layer = b.scope("h", i);    // names begin with h.0., h.1., ...
    const auto n = layer_norm(x, "norm");  // [B,T,C], read by both branches
    const auto q = linear(n, "q", H * D), k = linear(n, "k", Hkv * D), v = linear(n, "v", Hkv * D);
    const auto a = attention(q, k, v, {.heads = H, .kv_heads = Hkv});
    x = x + linear(a, "proj", C) + linear(gelu(linear(n, "up", 4 * C)), "down", C);
  }
  return linear(layer_norm(x, "norm_f"), wte);  // tied head
}

}  // namespace

int main() try {
  std::string counting;
  for (int i = 0; i < 3000; ++i) counting += std::to_string(10 + i % 90) + " ";
  const hone::Text text = hone::Text::of(counting);
  const hone::Model model(parallel_gpt, {.vocab_size = V, .context = context});
  hone::Trainer trainer(hone::TrainPlan(model, {.batch = 16, .seq = 32}));
  const hone::Cosine lr{.peak = 3e-3f, .warmup = 20, .steps = 400};
  for (std::int64_t n = 0; n < 400; ++n) {
    const auto done = trainer.step(text.batch(n, 16, 32), {.lr = lr(n), .clip = 1});
    if (n % 80 == 79) std::printf("step %3ld  loss %.3f\n", static_cast<long>(n + 1), done.loss);
  }
  trainer.save("parallel");

  const hone::Model again = hone::open("parallel", parallel_gpt);
  if (again.weights_hash() != trainer.weights_hash()) return 1;
  hone::Generator generator{hone::GeneratePlan(again)};
  const hone::Tokenizer& tokenizer = text.tokenizer();
  std::string answer;
  for (const auto& piece :
       generator.generate(tokenizer.encode("21 22 23 24 "), {.temperature = 0, .max_tokens = 18}, &tokenizer))
    answer += piece.text;
  std::printf("21 22 23 24 -> %s\n", answer.c_str());
} catch (const hone::Error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return hone::exit_code(e.kind());
}
