#include "hone/bench.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/arguments.hpp"
#include "cli/command.hpp"
#include "cli/generation_options.hpp"
#include "cli/json_line.hpp"
#include "cli/terminal.hpp"
#include "cli/training_session.hpp"
#include "hone/text.hpp"

namespace hone::cli {
namespace {

struct BenchOptions {
  std::string model = "nano", precision = "bf16", cache_type = "same";
  TrainPlanOptions plan;
  std::int64_t vocab = 0;
  int steps = 5;
  std::int64_t prompt = 128;
  int tokens = 64;
  bool json = false, int8 = false;
  std::string tokenizer, data;
};

// Both were measured in turns, so the shares hold though the limit moved.
std::string limit_line(const Spread& limit) {
  return fmt::format(
      "the limit, measured between: {:.0f} GFLOP/s sustained by all threads (from {:.0f} to {:.0f})",
      limit.median, limit.min, limit.max);
}

using OpTimes = std::map<std::string, double>;

JsonLine json_of(const OpTimes& op_ms) {
  JsonLine ops;
  for (const auto& [op, ms] : op_ms) ops.add(op, ms);
  return ops;
}

void print_ops(const char* unit, const OpTimes& op_ms) {
  Table table({"op", unit});
  for (const auto& [op, ms] : op_ms)
    if (ms > 0) table.row({op, fmt::format("{:.3f}", ms)});
  print_text(table.to_string());
}

void show(const BenchResult& r, const std::string& label, bool json) {
  if (json) {
    print(JsonLine()
              .add("case", label)
              .add("tokens_per_s", spread_json(r.tokens_per_s))
              .add("gflops", r.gflops.median)
              .add("limit_gflops", r.limit_gflops.median)
              .add("limit_gflops_spread", spread_json(r.limit_gflops))
              .add("share_of_limit", r.share_of_limit)
              .add("peak_bytes", r.peak_bytes)
              .add("op_ms", json_of(r.op_ms))
              .text());
    return;
  }
  print(fmt::format("{}: {} (from {} to {}), {:.0f} GFLOP/s = {:.1f} % of this CPU's limit, {}", label,
                    human_rate(r.tokens_per_s.median, "tok/s"), human_count(r.tokens_per_s.min),
                    human_count(r.tokens_per_s.max), r.gflops.median, 100 * r.share_of_limit,
                    human_bytes(static_cast<double>(r.peak_bytes))));
  print(limit_line(r.limit_gflops));
  double sum = 0;
  for (const auto& [op, ms] : r.op_ms) sum += ms;
  Table table({"op", "ms a step", "share"});
  for (const auto& [op, ms] : r.op_ms)
    if (ms > 0) table.row({op, fmt::format("{:.2f}", ms), human_share(ms, sum)});
  table.rule().row({"sum", fmt::format("{:.2f}", sum), "100 %"});
  print_text(table.to_string());
}

void show(const std::vector<KernelBench>& results, bool json) {
  Table table({"case", "ms", "GFLOP/s", "spread", "share of limit"});
  Spread limit{0, HUGE_VAL, 0};
  for (const KernelBench& r : results) {
    if (json)
      print(JsonLine()
                .add("case", r.name)
                .add("ms", r.ms)
                .add("gflops", r.gflops.median)
                .add("gflops_spread", spread_json(r.gflops))
                .add("limit_gflops", r.limit_gflops.median)
                .add("limit_gflops_spread", spread_json(r.limit_gflops))
                .add("share_of_limit", r.share_of_limit)
                .text());
    table.row({r.name, fmt::format("{:.3f}", r.ms), fmt::format("{:.0f}", r.gflops.median),
               fmt::format("{:.0f} to {:.0f}", r.gflops.min, r.gflops.max),
               human_share(r.share_of_limit, 1)});
    limit = {std::max(limit.median, r.limit_gflops.median), std::min(limit.min, r.limit_gflops.min),
             std::max(limit.max, r.limit_gflops.max)};
  }
  if (json) return;
  print_text(table.to_string());
  print(limit_line(limit));
}

void show(const GenerateBench& r, const std::string& label, bool json) {
  if (json) {
    print(JsonLine()
              .add("case", label)
              .add("prefill_tokens_per_s", spread_json(r.prefill_tokens_per_s))
              .add("decode_tokens_per_s", spread_json(r.decode_tokens_per_s))
              .add("token_bytes", r.token_bytes)
              .add("limit_gb_s", r.limit_gb_s.median)
              .add("limit_gb_s_spread", spread_json(r.limit_gb_s))
              .add("share_of_limit", r.share_of_limit)
              .add("prefill_gops", r.prefill_gops.median)
              .add("prefill_limit_gops", r.prefill_limit_gops.median)
              .add("prefill_share_of_limit", r.prefill_share_of_limit)
              .add("peak_bytes", r.peak_bytes)
              .add("op_ms", json_of(r.op_ms))
              .add("prefill_op_ms", json_of(r.prefill_op_ms))
              .text());
    return;
  }
  const auto line = [&](const char* what, const Spread& s) {
    print(fmt::format("{}: {} {} (from {} to {})", label, what, human_rate(s.median, "tok/s"),
                      human_count(s.min), human_count(s.max)));
  };
  line("prefill", r.prefill_tokens_per_s);
  print(
      fmt::format("the prompt's products: {:.0f} of {:.0f} G multiply-adds and adds a second = {:.1f} % of "
                  "this CPU's limit",
                  r.prefill_gops.median, r.prefill_limit_gops.median, 100 * r.prefill_share_of_limit));
  line("decode", r.decode_tokens_per_s);
  print(fmt::format(
      "a token reads {} of weights: {:.1f} GB/s = {:.1f} % of the {:.1f} that this machine reads; {}",
      human_bytes(r.token_bytes), r.token_bytes * r.decode_tokens_per_s.median / 1e9, 100 * r.share_of_limit,
      r.limit_gb_s.median, human_bytes(static_cast<double>(r.peak_bytes))));
  Table table({"op", "ms a prompt", "ms a token"});
  const auto ms = [](const OpTimes& times, const std::string& op) {
    const auto it = times.find(op);
    return it == times.end() ? "" : fmt::format("{:.3f}", it->second);
  };
  for (const auto& entry : r.prefill_op_ms)
    table.row({entry.first, ms(r.prefill_op_ms, entry.first), ms(r.op_ms, entry.first)});
  print_text(table.to_string());
}

void show(const EncodeBench& r, const std::string& label, bool json) {
  if (json) {
    print(JsonLine()
              .add("case", label)
              .add("ms", spread_json(r.ms))
              .add("tokens_per_s", spread_json(r.tokens_per_s))
              .add("gflops", r.gflops.median)
              .add("limit_gflops", r.limit_gflops.median)
              .add("share_of_limit", r.share_of_limit)
              .add("error", r.error)
              .add("peak_bytes", r.peak_bytes)
              .add("op_ms", json_of(r.op_ms))
              .text());
    return;
  }
  print(fmt::format(
      "{}: {:.2f} ms (from {:.2f} to {:.2f}), {}, {:.0f} GFLOP/s = {:.1f} % of this CPU's limit, {}", label,
      r.ms.median, r.ms.min, r.ms.max, human_rate(r.tokens_per_s.median, "tok/s"), r.gflops.median,
      100 * r.share_of_limit, human_bytes(static_cast<double>(r.peak_bytes))));
  print(fmt::format("error against f32: {:.2f} % (root mean square)", 100 * r.error));
  print(limit_line(r.limit_gflops));
  print_ops("ms a run", r.op_ms);
}

void run_tokenizer(const BenchOptions& o) {
  if (o.tokenizer.empty() || o.data.empty())
    throw Error(ErrorKind::usage,
                {.what = "bench tokenizer needs a tokenizer and a text", .where = "--tokenizer, --data"});
  const TokenizerBench r = bench_tokenizer(Tokenizer::open(o.tokenizer), read_texts(o.data), o.steps);
  print(o.json
            ? JsonLine()
                  .add("case", "tokenizer")
                  .add("mb_per_s", spread_json(r.mb_per_s))
                  .add("bytes", r.bytes)
                  .add("ids", r.ids)
                  .text()
            : fmt::format("{:.1f} MB/s (from {:.1f} to {:.1f}) on one core: {} to {} ids", r.mb_per_s.median,
                          r.mb_per_s.min, r.mb_per_s.max, human_bytes(static_cast<double>(r.bytes)), r.ids));
}

void run(const std::string& what, BenchOptions o) {
  if (what == "tokenizer") return run_tokenizer(o);
  o.plan.precision = precision_from_name(o.precision);
  if (what == "gemm") return show(bench_gemm(o.plan.precision, o.plan.threads, o.plan.isa), o.json);
  if (what == "attention") return show(bench_attention(o.plan.precision, o.plan.threads, o.plan.isa), o.json);
  if (what == "encode") {
    const EncodeOptions encode{.batch = o.plan.batch,
                               .seq = o.plan.seq,
                               .precision = o.plan.precision,
                               .int8 = o.int8,
                               .threads = o.plan.threads,
                               .isa = o.plan.isa};
    return show(
        bench_encode(encoder_shape(o.model), encode, o.steps),
        fmt::format("encode {} {}x{} {}", o.model, o.plan.batch, o.plan.seq, o.int8 ? "int8" : o.precision),
        o.json);
  }
  const Model model = find_model(o.model, {.vocab_size = o.vocab});
  print_notes(model.notes());
  if (what == "prefill" || what == "decode") {
    const GenerateOptions generate{.context = o.prompt + o.tokens,
                                   .precision = o.plan.precision,
                                   .threads = o.plan.threads,
                                   .isa = o.plan.isa,
                                   .int8 = o.int8,
                                   .cache = cache_type_from_name(o.cache_type)};
    const std::string cache = o.cache_type == "same" ? "" : fmt::format(" {} cache", o.cache_type);
    return show(bench_generate(model, generate, o.prompt, o.tokens),
                fmt::format("{} {}{}", o.model, o.int8 ? "int8" : o.precision, cache), o.json);
  }
  const BenchResult r = bench_train(model, o.plan, o.steps);
  show(r, fmt::format("train {} {}x{} {}", o.model, o.plan.batch, o.plan.seq, o.precision), o.json);
}

}  // namespace

void add_bench(Command& app) {
  auto* c = app.add_subcommand("bench", "speed, and the share of this CPU's limit",
                               "  hone bench train --model gpt2 --batch 4 --seq 256 --precision bf16\n"
                               "  hone bench decode --model model.gguf --precision f32\n"
                               "  hone bench encode --model minilm --batch 32 --seq 128 --int8\n"
                               "  hone bench gemm --precision f32\n"
                               "  hone bench attention --isa avx2\n"
                               "  hone bench tokenizer --tokenizer gpt2/tokenizer.json --data book.txt");
  auto* what = new_kept<std::string>();
  auto* o = new_kept<BenchOptions>();
  *what = "train";
  c->add_option("what", *what, "train, decode, prefill, encode, gemm, attention or tokenizer")
      ->one_of({"train", "decode", "prefill", "encode", "gemm", "attention", "tokenizer"});
  c->add_option("--prompt-tokens", o->prompt, "decode, prefill: tokens of the prompt")
      ->capture_default_str()
      ->between(1, 1'000'000);
  c->add_option("--tokens", o->tokens, "decode: tokens behind it")
      ->capture_default_str()
      ->between(1, 1'000'000);
  c->add_option("--model", o->model,
                "preset, config.json, model folder or GGUF file; encode: minilm or bert-base")
      ->capture_default_str();
  add_cache_type(*c, o->cache_type);
  add_int8(*c, o->int8);
  c->add_option("--vocab", o->vocab, "vocabulary (default: the model's own; nano 4096)")
      ->between(0, 100'000'000);
  c->add_option("--batch", o->plan.batch, "sequences a step")->capture_default_str();
  c->add_option("--micro-batch", o->plan.micro_batch, "sequences computed at once (0: chosen)")
      ->capture_default_str();
  c->add_size("--memory", o->plan.memory_bytes, "largest resident size: 1GiB, 700M (MiB), 1.5GB (of 1000)");
  c->add_option("--seq", o->plan.seq, "tokens a sequence")->capture_default_str();
  c->add_option("--precision", o->precision, "f32, bf16 or fp16")->capture_default_str();
  c->add_option("--threads", o->plan.threads, "0: all cores")->capture_default_str();
  add_isa(*c, o->plan.isa);
  c->add_option("--tokenizer", o->tokenizer, "of bench tokenizer: a tokenizer.json or its folder");
  c->add_option("--data", o->data, "of bench tokenizer: a text file, or a folder of them");
  c->add_option("--steps", o->steps, "timed steps")->capture_default_str()->between(1, 10000);
  c->add_flag("--json", o->json, "one JSON object a line on stdout");
  c->callback([=] {
    if (*what == "encode" && o->model == "nano") o->model = "minilm";
    const bool decodes = *what == "decode" || *what == "prefill";
    if (*what != "encode" && !decodes) c->note_without_effect({"--int8"}, "on bench " + *what);
    if (!decodes) c->note_without_effect({"--cache-type"}, "on bench " + *what);
    if (o->vocab == 0 && o->model == "nano") o->vocab = 4096;
    const bool of_kernels = *what == "gemm" || *what == "attention";
    if (of_kernels || *what == "tokenizer")
      c->note_without_effect({"--model", "--vocab", "--batch", "--micro-batch", "--memory", "--seq"},
                             "on bench " + *what + ", which has shapes of its own");
    if (of_kernels)
      c->note_without_effect({"--steps"}, "on bench " + *what + ", which has shapes of its own");
    if (*what != "tokenizer") c->note_without_effect({"--tokenizer", "--data"}, "on bench " + *what);
    run(*what, *o);
  });
}

}  // namespace hone::cli
