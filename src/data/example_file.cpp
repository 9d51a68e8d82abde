#include "data/example_file.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "data/json_lines.hpp"
#include "data/text_files.hpp"
#include "hone/examples.hpp"
#include "text/chat_messages.hpp"
#include "text/template_strings.hpp"

namespace hone {
namespace {

using jinja::Value;
using Span = std::pair<std::size_t, std::size_t>;
using Spans = std::vector<Span>;

// One conversation, with which of its messages are learned.
class Conversation {
 public:
  Conversation(const ChatTemplate& chat, std::vector<Value> messages, std::size_t first_learned,
               std::string tools, std::size_t bytes, const std::string& where)
      : chat_(chat),
        messages_(std::move(messages)),
        first_learned_(first_learned),
        options_{.tools = std::move(tools)},
        bytes_(bytes),
        where_(where) {}

  // Where the whole text is learned, no turn is looked for, and any template will do. A template that writes
  // earlier turns otherwise when others follow makes an example of each turn, which ends with it.
  std::vector<ExampleText> examples(Learned which) const {
    RenderedChat whole = rendered(messages_.size(), false);
    const std::size_t size = whole.text.size();
    if (which == Learned::all) return {example(std::move(whole.text), {{0, size}})};
    if (chat_.marks_generation()) return {example(std::move(whole.text), std::move(whole.generated))};
    Spans learned;
    for (const std::size_t i : answers()) {
      const auto found = turn(i, whole.text);
      if (!found) return one_a_turn();
      learned.push_back(*found);
    }
    return {example(std::move(whole.text), std::move(learned))};
  }

 private:
  std::string role(std::size_t i) const {
    const Value* role = messages_[i].dict() ? messages_[i].dict()->find("role") : nullptr;
    if (!role || !role->string())
      refuse_line(where_, fmt::format("message {} has no \"role\"", i + 1),
                  R"({"role": "user", "content": ".."})");
    return *role->string();
  }

  RenderedChat rendered(std::size_t count, bool generation_prompt) const {
    ChatOptions options = options_;
    options.add_generation_prompt = generation_prompt;
    const Value some =
        Value::list({messages_.begin(), messages_.begin() + static_cast<std::ptrdiff_t>(count)});
    try {
      return render(chat_, some, bytes_, options);
    } catch (const Error& e) {
      throw Error(e.kind(), {.what = e.what(), .where = where_});
    }
  }

  static ExampleText example(std::string text, Spans learned) {
    return {.text = std::move(text), .learned = std::move(learned), .framed = true};
  }

  std::vector<std::size_t> answers() const {
    std::vector<std::size_t> all;
    for (std::size_t i = first_learned_; i < messages_.size(); ++i)
      if (role(i) == "assistant") all.push_back(i);
    return all;
  }

  std::vector<ExampleText> one_a_turn() const {
    std::vector<ExampleText> all;
    for (const std::size_t i : answers()) {
      std::string text = rendered(i + 1, false).text;
      const auto found = turn(i, text);
      if (!found)
        refuse_line(
            where_,
            fmt::format("the chat template does not write message {} behind the prompt for it", i + 1), {},
            {},
            "mark what the assistant writes by {% generation %} in the template, or use --train-on-prompt");
      all.push_back(example(std::move(text), {*found}));
      all.back().one_turn = true;
    }
    return all;
  }

  // What message i adds in `text` behind the prompt to write it; the end of its turn is the model's, blanks
  // behind are not. None where the text has that message otherwise.
  std::optional<Span> turn(std::size_t i, const std::string& text) const {
    const std::string with = rendered(i + 1, false).text;
    const auto begin = begin_of(i, with);
    if (!begin) return {};
    auto common = static_cast<std::size_t>(std::ranges::mismatch(with, text).in1 - with.begin());
    // Two tokens may begin alike: <user> and </s>.
    if (common < with.size() && common > *begin) common = std::max(*begin, with.rfind('>', common - 1) + 1);
    if (common == *begin && common < with.size()) return {};  // of a turn without a word it does not matter
    // A template may end a whole text where a turn does not end one.
    const std::string_view left = jinja::stripped(std::string_view(with).substr(common));
    if (common < *begin || left.size() > 32 || left.find_first_of(" \n") != left.npos) return {};
    return Span{*begin, *begin + ends_turn(std::string_view(text).substr(*begin, common - *begin))};
  }

  // Where message i begins in `with`, which ends with it: behind the prompt for it, or as far as that goes: a
  // prompt may open a thought (<think>) that the message has not.
  std::optional<std::size_t> begin_of(std::size_t i, const std::string& with) const {
    const std::string prompt = rendered(i, true).text;
    if (with.starts_with(prompt)) return prompt.size();
    const std::string before = rendered(i, false).text;
    const auto common = static_cast<std::size_t>(std::ranges::mismatch(with, prompt).in1 - with.begin());
    if (common <= before.size() || !with.starts_with(before)) return {};
    const std::size_t begin = with.find_last_of(">\n", common - 1) + 1;
    return begin > before.size() ? std::optional(begin) : std::nullopt;
  }

  // Line ends behind a token that ends the turn (<|im_end|>, </s>) are the template's.
  static std::size_t ends_turn(std::string_view added) {
    const std::string_view kept = jinja::stripped_right(added);
    return kept.ends_with('>') ? kept.size() : added.size();
  }

  const ChatTemplate& chat_;
  std::vector<Value> messages_;
  std::size_t first_learned_;
  ChatOptions options_;
  std::size_t bytes_;
  const std::string& where_;
};

class Reader {
 public:
  Reader(const std::optional<ChatTemplate>& chat, Learned which) : chat_(chat), which_(which) {}

  std::vector<ExampleText> examples(std::string_view line, const std::string& where) const {
    const Value object = parsed(line, where);
    if (!object.dict()) refuse_line(where, "the line is no JSON object", {}, object.type());
    const auto find = [&](const char* key) { return object.dict()->find(key); };
    const Value *messages = find("messages"), *prompt = find("prompt"), *completion = find("completion");
    if (messages) return conversation(object, items(*messages, "messages", where), 0, line.size(), where);
    if (prompt && completion && prompt->list() && completion->list()) {
      std::vector<Value> all = items(*prompt, "prompt", where);
      const std::size_t first = all.size();
      for (Value& v : items(*completion, "completion", where)) all.push_back(std::move(v));
      return conversation(object, std::move(all), first, line.size(), where);
    }
    if (prompt && completion)
      return {completed(text(*prompt, "prompt", where), text(*completion, "completion", where))};
    if (const Value* whole = find("text")) {
      const std::string t = text(*whole, "text", where);
      return {{.text = t, .learned = {{0, t.size()}}}};
    }
    refuse_line(where, "the line is no example", R"("messages", "prompt" and "completion", or "text")",
                keys_of(object), renaming_hint(line));
  }

 private:
  // The place in the line is in line 1 of it.
  static Value parsed(std::string_view line, const std::string& where) {
    try {
      return jinja::from_json(line, where);
    } catch (const Error& e) {
      ErrorText said = e.text();
      if (const auto at = said.where.rfind(", line 1, column"); at != std::string::npos)
        said.where.erase(at, std::string_view(", line 1").size());
      if (said.hint.empty()) said.hint = bad_line_hint;
      throw Error(e.kind(), said);
    }
  }

  static std::string keys_of(const Value& object) {
    std::string keys;
    for (const auto& item : object.dict()->items) keys += (keys.empty() ? "" : ", ") + *item.first.string();
    return keys.empty() ? "no member" : keys;
  }

  static std::string text(const Value& v, const char* key, const std::string& where) {
    if (!v.string()) refuse_line(where, fmt::format("\"{}\" is not a string", key), {}, v.type());
    return *v.string();
  }

  static std::vector<Value> items(const Value& v, const char* key, const std::string& where) {
    if (!v.list() || v.list()->items.empty())
      refuse_line(where, fmt::format("\"{}\" is not a list of messages", key), {},
                  v.list() ? "an empty one" : v.type());
    return v.list()->items;
  }

  static ExampleText completed(std::string prompt, const std::string& completion) {
    const std::size_t begin = prompt.size();
    prompt += completion;
    return {.text = prompt, .learned = {{begin, prompt.size()}}};
  }

  std::vector<ExampleText> conversation(const Value& object, std::vector<Value> messages, std::size_t first,
                                        std::size_t bytes, const std::string& where) const {
    if (!chat_)
      refuse_line(where, "messages need a chat template, and the model has none", {}, {},
                  "--chat-template FILE names one");
    const Value* tools = object.dict()->find("tools");
    jinja::Work work(where, {}, 64 * bytes + 4096);
    const std::string json = tools && tools->truth() ? jinja::to_json(*tools, {}, work) : "";
    return Conversation(*chat_, std::move(messages), first, json, bytes, where).examples(which_);
  }

  const std::optional<ChatTemplate>& chat_;
  Learned which_;
};

bool blank(std::string_view line) { return line.find_first_not_of(" \t\r") == std::string_view::npos; }

}  // namespace

void read_examples(const std::string& path, const std::optional<ChatTemplate>& chat, Learned which,
                   const std::function<void(const ExampleText&)>& visit) {
  const Reader reader(chat, which);
  LineReader lines(path);
  for (std::string_view line; lines.next(line);) {
    if (lines.number() == 1) line.remove_prefix(mark_bytes_of(line));
    if (blank(line)) continue;
    for (ExampleText& example : reader.examples(line, lines.where())) {
      example.line = lines.number();
      visit(example);
    }
  }
}

bool Examples::are_in(const std::string& path) {
  if (!is_json_lines(path, TextFormat::by_name)) return false;
  LineReader lines(path);
  for (std::string_view line; lines.next(line);) {
    if (lines.number() == 1) line.remove_prefix(mark_bytes_of(line));
    if (blank(line)) continue;
    try {
      const Value object = jinja::from_json(line, lines.where());
      const auto* members = object.dict();
      return members && (members->find("messages") || members->find("prompt") || members->find("completion"));
    } catch (const Error&) {
      return false;  // whoever reads it says what is wrong
    }
  }
  return false;
}

}  // namespace hone
