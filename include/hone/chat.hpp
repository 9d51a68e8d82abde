// Chats as the text that a model was trained on: its own template, in the part of Jinja that templates use.
//
//   const auto chat = hone::ChatTemplate::of_model("out");  // tokenizer_config.json, chat_template.jinja
//   const std::vector<hone::ChatMessage> asked{{"system", "Be brief."}, {"user", "Who wrote Hamlet?"}};
//   const std::string prompt = chat->render(asked, {.add_generation_prompt = true}).text;
//   const auto ids = text.tokenizer().encode(prompt);  // the template wrote what begins a text
//
// Rendered as Transformers does it: blocks trimmed, bos_token and its like by tokenizer_config.json, tojson
// as json.dumps. A template may not loop for ever nor grow without bound: it ends in an Error(input) that
// names its line. A ChatTemplate is a value that is cheap to copy, and may be used by several threads at
// once.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hone/error.hpp"
#include "hone/tokenizer.hpp"

namespace hone {

struct ChatMessage {
  std::string role{}, content{};  // "system", "user", "assistant"
};

struct ChatOptions {
  bool add_generation_prompt = false;  // ends where the assistant begins to write
  std::string tools{};                 // JSON: a list of tools, each with its JSON schema; empty: none
  std::string variables{};             // JSON: an object of more variables, {"enable_thinking": false}
  std::int64_t time = 0;               // seconds since 1970, for templates that write the date; 0: now
};

struct RenderedChat {
  std::string text{};
  // Bytes [first, second) that the assistant wrote, where the template marks them: {% generation %}.
  std::vector<std::pair<std::size_t, std::size_t>> generated{};
};

class HONE_API ChatTemplate {
 public:
  // `where` names it in messages; `tokens` are variables of that name: {"bos_token", "<s>"}. Error(input),
  // with line and column, for what is no Jinja or not known here.
  static ChatTemplate parse(std::string_view jinja, const std::string& where = "chat template",
                            const std::map<std::string, std::string>& tokens = {});
  static ChatTemplate open(const std::string& file, const std::map<std::string, std::string>& tokens = {});
  // A model's own: chat_template.jinja, or what tokenizer_config.json has as chat_template, of several the
  // one named `name` (with tools "tool_use", where there is one). None for a model that was not trained to
  // chat.
  static std::optional<ChatTemplate> of_model(const std::string& folder, const std::string& name = "default");

  RenderedChat render(const std::vector<ChatMessage>& messages, const ChatOptions& options = {}) const;
  // Messages as JSON: a list of objects with "role" and "content", and whatever else a template reads.
  RenderedChat render_json(std::string_view messages, const ChatOptions& options = {}) const;

  bool marks_generation() const;      // has it {% generation %} blocks?
  const std::string& source() const;  // its text

  struct Impl;
  explicit ChatTemplate(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  const Impl& impl() const { return *impl_; }

 private:
  std::shared_ptr<const Impl> impl_;
};

// What a model's tokenizer_config.json, or GGUF file, calls bos_token, eos_token and so on; empty without
// them.
HONE_API std::map<std::string, std::string> special_token_names(const std::string& model);
// Its tokenizer; none where it has none, or one that hone does not read: for whoever uses another one.
HONE_API std::optional<Tokenizer> readable_tokenizer(const std::string& model);

}  // namespace hone
