#include "train/training_data.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "data/pair_tasks.hpp"
#include "data/text_files.hpp"
#include "text/tokenizer_impl.hpp"
#include "text/vocabulary_folder.hpp"
#include "train/run_files.hpp"

namespace hone {
namespace {

// An evaluation looks at this many tokens at most, in samples spread evenly over what is held out.
constexpr std::int64_t evaluation_tokens = 1 << 17;

HeldSamples held(Batch batch) {
  const auto memory = std::make_shared<const Batch>(std::move(batch));
  return {memory->samples(), memory};
}

HeldSamples spread_windows(const Text& text, std::int64_t seq, std::int64_t first, std::int64_t count,
                           std::int64_t of) {
  const std::int64_t all = text.held_out_windows(seq);
  Batch windows{count, seq, {}, {}};
  for (std::int64_t i = first; i < first + count; ++i) {
    const Batch one = text.held_out(i * all / of, 1, seq);
    windows.ids.insert(windows.ids.end(), one.ids.begin(), one.ids.end());
    windows.labels.insert(windows.labels.end(), one.labels.begin(), one.labels.end());
  }
  return held(std::move(windows));
}

// Error(input), before anything is written, where the text is too short.
void check_text(const Text& text, std::int64_t seq) {
  text.batch(0, 1, seq);
  if (text.held_out_windows(seq) == 0)
    throw Error(ErrorKind::input, {.what = "the held-out tenth of the text is shorter than a window",
                                   .where = text.path(),
                                   .expected = std::to_string(seq + 1) + " tokens",
                                   .found = std::to_string(text.held_out_tokens()),
                                   .hint = "use a smaller --seq or a longer text"});
}

SampleSet windows_of(const Text& text, std::int64_t batch, std::int64_t seq) {
  check_text(text, seq);
  const std::int64_t evaluated = evaluated_samples(text.held_out_windows(seq), seq);
  return {.batch = [=](std::int64_t n) { return held(text.batch(n, batch, seq)); },
          .evaluated = evaluated,
          .held_out = [=](std::int64_t first,
                          std::int64_t count) { return spread_windows(text, seq, first, count, evaluated); },
          .held_out_text = SampleSet::Size{text.held_out_tokens(), text.held_out_bytes()}};
}

}  // namespace

TrainingData text_data(const TrainingRun& run, const Text& text) {
  return {.kind = text_kind,
          .tokenizer = text.tokenizer(),
          .notes = text.notes(),
          .memory_bytes = text.memory_bytes(),
          .reading_bytes = text.reading_bytes(),
          .identity =
              [=](const TrainPlan&) {
                return fmt::format("{} tokens, {} bytes, digest {}", text.all_tokens(), text.all_bytes(),
                                   text.digest());
              },
          .lengths =
              [seq = run.plan.seq, sizes = run.plan.sizes](std::int64_t) {
                return Lengths{seq ? seq : usual_seq, sizes};
              },
          .samples = [=](const TrainPlan& plan) { return windows_of(text, plan.batch(), plan.seq()); }};
}

std::int64_t evaluated_samples(std::int64_t all, std::int64_t seq) {
  return std::min(all, std::max<std::int64_t>(1, evaluation_tokens / seq));
}

bool learns_from_pairs(const TrainingRun& run) {
  if (run.data.starts_with(task_prefix)) return true;
  const Model model = find_model(base_of(run), {.tokenizer_size = Tokenizer::bytes().vocab_size()});
  return model.reads_source();
}

void check_pairs(const Model& model, const Tokenizer& tokenizer, const std::string& data) {
  if (!model.reads_source())
    throw Error(ErrorKind::usage, {.what = "pairs want a model that reads a source",
                                   .where = data,
                                   .found = "the family " + model.family(),
                                   .hint = "--model transformer-tiny is one that does"});
  const SequenceTokens own = model.sequence_tokens(), frame = tokenizer.sequence_tokens();
  if (own.begin != frame.begin || own.end != frame.end)
    throw Error(ErrorKind::input,
                {.what = "the tokenizer frames a target otherwise than the model's config says",
                 .where = data,
                 .expected = "bos_token_id and eos_token_id as the tokenizer has them",
                 .hint = "use the tokenizer that the model was trained with"});
}

namespace {

// The tokenizer of the run in `out` that goes on, where none is named.
std::optional<std::string> tokenizer_of_out(const TrainingRun& run) {
  if (!run.tokenizer.empty() || run.made_tokenizer || !run.resume || run.out.empty()) return {};
  return RunFolder(run.out).tokenizer();
}

}  // namespace

const std::string& base_of(const TrainingRun& run) {
  return run.distill && run.distill->layers > 0 ? run.distill->teacher : run.model;
}

std::string tokenizer_of(const TrainingRun& run) {
  if (auto own = tokenizer_of_out(run)) return *own;
  if (!run.tokenizer.empty()) return run.tokenizer;
  if (has_tokenizer(base_of(run))) return base_of(run);
  return run.distill && has_tokenizer(run.distill->teacher) ? run.distill->teacher : run.tokenizer;
}

namespace {

// Options of another kind of data change nothing, and that is said.
void note_without_effect(const TrainingRun& run, TrainingData& data) {
  const bool pairs = data.kind == pairs_kind && may_be_json_pairs(run.data);
  const bool examples = data.kind == examples_kind;
  std::string given;
  const auto look = [&](bool is_given, const char* option) {
    if (is_given) given += (given.empty() ? "" : ", ") + std::string(option);
  };
  look(!pairs && !run.source_field.empty(), "--source-field");
  look(!pairs && !run.target_field.empty(), "--target-field");
  look(data.kind != pairs_kind && run.source_seq > 0, "--source-seq");
  look(data.kind == text_kind && run.too_long != PairOptions().too_long, "--too-long");
  look(!examples && !run.chat_template.empty(), "--chat-template");
  look(!examples && run.train_on_prompt, "--train-on-prompt");
  look(!examples && run.packing, "--packing");
  if (!given.empty()) data.notes.push_back("without effect on this data (" + data.kind + "): " + given);
}

// A file of pairs is a text as well.
TrainingData text_heard(const TrainingRun& run, const Text& text) {
  TrainingData data = text_data(run, text);
  if (unpacked_name(run.data).ends_with(".tsv"))
    data.notes.push_back(
        run.data +
        " is read as a text, tabs and all: pairs of a source and a target are for a model that "
        "reads a source (--model transformer-tiny)");
  return data;
}

TrainingData opened(const TrainingRun& run, const std::string& tokenizer) {
  if (learns_from_pairs(run)) {
    const PairOptions options{.tokenizer = tokenizer,
                              .too_long = run.too_long,
                              .source_field = run.source_field,
                              .target_field = run.target_field,
                              .seed = run.plan.seed};
    return pair_data(
        run, run.made_tokenizer ? Pairs(run.data, *run.made_tokenizer, options) : Pairs(run.data, options));
  }
  if (Examples::are_in(run.data)) return example_data(run, open_examples(run));
  if (run.made_tokenizer) return text_heard(run, Text(run.data, *run.made_tokenizer, run.plan.seed));
  return text_heard(run, Text(run.data, {.tokenizer = tokenizer, .seed = run.plan.seed}));
}

}  // namespace

TrainingData open_data(const TrainingRun& run) {
  if (run.data.empty())
    throw Error(ErrorKind::usage, {.what = "no text to train on",
                                   .hint = "--data takes a text file, a folder or token shards"});
  try {
    TrainingData data = opened(run, tokenizer_of(run));
    note_without_effect(run, data);
    return data;
  } catch (const UnknownCharacter& e) {
    if (!tokenizer_of_out(run)) throw;
    ErrorText text = e.text();
    text.hint = "the tokenizer is that of the run in " + run.out +
                ", which would go on: --resume never begins anew, and so does another " + out_name(run);
    throw Error(e.kind(), std::move(text));
  }
}

}  // namespace hone
