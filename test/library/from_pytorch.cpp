// The right-hand column of doc/from-pytorch.md, compiled and run; from_pytorch.sh compares the two.
#include <hone/hone.hpp>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

namespace {

constexpr std::int64_t V = 256, C = 32, H = 4, Hkv = 2, T = 16, B = 4, F = 48;

hone::Tensor gpt(hone::Builder& b, hone::Tensor tokens) {
  const auto wte = b.parameter("wte", {V, C}, {.init = hone::normal(0.02f)});
  auto x = embedding(tokens, wte);
  x = x + embedding(b.positions(), b.parameter("wpe", {T, C}));
  x = dropout(x, 0.1f, "drop");
  for (int i = 0; i < 2; ++i) {
    const auto layer = b.scope("h", i);
    const auto n = layer_norm(x, "norm");
    const auto qkv = split(linear(n, "qkv", C + 2 * C / H * Hkv), {C, C / H * Hkv, C / H * Hkv});
    const auto a = attention(qkv[0], qkv[1], qkv[2], {.heads = H, .kv_heads = Hkv, .causal = true});
    x = x + linear(a, "proj", C, {.bias = false});
    x = x + linear(gelu(linear(layer_norm(x, "norm_2"), "up", 4 * C)), "down", C);
    x = named(x, "out");
  }
  return linear(layer_norm(x, "norm_f"), wte);
}

// What Llama has in other places.
hone::Tensor rotary(hone::Builder& b, hone::Tensor tokens) {
  auto x = embedding(tokens, b.parameter("wte", {V, C}));
  x = rms_norm(x, "norm", 1e-5f);
  const auto q = rotate(x, {.heads = H, .theta = 500000});
  x = attention(q, rotate(x, {.heads = H}), x, {.heads = H});
  x = linear(gated(linear(x, "gate", F), linear(x, "up", F)), "down", C);
  return softcap(linear(x, "head", V), 30);
}

void encoder_decoder() {
  const hone::Model pairs =
      hone::preset("transformer-tiny", {.vocab_size = V, .sequence_tokens = {.begin = 1, .end = 2}});
  hone::TrainPlanOptions options{.batch = B, .seq = T};
  options.objective = hone::next_token({.label_smoothing = 0.1f});
  hone::Trainer trainer(hone::TrainPlan(pairs, options));
  const std::vector<std::int32_t> source(B * T, 'a'), lengths(B, T), target(B * T, 'b');
  trainer.step(hone::Samples(B)
                   .set("source", source)
                   .set("source_lengths", lengths)
                   .set("target", target)
                   .set("labels", target),
               {.lr = 1e-3f});
  hone::Generator writer{hone::GeneratePlan(pairs, {.beams = 4})};
  for (const auto& piece : writer.generate(source, {.max_tokens = 8})) std::printf("%d ", piece.token);
}

hone::TrainPlan planned(const hone::Model& model) {
  hone::TrainPlanOptions options{.batch = B, .seq = T};
  options.precision = hone::Precision::bf16;
  options.optimizer = "sgd";
  options.optimizer = "adamw";
  options.threads = 2;
  options.micro_batch = B / 2;
  options.keep = {"wte", "h.1.out"};
  options.loss_scaling = {.init = 65536};
  const hone::TrainPlan plan(model, options);
  const auto bytes = plan.forecast().peak_bytes;
  std::puts(plan.print().c_str());
  std::printf("%ld\n", static_cast<long>(bytes));
  return plan;
}

void steps(hone::Trainer& trainer, const hone::Text& text) {
  const hone::Cosine lr{.peak = 1e-3f, .warmup = 1, .steps = 4};
  const hone::Batch batch = text.batch(0, B, T);
  trainer.step(batch, {.lr = lr(0), .clip = 1});
  const hone::StepOptions adamw{.lr = 1e-3f, .clip = 1, .beta1 = 0.9f, .beta2 = 0.95f, .weight_decay = 0.1f};
  trainer.accumulate(text.batch(1, B, T, 0, B / 2));
  trainer.discard();
  const hone::Samples whole = hone::BatchView(batch).samples(), part = whole.rows(0, B / 2);
  trainer.accumulate(part, trainer.label_counts(whole));
  trainer.discard();
  for (int i = 0; i < B; i += B / 2) trainer.accumulate(text.batch(1, B, T, i, B / 2));
  const hone::StepResult done = trainer.update(adamw);
  std::printf("%ld %.4f%s\n", static_cast<long>(trainer.steps()), done.loss, done.skipped ? ", skipped" : "");
  const std::vector<std::int32_t> ids(B * T, 'a'), labels(B * T, 'b');
  const hone::BatchView mine{.batch = B, .seq = T, .ids = ids, .labels = labels};
  trainer.step(mine, adamw);
  const double val_loss = trainer.evaluate(text.held_out(0, 2, T)).loss;
  std::printf("%g\n", val_loss);
}

void weights(hone::Trainer& trainer, const hone::Model& model) {
  std::vector<float> values(static_cast<std::size_t>(model.size("wte")));
  trainer.read("wte", values);
  trainer.write("wte", values);
  trainer.read_gradient("wte", values);
  std::vector<float> hidden(B * T * C);
  trainer.read_activation("h.1.out", hidden);
  const auto count = model.parameters();
  for (const auto& w : model.weights()) std::puts(w.name.c_str());
  std::printf("%ld\n", static_cast<long>(count));
}

void files(hone::Trainer& trainer, const hone::Text& text) {
  trainer.save_checkpoint("checkpoint");
  trainer.save_checkpoint_async("checkpoint");
  trainer.resume("checkpoint");
  trainer.save("out");
  text.tokenizer().save("out");
}

void saved_model(const hone::Text& text) {
  const hone::Model again = hone::open("out", gpt);
  const hone::Tokenizer tokenizer = hone::Tokenizer::open("out");
  hone::Generator generator{hone::GeneratePlan(again)};
  const std::vector<std::int32_t> prompt = tokenizer.encode("100 ");
  const hone::SamplingOptions sampling{.temperature = 0.8f, .top_k = 40, .max_tokens = 8};
  for (const auto& piece : generator.generate(prompt, sampling, &tokenizer))
    std::fputs(std::string(piece.text).c_str(), stdout);
  generator.reset();
  generator.append(prompt);
  const auto next = std::max_element(generator.logits().begin(), generator.logits().end());
  const double perplexity = hone::evaluate(again, text, {.seq = T}).perplexity;
  std::printf("\n%g %g\n", perplexity, static_cast<double>(*next));
}

void decoder() {
  const hone::Text text("book.txt", {.tokenizer = "byte"});
  const hone::Model model(gpt, {.vocab_size = V, .context = T, .seed = 1});
  const hone::Model gpt2 = hone::preset("gpt2"), llama_like(rotary, {.vocab_size = V, .context = T});
  const hone::TrainPlan plan = planned(model);
  hone::Trainer trainer(plan);
  steps(trainer, text);
  weights(trainer, model);
  trainer.profile(true);
  files(trainer, text);
  saved_model(text);
  std::printf("%ld\n", static_cast<long>(gpt2.parameters()));
}

}  // namespace

int main() {
  std::FILE* book = std::fopen("book.txt", "w");
  for (int i = 100; i < 1000; ++i) std::fprintf(book, "%d ", i);
  std::fclose(book);
  decoder();
  encoder_decoder();
}
