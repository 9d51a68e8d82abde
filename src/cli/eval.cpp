#include "hone/eval.hpp"

#include <fmt/format.h>

#include "cli/adapter.hpp"
#include "cli/command.hpp"
#include "cli/generation_options.hpp"
#include "cli/json_line.hpp"
#include "cli/terminal.hpp"
#include "cli/training_session.hpp"
#include "hone/chat.hpp"

namespace hone::cli {
namespace {

struct Options {
  std::string model, adapter, data, precision = "f32", tokenizer, too_long = "error";
  PairOptions pairs;
  EvalOptions eval;
  bool json = false;
};

// A loss over ids that mean something else to the model says nothing.
void require_own_tokenizer(const Options& o, const Tokenizer& used) {
  const auto own = readable_tokenizer(o.model);
  if (own && *own != used)
    throw Error(ErrorKind::usage, {.what = "--tokenizer is not the tokenizer that the model was trained with",
                                   .where = o.model,
                                   .found = "'" + o.tokenizer + "'",
                                   .hint = "leave --tokenizer out: the folder has its own"});
}

EvalReport report_of(const Options& o, const Command& c, const Model& model, const EvalOptions& options) {
  const std::string tokenizer = o.tokenizer.empty() ? o.model : o.tokenizer;
  const auto heard = [&](const auto& data) {
    print_notes(data.notes());
    require_own_tokenizer(o, data.tokenizer());
    return evaluate(model, data, options);
  };
  if (!model.reads_source()) {
    c.note_without_effect({"--too-long", "--source-seq", "--source-field", "--target-field"}, "on a text");
    return heard(Text(o.data, {.tokenizer = tokenizer}));
  }
  c.note_without_effect({"--stride"}, "on pairs");
  if (!may_be_json_pairs(o.data))
    c.note_without_effect({"--source-field", "--target-field"}, "on pairs that are no JSON lines");
  PairOptions pairs = o.pairs;
  pairs.seq = o.eval.seq;
  pairs.tokenizer = tokenizer;
  pairs.too_long = too_long_from_name(o.too_long);
  return heard(Pairs(o.data, pairs));
}

JsonLine json_of(const EvalReport& r) {
  JsonLine line;
  line.add("loss", r.loss)
      .add("perplexity", r.perplexity)
      .add("bits_per_byte", r.bits_per_byte)
      .add("accuracy", r.accuracy)
      .add("tokens", r.tokens)
      .add("seq", r.seq);
  if (r.stride > 0) line.add("stride", r.stride);
  if (r.pairs > 0) line.add("pairs", r.pairs).add("exact_match", r.exact_match);
  return line;
}

std::string text_of(const EvalReport& r) {
  const std::string tokens = human_count(static_cast<double>(r.tokens)) + " tokens";
  if (r.pairs > 0)
    return fmt::format(
        "exact match {:.2f} % of {} pairs; loss {:.4f} nats a token, perplexity {:.3f}, {:.2f} % right, over "
        "{}",
        100 * r.exact_match, human_count(static_cast<double>(r.pairs)), r.loss, r.perplexity,
        100 * r.accuracy, tokens);
  return fmt::format(
      "loss {:.4f} nats a token, perplexity {:.3f}, {:.3f} bits a byte, {:.1f} % right, over "
      "{} in windows of {}{}",
      r.loss, r.perplexity, r.bits_per_byte, 100 * r.accuracy, tokens, r.seq,
      r.stride > 0 ? fmt::format(", {} apart", r.stride) : "");
}

void run(const Options& o, const Command& c) {
  EvalOptions options = o.eval;
  options.precision = precision_from_name(o.precision);
  const Model model = open_model(o.model, o.adapter);
  const EvalReport r = report_of(o, c, model, options);
  print(o.json ? json_of(r).text() : text_of(r));
}

}  // namespace

void add_eval(Command& app) {
  auto* c = app.add_subcommand("eval", "how well a model predicts a text, or targets from sources",
                               "  hone eval out/book --data other.txt\n  hone eval out/translator --data "
                               "pairs.tsv\n  hone eval out/book --data book.txt --held-out --json");
  auto* o = new_kept<Options>();
  c->add_option("model", o->model, "model folder")->required();
  add_adapter(*c, o->adapter);
  c->add_option("--data", o->data,
                fmt::format("texts: file, folder or token shards; pairs: .tsv or .jsonl, {}",
                            fmt::join(pair_task_names(), ", ")))
      ->required();
  c->add_option("--too-long", o->too_long, "pairs longer than the model allows: error, drop or cut")
      ->capture_default_str();
  c->add_option("--source-seq", o->pairs.source_seq,
                "tokens of a pair's source (0: as many as the longest takes)")
      ->capture_default_str();
  c->add_option("--source-field", o->pairs.source_field,
                "of pairs in JSON lines (default: source, src or input)");
  c->add_option("--target-field", o->pairs.target_field, "(default: target, tgt or output)");
  c->add_option("--tokenizer", o->tokenizer,
                "byte, char or a tokenizer.json, for a model that has none, or one that is not read");
  c->add_option("--seq", o->eval.seq,
                "tokens a window, the last may be shorter, or of a pair's target (0: chosen)")
      ->capture_default_str();
  c->add_option("--stride", o->eval.stride,
                "tokens from one window to the next; each is predicted once (0: they do not overlap)")
      ->capture_default_str();
  c->add_option("--max-tokens", o->eval.max_tokens, "predict so many and no more (0: the whole text)")
      ->capture_default_str();
  c->add_flag("--held-out", o->eval.held_out_only, "only the last tenth, which training leaves out");
  c->add_option("--precision", o->precision, "f32, bf16 or fp16")->capture_default_str();
  add_int8(*c, o->eval.int8);
  c->add_option("--threads", o->eval.threads, "0: all cores; changes no number")->capture_default_str();
  add_isa(*c, o->eval.isa);
  c->add_flag("--json", o->json, "one JSON object on stdout");
  c->callback([=] { run(*o, *c); });
}

}  // namespace hone::cli
