#include "hone/eval.hpp"

#include <fmt/format.h>

#include "cli/command.hpp"
#include "cli/json_line.hpp"
#include "cli/terminal.hpp"
#include "cli/training_session.hpp"

namespace hone::cli {
namespace {

struct Options {
  std::string model, data, precision = "f32", tokenizer;
  EvalOptions eval;
  bool json = false;
};

// A loss over ids that mean something else to the model says nothing.
void require_own_tokenizer(const Options& o, const Tokenizer& used) {
  const auto own = Tokenizer::of_model(o.model);
  if (own && *own != used)
    throw Error(ErrorKind::usage, {.what = "--tokenizer is not the tokenizer that the model was trained with",
                                   .where = o.model,
                                   .found = "'" + o.tokenizer + "'",
                                   .hint = "leave --tokenizer out: the folder has its own"});
}

void run(const Options& o) {
  EvalOptions options = o.eval;
  options.precision = precision_from_name(o.precision);
  const Model model = open(o.model);
  print_notes(model.notes());
  const Text text(o.data, {.tokenizer = o.tokenizer.empty() ? o.model : o.tokenizer});
  print_notes(text.notes());
  require_own_tokenizer(o, text.tokenizer());
  const EvalReport r = evaluate(model, text, options);
  if (o.json)
    print(JsonLine()
              .add("loss", r.loss)
              .add("perplexity", r.perplexity)
              .add("bits_per_byte", r.bits_per_byte)
              .add("accuracy", r.accuracy)
              .add("tokens", r.tokens)
              .add("seq", r.seq)
              .text());
  else
    print(
        fmt::format("loss {:.4f} nats a token, perplexity {:.3f}, {:.3f} bits a byte, {:.1f} % right, over "
                    "{} in windows of {}",
                    r.loss, r.perplexity, r.bits_per_byte, 100 * r.accuracy,
                    human_count(static_cast<double>(r.tokens)) + " tokens", r.seq));
}

}  // namespace

void add_eval(Command& app) {
  auto* c = app.add_subcommand(
      "eval", "how well a model predicts a text",
      "  hone eval out/book --data other.txt\n  hone eval out/book --data book.txt --held-out --json");
  auto* o = new_kept<Options>();
  c->add_option("model", o->model, "model folder")->required();
  c->add_option("--data", o->data, "text file, folder of text files, or token shards")->required();
  c->add_option("--tokenizer", o->tokenizer,
                "byte, char or a tokenizer.json, for a model folder that has none");
  c->add_option("--seq", o->eval.seq, "tokens a window, the last may be shorter (0: chosen)")
      ->capture_default_str();
  c->add_option("--max-tokens", o->eval.max_tokens, "predict so many and no more (0: the whole text)")
      ->capture_default_str();
  c->add_flag("--held-out", o->eval.held_out_only, "only the text's last tenth, which training leaves out");
  c->add_option("--precision", o->precision, "f32, bf16 or fp16")->capture_default_str();
  c->add_option("--threads", o->eval.threads, "0: all cores; changes no number")->capture_default_str();
  add_isa(*c, o->eval.isa);
  c->add_flag("--json", o->json, "one JSON object on stdout");
  c->callback([=] { run(*o); });
}

}  // namespace hone::cli
