#include "hone/generate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

#include "cli/adapter.hpp"
#include "cli/generation_options.hpp"
#include "cli/json_line.hpp"
#include "cli/named_tokenizer.hpp"
#include "cli/terminal.hpp"
#include "cli/training_session.hpp"

namespace hone::cli {
namespace {

using Ids = std::vector<std::int32_t>;

struct Options {
  std::string model, adapter, tokenizer, prompt, prompt_file, prompts, prompt_cache;
  std::int64_t parallel = 4;
  GeneratorNames names;
  GenerateOptions plan;
  SamplingOptions sampling;
  bool json = false, context_given = false;
};

std::string whole_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw Error(ErrorKind::input, {.what = "cannot read the file", .where = path});
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string prompt_of(const Options& o) {
  if (!o.prompt_file.empty()) return whole_file(o.prompt_file);
  return o.prompt == "-" ? LineInput().rest() : o.prompt;
}

bool is_blank(const std::string& line) { return line.find_first_not_of(" \t\r") == std::string::npos; }

// Of a file of prompts, which passes over lines without any text.
std::string where_of(const Options& o, std::ptrdiff_t prompt) {
  if (o.prompts.empty()) return {};
  std::ifstream file(o.prompts);
  std::int64_t number = 0;
  for (std::string line; prompt >= 0 && std::getline(file, line); ++number) prompt -= is_blank(line) ? 0 : 1;
  return fmt::format("{}, line {}", o.prompts, number);
}

// Room for the longest prompt and what shall follow it, as far as the model goes. Error(input), before
// weights are read, for a prompt that is longer than that.
std::int64_t context_for(const Options& o, const Model& model, const std::vector<Ids>& prompts) {
  const std::int64_t most = o.context_given ? o.plan.context : model.context();
  const auto at = std::ranges::max_element(prompts, {}, [](const Ids& ids) { return ids.size(); });
  const std::int64_t longest = std::max<std::int64_t>(1, std::ssize(*at));
  if (most > 0 && longest > most)
    throw Error(ErrorKind::input, {.what = "the prompt exceeds the context",
                                   .where = where_of(o, at - prompts.begin()),
                                   .expected = fmt::format("at most {} tokens", most),
                                   .found = std::to_string(longest),
                                   .hint = "shorten the prompt"});
  if (o.context_given || o.sampling.max_tokens < 0) return most;
  const std::int64_t wanted = longest + o.sampling.max_tokens;
  return most > 0 ? std::min(most, wanted) : wanted;
}

// An answer with what the model read and wrote of it.
JsonLine json_of(const std::string& text, const Ids& ids, Finish finish, const Ids& prompt) {
  return JsonLine()
      .add("text", text)
      .add("tokens", std::ssize(ids))
      .add("finish", name(finish))
      .add("prompt_tokens", std::ssize(prompt))
      .add("ids", std::vector<std::int64_t>(ids.begin(), ids.end()));
}

// Reads the prompt, with what of it the file holds; the file then holds all of it.
void use_cache(Generator& generator, const std::string& path, const Ids& prompt) {
  if (std::filesystem::exists(path)) {
    const auto loaded = generator.load_cache(path);
    if (!loaded.refused.empty())
      print_notes({fmt::format("{} is not used, and written anew: {}", path, loaded.refused)});
  }
  const std::int64_t kept = generator.read_prompt(prompt);
  if (kept > 0)
    print_notes({fmt::format("{} of the prompt's {} tokens came from {}", kept, prompt.size(), path)});
  if (kept < std::ssize(prompt)) generator.save_cache(path);
}

// Who writes what begins a text (<s>) into a prompt has it twice where the tokenizer puts it in front too.
void note_begun_twice(const Options& o, const Tokenizer& tokenizer, const std::vector<Ids>& prompts) {
  const auto begun_twice = [&](const Ids& ids) {
    return ids.size() > 1 && ids[0] == ids[1] && tokenizer.is_special(ids[0]);
  };
  const auto at = std::ranges::find_if(prompts, begun_twice);
  if (at == prompts.end()) return;
  const std::string where = where_of(o, at - prompts.begin());
  print_notes({fmt::format("{}the prompt begins with {} twice: the tokenizer puts one in front by itself",
                           where.empty() ? "" : where + ": ", tokenizer.token(at->front()))});
}

void note_full(std::int64_t context, const std::string& after) {
  print_notes({fmt::format("the context of {} tokens is full after {}", context, after)});
}

[[noreturn]] void end_stopped(const std::string& after) {
  throw Answered(ErrorKind::failed, {.what = "stopped after " + after});
}

void run_one(const Options& o, const Model& model, const Tokenizer& tokenizer) {
  const Ids prompt = tokenizer.encode(prompt_of(o), !model.reads_source());
  note_begun_twice(o, tokenizer, {prompt});
  GenerateOptions plan = o.plan;
  if (!model.reads_source()) plan.context = context_for(o, model, {prompt});
  SamplingOptions sampling = o.sampling;
  Generator generator{GeneratePlan(model, plan)};
  if (!o.prompt_cache.empty() && !prompt.empty()) {
    use_cache(generator, o.prompt_cache, prompt);
    sampling.reuse_cache = true;
  }
  std::string text;
  Ids ids;
  for (const Piece& piece : generator.generate(prompt, sampling, &tokenizer)) {
    if (!o.json) print_text(std::string(piece.text));
    text += piece.text;
    ids.push_back(piece.token);
  }
  print(o.json ? json_of(text, ids, generator.finish(), prompt).text() : "");
  if (generator.finish() == Finish::stopped) end_stopped(fmt::format("{} tokens", ids.size()));
  const std::int64_t context = generator.plan().options().context;
  if (generator.finish() != Finish::context) return;
  if (sampling.max_tokens >= 0)
    note_full(context, fmt::format("{} of --max-tokens {}", ids.size(), sampling.max_tokens));
  else if (std::ssize(prompt) >= context)  // who asks for the rest of the context gets it, but there is none
    note_full(context, "the prompt");
}

std::int64_t blank_lines(const std::string& path) {
  std::ifstream file(path);
  std::int64_t count = 0;
  for (std::string line; std::getline(file, line);) count += is_blank(line) ? 1 : 0;
  return count;
}

// Prompts of a file: their texts, and what the model reads of them.
struct Prompts {
  std::vector<std::string> texts;
  std::vector<Ids> ids{};
};

void print_answer(const Options& o, const Prompts& prompts, std::size_t i, const std::string& text,
                  const Ids& ids, Finish finish) {
  print(o.json ? json_of(text, ids, finish, prompts.ids[i]).add("prompt", prompts.texts[i]).text() : text);
}

// Targets of sources, and beams, which are not continued side by side.
bool goes_in_turn(const Options& o, const Model& model) { return model.reads_source() || o.plan.beams > 1; }

// Returns how many answers the context's end cut; so does the next.
std::int64_t run_in_turn(const Options& o, const Tokenizer& tokenizer, const Prompts& prompts,
                         Generator& generator) {
  std::int64_t cut = 0;
  for (std::size_t i = 0; i < prompts.ids.size(); ++i) {
    std::string text;
    Ids ids;
    for (const Piece& piece : generator.generate(prompts.ids[i], o.sampling, &tokenizer)) {
      text += piece.text;
      ids.push_back(piece.token);
    }
    print_answer(o, prompts, i, text, ids, generator.finish());
    cut += generator.finish() == Finish::context ? 1 : 0;
    if (o.sampling.stop.stop_requested()) break;  // run_all() says so
  }
  return cut;
}

// Answers in the order of their prompts, each as soon as those before it are out.
std::int64_t run_side_by_side(const Options& o, const Tokenizer& tokenizer, const Prompts& prompts,
                              Generator& generator) {
  std::vector<std::optional<Answer>> ready(prompts.ids.size());
  std::size_t next = 0;
  std::int64_t cut = 0;
  generator.generate_all(prompts.ids, o.sampling, &tokenizer, [&](std::size_t i, const Answer& answer) {
    ready[i] = answer;
    cut += answer.finish == Finish::context ? 1 : 0;
    for (; next < ready.size() && ready[next]; ++next) {
      const Answer& a = *ready[next];
      if (a.finish == Finish::stopped && a.tokens.empty()) continue;  // not begun
      print_answer(o, prompts, next, a.text, a.tokens, a.finish);
    }
  });
  return cut;
}

void run_all(const Options& o, const Model& model, const Tokenizer& tokenizer) {
  Prompts prompts{read_prompts(o.prompts)};
  if (const auto empty = blank_lines(o.prompts); empty > 0)
    print_notes({fmt::format("{}: {} lines without any text have no answer", o.prompts, empty)});
  for (const std::string& text : prompts.texts)
    prompts.ids.push_back(tokenizer.encode(text, !model.reads_source()));
  if (const auto empty = std::ranges::find(prompts.texts, ""); empty != prompts.texts.end())
    throw Error(ErrorKind::input,
                {.what = "the prompt is empty", .where = where_of(o, empty - prompts.texts.begin())});
  note_begun_twice(o, tokenizer, prompts.ids);
  const bool in_turn = goes_in_turn(o, model);
  GenerateOptions plan = o.plan;
  if (!model.reads_source()) plan.context = context_for(o, model, prompts.ids);
  plan.sequences = in_turn ? 1 : std::min(o.parallel, std::ssize(prompts.ids));
  Generator generator{GeneratePlan(model, plan)};
  const std::int64_t cut = in_turn ? run_in_turn(o, tokenizer, prompts, generator)
                                   : run_side_by_side(o, tokenizer, prompts, generator);
  if (cut > 0 && o.sampling.max_tokens >= 0)
    note_full(generator.plan().options().context,
              fmt::format("{} of {} answers, which it cuts", cut, prompts.ids.size()));
  if (o.sampling.stop.stop_requested()) end_stopped("some of the answers");
}

void run(Options o, const Command& c) {
  o.names.set(o.plan);
  o.sampling.stop = interruption();
  const Model model = open_model(o.model, o.adapter);
  if (model.reads_source() && !o.prompts.empty() && o.plan.beams <= 1)
    c.note_without_effect({"--parallel"}, "on sources");
  const Tokenizer tokenizer = tokenizer_for(o.model, o.tokenizer);
  add_end_tokens(o.sampling, generation_defaults(o.model, model.vocab_size()));
  o.prompts.empty() ? run_one(o, model, tokenizer) : run_all(o, model, tokenizer);
}

// One of several ways to say the same.
void check(const Options& o, const Command& c) {
  int ways = 0;
  for (const char* way : {"--prompt", "--prompt-file", "--prompts"}) ways += c.given(way) ? 1 : 0;
  if (ways > 1)
    throw Error(ErrorKind::usage, {.what = "a prompt is given once",
                                   .expected = "one of --prompt, --prompt-file, --prompts",
                                   .found = std::to_string(ways)});
  if (c.given("--prompts") && c.given("--prompt-cache"))
    throw Error(ErrorKind::usage, {.what = "it does not go with --prompts", .where = "prompt_cache"});
  if (o.parallel < 1)
    throw Error(ErrorKind::usage, {.what = "out of range",
                                   .where = "parallel",
                                   .expected = "1 or more",
                                   .found = std::to_string(o.parallel)});
  if (o.plan.beams <= 1) c.note_without_effect({"--length-penalty", "--early-stopping"}, "without --beams");
  if (o.prompts.empty()) c.note_without_effect({"--parallel"}, "without --prompts");
  if (!o.prompts.empty() && o.plan.beams > 1) c.note_without_effect({"--parallel"}, "with --beams");
  if (o.plan.beams > 1)
    c.note_without_effect(
        {"--temperature", "--top-k", "--top-p", "--min-p", "--repetition-penalty", "--seed"},
        "with --beams, which draws nothing");
  else if (o.sampling.temperature == 0)
    c.note_without_effect({"--top-k", "--top-p", "--min-p", "--seed"},
                          "with --temperature 0, which draws nothing");
}

}  // namespace

void add_generate(Command& app) {
  auto* c = app.add_subcommand("generate",
                               "continue a text, or write the target of a source; only that goes to stdout",
                               "  hone generate out/book --prompt \"In the beginning\" -n 200\n"
                               "  hone generate out/book --prompt - --temperature 0 <start.txt\n"
                               "  hone generate out/book --prompts prompts.jsonl --json\n"
                               "  hone generate out/dates --prompt \"the second of May 1999\" --beams 4");
  auto* o = new_kept<Options>();
  c->add_option("model", o->model, "model folder")->required();
  add_adapter(*c, o->adapter);
  add_tokenizer_option(*c, o->tokenizer);
  c->add_option("-p,--prompt", o->prompt, "what to continue, or the source; -: all of stdin");
  c->add_option("-f,--prompt-file", o->prompt_file, "the same from a file");
  c->add_option("--prompts", o->prompts,
                "a file of prompts, one a line, or in JSON lines as \"prompt\": answers in their order");
  c->add_option("--parallel", o->parallel,
                "of --prompts: so many in one step, changes no text (sources and beams: one)")
      ->capture_default_str();
  c->add_option("--prompt-cache", o->prompt_cache,
                "a file that keeps what reading the prompt costs, for the next time");
  c->add_option("-n,--max-tokens", o->sampling.max_tokens, "tokens to make (-1: to the end of the context)")
      ->capture_default_str();
  add_sampling(*c, o->sampling);
  c->add_option("--beams", o->plan.beams, "above 1: beam search, the most probable of so many texts")
      ->capture_default_str();
  c->add_option("--length-penalty", o->sampling.length_penalty,
                "of beam search: the power of its length by which a text's log probability is divided")
      ->capture_default_str();
  c->add_flag("--early-stopping", o->sampling.early_stopping,
              "of beam search: end with as many whole texts as beams");
  add_generator(*c, o->plan, o->names);
  c->show_default("--ctx-size", "what prompt and answer take, at most the model's");
  c->add_flag("--json", o->json,
              "one JSON object on stdout, or one a prompt: text, tokens, finish, prompt_tokens, ids");
  c->callback([=] {
    o->context_given = c->given("--ctx-size");
    check(*o, *c);
    run(*o, *c);
  });
}

}  // namespace hone::cli
