// A training run over examples: how long they are, in batches, and what an evaluation looks at.
#include <fmt/format.h>

#include <algorithm>

#include "file/mapped.hpp"
#include "op/builder_state.hpp"
#include "text/end_tokens.hpp"
#include "train/training_data.hpp"

namespace hone {
namespace {

HeldSamples held(ExampleBatch batch) {
  const auto memory = std::make_shared<const ExampleBatch>(std::move(batch));
  return {memory->samples(), memory};
}

HeldSamples spread_examples(const Examples& examples, std::int64_t first, std::int64_t count,
                            std::int64_t of) {
  ExampleBatch some{count, examples.seq()};
  for (std::int64_t i = first; i < first + count; ++i) {
    const ExampleBatch one = examples.held_out(i * examples.held_out_examples() / of, 1);
    const auto append = [&](std::vector<std::int32_t> ExampleBatch::*member) {
      (some.*member).insert((some.*member).end(), (one.*member).begin(), (one.*member).end());
    };
    append(&ExampleBatch::ids), append(&ExampleBatch::labels), append(&ExampleBatch::positions);
  }
  return held(std::move(some));
}

// `said`: how many of the notes were said before.
SampleSet samples_of(const Examples& examples, std::int64_t batch, std::size_t said) {
  const std::vector<std::string>& notes = examples.notes();
  const std::int64_t evaluated = evaluated_samples(examples.held_out_examples(), examples.seq());
  return {.batch = [=](std::int64_t n) { return held(examples.batch(n, batch)); },
          .evaluated = evaluated,
          .held_out = [=](std::int64_t first,
                          std::int64_t count) { return spread_examples(examples, first, count, evaluated); },
          .notes = {notes.begin() + static_cast<std::ptrdiff_t>(said), notes.end()}};
}

// What was read, as of pairs: dropped ones are missing from the counts.
std::string identity_of(const Examples& examples, bool packed) {
  return fmt::format("{} and {} examples, digest {}{}", examples.train_examples(),
                     examples.held_out_examples(), examples.digest(), packed ? ", packed" : "");
}

std::optional<ChatTemplate> template_of(const TrainingRun& run) {
  if (!run.chat_template.empty())
    return ChatTemplate::open(run.chat_template, special_token_names(base_of(run)));
  return ChatTemplate::of_model(base_of(run));
}

Tokenizer tokenizer_for(const TrainingRun& run) {
  if (run.made_tokenizer) return *run.made_tokenizer;
  const std::string name = tokenizer_of(run);
  if (name.empty() || name == "byte") return Tokenizer::bytes();
  if (name == "char") return Tokenizer::chars(read_file(run.data));
  return Tokenizer::open(name);
}

// The model's own end of a text, by the name or the id that its files give it, where the tokenizer has that.
std::optional<std::int32_t> end_of_text(const std::string& model, const Tokenizer& tokenizer) {
  const auto names = special_token_names(model);
  if (const auto eos = names.find("eos_token"); eos != names.end())
    if (const auto id = tokenizer.find(eos->second)) return id;
  for (const std::int32_t id : end_token_ids(model))
    if (id < tokenizer.vocab_size() && tokenizer.is_special(id)) return id;
  return tokenizer.end_of_text();
}

}  // namespace

// As long as the longest: what a run's --seq, or the model, does not allow is asked of with_length().
Examples open_examples(const TrainingRun& run) {
  const Tokenizer tokenizer = tokenizer_for(run);
  return {run.data,
          tokenizer,
          {.chat = template_of(run),
           .too_long = run.too_long,
           .train_on_prompt = run.train_on_prompt,
           .end = end_of_text(base_of(run), tokenizer),
           .packed = run.packing,
           .seed = run.plan.seed}};
}

TrainingData example_data(const TrainingRun& run, const Examples& examples) {
  return {.kind = examples_kind,
          .tokenizer = examples.tokenizer(),
          .notes = examples.notes(),
          .memory_bytes = examples.memory_bytes(),
          .reading_bytes = 0,
          .identity =
              [=, packed = run.packing](const TrainPlan& plan) {
                return identity_of(examples.with_length(plan.seq()), packed);
              },
          .lengths =
              [=, seq = run.plan.seq, sizes = run.plan.sizes, packed = run.packing](std::int64_t context) {
                const std::int64_t longest = context > 0 ? std::min(examples.seq(), context) : examples.seq();
                Lengths lengths{seq ? seq : longest, sizes};
                if (packed) lengths.sizes[packed_size] = 1;
                return lengths;
              },
          .samples =
              [=](const TrainPlan& plan) {
                return samples_of(examples.with_length(plan.seq()), plan.batch(), examples.notes().size());
              }};
}

std::vector<ShownExample> show_examples(const TrainingRun& run, std::int64_t count) {
  if (!Examples::are_in(run.data))
    throw Error(ErrorKind::usage, {.what = "only prompts and chats in JSON lines are shown",
                                   .where = "show_examples",
                                   .found = run.data.empty() ? "no --data" : run.data});
  const Examples all = open_examples(run);
  const Examples some = run.plan.seq ? all.with_length(run.plan.seq) : all;
  return some.show(0, std::clamp<std::int64_t>(count, 0, some.train_examples() + some.held_out_examples()));
}

}  // namespace hone
