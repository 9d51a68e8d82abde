#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <optional>

#include "cli/command.hpp"
#include "cli/terminal.hpp"
#include "cli/training_session.hpp"

namespace hone::cli {
namespace {

// What is learned in green on a terminal, in brackets elsewhere.
void show(const std::vector<ShownExample>& examples) {
  const char* no_colour = std::getenv("NO_COLOR");
  const bool colour = is_terminal(1) && !(no_colour && *no_colour);
  for (const ShownExample& e : examples) {
    print(fmt::format("--- line {}: {} tokens, {} of them learned", e.line, e.tokens, e.trained_tokens));
    for (const ShownPiece& piece : e.pieces) {
      const std::string text = as_utf8(piece.text);
      if (piece.trained)
        print_text((colour ? "\x1b[32m" : "[[") + text + (colour ? "\x1b[0m" : "]]"));
      else
        print_text(text);
    }
    print("");
  }
}

}  // namespace

void add_train(Command& app) {
  auto* c = app.add_subcommand(
      "train", "train a model on text, or on pairs of texts",
      "  hone train --model nano --data book.txt --out out/book --precision bf16\n"
      "  hone train --model config.json --data texts/ --tokenizer tokenizer.json --out "
      "out/mine --steps 5000\n"
      "  hone train --model out/base --data chats.jsonl --out out/tuned --lr 2e-5\n"
      "  hone train --model out/small --data book.txt --out out/healed --train corrections\n"
      "  hone train --model transformer-tiny --data pairs.tsv --out out/translator\n"
      "  hone train recipe.toml --lr 3e-4        (a recipe holds these options as keys)");
  auto* options = new_kept<TrainingOptions>();
  auto* json = new_kept<bool>();
  options->add_to(*c);
  c->add_flag("--json", *json, "one JSON object a line on stdout");
  auto* examples = new_kept<std::int64_t>();
  c->add_option("--show-examples", *examples,
                "of prompts and chats: print so many, with what is learned in [[ ]], and train nothing");
  c->callback([=] {
    if (c->given("--show-examples")) return show(show_examples(options->finished(), *examples));
    if (options->finished().out.empty())
      throw Error(ErrorKind::usage, {.what = "--out is required", .hint = "see hone train --help"});
    TrainingSession session(options->finished(), *json);
    session.run();
  });
}

}  // namespace hone::cli
