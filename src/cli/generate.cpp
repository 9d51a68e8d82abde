#include "hone/generate.hpp"

#include <fmt/format.h>

#include "cli/adapter.hpp"
#include "cli/arguments.hpp"
#include "cli/command.hpp"
#include "cli/json_line.hpp"
#include "cli/terminal.hpp"
#include "cli/training_session.hpp"

namespace hone::cli {
namespace {

struct Options {
  std::string model, adapter, prompt, precision = "f32";
  GenerateOptions plan;
  SamplingOptions sampling;
  bool json = false;
};

void run(const Options& o) {
  GenerateOptions plan = o.plan;
  plan.precision = precision_from_name(o.precision);
  SamplingOptions sampling = o.sampling;
  sampling.stop = interruption();
  const Model model = open_model(o.model, o.adapter);
  const Tokenizer tokenizer = Tokenizer::open(o.model);
  print_notes(tokenizer.notes());
  Generator generator{GeneratePlan(model, plan)};
  std::string text;
  std::int64_t tokens = 0;
  for (const Piece& piece : generator.generate(tokenizer.encode(o.prompt), sampling, &tokenizer)) {
    if (!o.json) std::fwrite(piece.text.data(), 1, piece.text.size(), stdout), std::fflush(stdout);
    text += piece.text;
    ++tokens;
  }
  if (o.json)
    print(JsonLine().add("text", text).add("tokens", tokens).add("finish", name(generator.finish())).text());
  else
    print("");
  if (generator.finish() == Finish::context && sampling.max_tokens >= 0 && !o.json)
    print_notes({fmt::format("the context of {} tokens is full after {} of --max-tokens {}",
                             generator.plan().options().context, tokens, sampling.max_tokens)});
}

}  // namespace

void add_generate(Command& app) {
  auto* c = app.add_subcommand("generate",
                               "continue a text, or write the target of a source; only that goes to stdout",
                               "  hone generate out/book --prompt \"In the beginning\" -n 200\n"
                               "  hone generate out/book --prompt \"And\" --temperature 0\n"
                               "  hone generate out/dates --prompt \"the second of May 1999\" --beams 4");
  auto* o = new_kept<Options>();
  c->add_option("model", o->model, "model folder")->required();
  add_adapter(*c, o->adapter);
  c->add_option("-p,--prompt", o->prompt, "what to continue, or the source");
  c->add_option("-n,--max-tokens", o->sampling.max_tokens, "tokens to make (-1: to the end of the context)")
      ->capture_default_str();
  c->add_option("--temperature", o->sampling.temperature, "0: always the most probable token")
      ->capture_default_str();
  c->add_option("--top-k", o->sampling.top_k, "draw among so many (0: all)")->capture_default_str();
  c->add_option("--top-p", o->sampling.top_p, "draw among the fewest that add up to this")
      ->capture_default_str();
  c->add_option("--beams", o->plan.beams, "above 1: beam search, the most probable of so many texts")
      ->capture_default_str();
  c->add_option("--length-penalty", o->sampling.length_penalty,
                "of beam search: the power of its length by which a text's log probability is divided")
      ->capture_default_str();
  c->add_flag("--early-stopping", o->sampling.early_stopping,
              "of beam search: end with as many whole texts as beams");
  c->add_option("--seed", o->sampling.seed, "the same seed, the same text")->capture_default_str();
  c->add_option("--precision", o->precision, "f32, bf16 or fp16")->capture_default_str();
  c->add_option("--threads", o->plan.threads, "0: all cores; changes no text")->capture_default_str();
  add_isa(*c, o->plan.isa);
  c->add_flag("--json", o->json, "one JSON object on stdout");
  c->callback([=] {
    if (o->plan.beams > 1)
      c->note_without_effect({"--temperature", "--top-k", "--top-p", "--seed"},
                             "with --beams, which draws nothing");
    else if (o->sampling.temperature == 0)
      c->note_without_effect({"--top-k", "--top-p", "--seed"}, "with --temperature 0, which draws nothing");
    run(*o);
  });
}

}  // namespace hone::cli
