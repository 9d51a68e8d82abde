#include <chrono>
#include <optional>

#include "cli/command.hpp"
#include "cli/training_session.hpp"

namespace hone::cli {

void add_train(Command& app) {
  auto* c =
      app.add_subcommand("train", "train a model on text, or on pairs of texts",
                         "  hone train --model nano --data book.txt --out out/book --precision bf16\n"
                         "  hone train --model config.json --data texts/ --tokenizer tokenizer.json --out "
                         "out/mine --steps 5000\n"
                         "  hone train --model transformer-tiny --data pairs.tsv --out out/translator\n"
                         "  hone train recipe.toml --lr 3e-4        (a recipe holds these options as keys)");
  auto* options = new_kept<TrainingOptions>();
  auto* json = new_kept<bool>();
  options->add_to(*c, true);
  c->add_flag("--json", *json, "one JSON object a line on stdout");
  c->callback([=] {
    TrainingSession session(options->finished(), *json);
    session.run();
  });
}

}  // namespace hone::cli
