#include <fmt/format.h>

#include <algorithm>

#include "cli/adapter.hpp"
#include "cli/generation_options.hpp"
#include "cli/named_tokenizer.hpp"
#include "cli/terminal.hpp"
#include "hone/chat.hpp"
#include "hone/generate.hpp"

namespace hone::cli {
namespace {

// A cache for a context of 100,000 tokens takes gigabytes; who wants it says so.
constexpr std::int64_t usual_context = 4096;

struct Options {
  std::string model, adapter, tokenizer, system, template_file, variables;
  GeneratorNames names;
  GenerateOptions plan;
  SamplingOptions sampling;
  bool verbose_prompt = false;
};

ChatTemplate template_of(const Options& o) {
  if (!o.template_file.empty()) return ChatTemplate::open(o.template_file, special_token_names(o.model));
  if (auto own = ChatTemplate::of_model(o.model)) return *own;
  throw Error(ErrorKind::input,
              {.what = "the model has no chat template, so it was not trained to chat",
               .where = o.model,
               .expected = "chat_template in tokenizer_config.json, or chat_template.jinja",
               .hint = "--chat-template FILE gives it one; hone generate continues a text"});
}

// Tokens by which templates end a turn, where the model's files do not list them.
void add_turn_ends(SamplingOptions& sampling, const ChatTemplate& chat, const Tokenizer& tokenizer) {
  for (const char* name : {"<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<|end|>", "<|eom_id|>"}) {
    if (chat.source().find(name) == std::string::npos) continue;
    const auto ids = tokenizer.encode(name);
    if (ids.size() == 1) sampling.stop_tokens.push_back(ids.front());
  }
}

// What generation_config.json says holds where the command line says nothing else.
void take_defaults(Options& o, const GenerationDefaults& d, const Command& c) {
  std::string said;
  const auto take = [&](const char* option, auto& value, const auto& standard) {
    if (!standard || c.given(option)) return;
    value = *standard;
    said += fmt::format("{}{} {}", said.empty() ? "" : " ", option, *standard);
  };
  add_end_tokens(o.sampling, d);
  if (!d.samples) return;
  take("--temperature", o.sampling.temperature, d.temperature);
  take("--top-k", o.sampling.top_k, d.top_k);
  take("--top-p", o.sampling.top_p, d.top_p);
  take("--min-p", o.sampling.min_p, d.min_p);
  take("--repetition-penalty", o.sampling.repetition_penalty, d.repetition_penalty);
  if (!said.empty()) print_notes({"generation_config.json: " + said});
}

class Chat {
 public:
  Chat(const Options& o, const Model& model)
      : o_(o),
        template_(template_of(o)),
        tokenizer_(tokenizer_for(o.model, o.tokenizer)),
        generator_(GeneratePlan(model, o.plan)),
        terminal_(is_terminal(0) && is_terminal(1)) {
    add_turn_ends(o_.sampling, template_, tokenizer_);
    clear();
  }

  void run() {
    if (terminal_) message("/clear begins anew, /exit or Ctrl-D ends, Ctrl-C stops an answer");
    std::string line;
    while (next_line(line)) {
      if (line.empty()) continue;
      if (line == "/exit" || line == "/quit" || line == "/bye") return;
      if (line == "/clear")
        clear();
      else
        turn(line);
    }
  }

 private:
  void clear() {
    messages_.clear();
    if (!o_.system.empty()) messages_.push_back({"system", o_.system});
  }

  // False: no more will come. A Ctrl-C that stops no answer ends the program the second time.
  bool next_line(std::string& line) {
    for (int interrupted = 0; interrupted < 2;) {
      if (terminal_) std::fputs("> ", stderr), std::fflush(stderr);
      switch (input_.next(line)) {
        case LineInput::Got::line:
          if (line.ends_with('\r')) line.pop_back();
          return true;
        case LineInput::Got::end:
          return false;
        case LineInput::Got::interrupted:
          ++interrupted;
          if (terminal_ && interrupted < 2) message("\nonce more, /exit or Ctrl-D ends");
      }
    }
    return false;
  }

  void turn(const std::string& line) {
    const std::size_t before = messages_.size();
    messages_.push_back({"user", line});
    try {
      answer(prompt());
    } catch (const Error& e) {
      messages_.resize(std::min(before, messages_.size()));
      if (!terminal_ || e.kind() != ErrorKind::input) throw;
      message(e.what());
    }
  }

  std::vector<std::int32_t> rendered() {
    text_ = template_.render(messages_, {.add_generation_prompt = true, .variables = o_.variables}).text;
    return tokenizer_.encode(text_);  // the template wrote what begins a text
  }

  // Of all messages that leave room for an answer: the oldest go, never the system's nor the last.
  std::vector<std::int32_t> prompt() {
    const std::int64_t context = generator_.plan().options().context;
    const std::int64_t wanted = o_.sampling.max_tokens > 0 ? o_.sampling.max_tokens : context;
    const std::int64_t room = context - std::min(wanted, context / 4);
    const std::size_t first = o_.system.empty() ? 0 : 1;
    std::size_t dropped = 0;
    std::vector<std::int32_t> ids = rendered();
    while (std::ssize(ids) > room && messages_.size() > first + 2) {
      messages_.erase(messages_.begin() + static_cast<std::ptrdiff_t>(first),
                      messages_.begin() + static_cast<std::ptrdiff_t>(first) + 2);
      dropped += 2;
      ids = rendered();
    }
    if (dropped > 0)
      print_notes(
          {fmt::format("the {} oldest messages are forgotten: the context has {} tokens", dropped, context)});
    if (std::ssize(ids) >= context)
      throw Error(ErrorKind::input, {.what = "the prompt exceeds the context",
                                     .expected = fmt::format("less than {} tokens", context),
                                     .found = std::to_string(ids.size()),
                                     .hint = "shorten it, or raise --ctx-size"});
    if (o_.verbose_prompt) std::fputs((text_ + "\n").c_str(), stderr);
    return ids;
  }

  void answer(const std::vector<std::int32_t>& ids) {
    SamplingOptions sampling = o_.sampling;
    sampling.stop = interrupts_.next();
    sampling.reuse_cache = true;
    std::string text;
    for (const Piece& piece : generator_.generate(ids, sampling, &tokenizer_)) {
      print_text(std::string(piece.text));
      text += piece.text;
      if (std::ferror(stdout))
        throw Error(ErrorKind::failed,
                    {.what = "cannot write to stdout", .hint = "is its disk full, or its reader gone?"});
    }
    print("");
    messages_.push_back({"assistant", text});
    if (generator_.finish() == Finish::context)
      print_notes({fmt::format("the answer is cut: the context of {} tokens is full",
                               generator_.plan().options().context)});
  }

  Options o_;
  ChatTemplate template_;
  Tokenizer tokenizer_;
  Generator generator_;
  bool terminal_;
  Interrupts interrupts_;
  LineInput input_;
  std::vector<ChatMessage> messages_;
  std::string text_;  // as they were rendered last
};

void run(Options o, const Command& c) {
  o.names.set(o.plan);
  template_of(o);  // what is wrong with it is said before weights are read
  const Model model = open_model(o.model, o.adapter);
  take_defaults(o, generation_defaults(o.model, model.vocab_size()), c);
  if (o.sampling.temperature == 0)
    c.note_without_effect({"--top-k", "--top-p", "--min-p", "--seed"},
                          "with --temperature 0, which draws nothing");
  if (model.reads_source())
    throw Error(ErrorKind::usage, {.what = "the model writes targets to sources, and does not chat",
                                   .where = o.model,
                                   .hint = "hone generate"});
  if (o.plan.context == 0 && model.context() > usual_context) {
    o.plan.context = usual_context;
    print_notes({fmt::format("a context of {} of the model's {} tokens: --ctx-size sets it", usual_context,
                             model.context())});
  }
  Chat(o, model).run();
}

}  // namespace

void add_run(Command& app) {
  auto* c = app.add_subcommand("run", "chat with a model, by its own template; each line of stdin is a turn",
                               "  hone run out/model\n"
                               "  hone run out/model --system \"Answer in one sentence.\" --temperature 0\n"
                               "  echo \"Who wrote Hamlet?\" | hone run out/model -n 60");
  auto* o = new_kept<Options>();
  o->sampling.max_tokens = -1;
  c->add_option("model", o->model, "model folder, or a GGUF file")->required();
  add_adapter(*c, o->adapter);
  add_tokenizer_option(*c, o->tokenizer);
  c->add_option("--system", o->system, "a system message, which begins the chat");
  c->add_option("--chat-template", o->template_file, "a file in Jinja, instead of the model's own template");
  c->add_option("--chat-template-kwargs", o->variables,
                "more variables for the template, as JSON: {\"enable_thinking\": false}");
  c->add_option("-n,--max-tokens", o->sampling.max_tokens, "of an answer (-1: to its end, or the context's)")
      ->capture_default_str();
  add_sampling(*c, o->sampling);
  add_generator(*c, o->plan, o->names);
  c->show_default("--ctx-size", fmt::format("the model's, at most {}", usual_context));
  c->add_flag("--verbose-prompt", o->verbose_prompt, "what the model reads, on stderr");
  c->callback([=] { run(*o, *c); });
}

}  // namespace hone::cli
