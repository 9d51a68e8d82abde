// A chat template with the variables that Transformers' apply_chat_template gives it.
#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>

#include "file/atomic.hpp"
#include "file/gguf.hpp"
#include "file/json.hpp"
#include "file/mapped.hpp"
#include "text/chat_messages.hpp"
#include "text/template_lexer.hpp"
#include "text/template_parser.hpp"
#include "text/template_render.hpp"

namespace hone {
namespace {

using nlohmann::json;

// Templates are a few kilobytes, the longest that models come with some thirty.
constexpr std::size_t longest_template = 1 << 20;
// Of one rendering, and of reading a template: used up within a second, so the more where there is more to
// write.
constexpr std::size_t work_bytes = std::size_t{1} << 24, work_an_input_byte = 64;

constexpr const char* config_file = "/tokenizer_config.json";

}  // namespace

struct ChatTemplate::Impl {
  std::string where, source;  // normalized
  std::map<std::string, std::string> tokens;
  jinja::Statements statements;
  bool marks_generation = false;
};

namespace {

bool marks(const jinja::Statements& statements) {
  for (const jinja::Statement& s : statements)
    if (s.kind == jinja::Statement::Kind::generation || marks(s.body) || marks(s.otherwise)) return true;
  return false;
}

// A message's keys that are null are as good as absent: templates ask whether a key is there.
jinja::Value without_nulls(const jinja::Value& messages, const std::string& where) {
  std::vector<jinja::Value> all;
  const auto* list = messages.list();
  if (!list) throw Error(ErrorKind::input, {.what = "messages are a list", .where = where});
  for (const jinja::Value& m : list->items) {
    if (!m.dict())
      throw Error(ErrorKind::input, {.what = "a message is an object with \"role\" and \"content\"",
                                     .where = where,
                                     .found = m.type()});
    std::vector<std::pair<jinja::Value, jinja::Value>> kept;
    for (const auto& item : m.dict()->items)
      if (!item.second.is_none()) kept.push_back(item);
    all.push_back(jinja::Value::dict(std::move(kept)));
  }
  return jinja::Value::list(std::move(all));
}

RenderedChat rendered(const ChatTemplate::Impl& t, jinja::Value messages, std::size_t bytes,
                      const ChatOptions& o) {
  bytes += t.source.size() + o.tools.size() + o.variables.size();
  jinja::Work work(t.where, t.source, work_bytes + work_an_input_byte * bytes);
  jinja::Variables all;
  for (const auto& [name, token] : t.tokens) all.emplace_back(name, jinja::Value(token));
  all.emplace_back("messages", std::move(messages));
  all.emplace_back("tools", o.tools.empty() ? jinja::Value() : jinja::from_json(o.tools, "tools"));
  all.emplace_back("documents", jinja::Value());
  all.emplace_back("add_generation_prompt", jinja::Value(o.add_generation_prompt));
  if (!o.variables.empty()) {
    const jinja::Value more = jinja::from_json(o.variables, "variables");
    if (!more.dict())
      throw Error(ErrorKind::input, {.what = "variables are a JSON object", .where = "variables"});
    for (const auto& [name, value] : more.dict()->items) all.emplace_back(*name.string(), value);
  }
  const std::int64_t now = o.time ? o.time : static_cast<std::int64_t>(std::time(nullptr));
  jinja::RenderedText text = jinja::render(t.statements, all, now, work);
  return {std::move(text.text), std::move(text.generated)};
}

const jinja::List* parts_of(const jinja::Value& message) {
  const jinja::Value* content = message.dict()->find("content");
  return content ? content->list() : nullptr;
}

// Is the template one that reads content in parts? Asked by a message of one: such a template writes the
// part's text, others refuse the list or print it.
bool takes_parts(const ChatTemplate::Impl& t, const ChatOptions& o) {
  const std::string word = "zyxwvu";
  const jinja::Value part = jinja::Value::dict({{"type", "text"}, {"text", word}});
  const jinja::Value message =
      jinja::Value::dict({{"role", "user"}, {"content", jinja::Value::list({part})}});
  try {
    const std::string text = rendered(t, jinja::Value::list({message}), 0, o).text;
    const bool printed =
        text.find("'text': '" + word) != text.npos || text.find("\"text\": \"" + word) != text.npos;
    return !printed && text.find(word) != text.npos;
  } catch (const Error&) {
    return false;
  }
}

// The texts of parts, one behind the other, as templates that read parts write them.
std::string text_of(const jinja::List& parts, std::size_t number, const std::string& where) {
  std::string all;
  for (const jinja::Value& part : parts.items) {
    const jinja::Value *type = part.dict() ? part.dict()->find("type") : nullptr,
                       *text = part.dict() ? part.dict()->find("text") : &part;
    const bool other = type && (!type->string() || *type->string() != "text");
    if (other || !text || !text->string())
      throw Error(ErrorKind::input,
                  {.what = "the content of message " + std::to_string(number) +
                           " is a list of parts; this template takes text",
                   .where = where,
                   .expected = R"({"type": "text", "text": ".."})",
                   .found = other && type->string() ? "a part of type " + *type->string() : "another part"});
    all += *text->string();
  }
  return all;
}

// Content in parts, for a template that takes text: as that.
jinja::Value as_taken(const ChatTemplate::Impl& t, jinja::Value messages, const ChatOptions& o) {
  std::vector<jinja::Value> all = messages.list()->items;
  if (std::ranges::none_of(all, parts_of) || takes_parts(t, o)) return messages;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const jinja::List* parts = parts_of(all[i]);
    if (!parts) continue;
    auto items = all[i].dict()->items;
    for (auto& [key, value] : items)
      if (key.string() && *key.string() == "content") value = text_of(*parts, i + 1, t.where);
    all[i] = jinja::Value::dict(std::move(items));
  }
  return jinja::Value::list(std::move(all));
}

// tokenizer_config.json has a token as a string, or as an object with its content.
std::optional<std::string> token_text(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_object() && value.contains("content") && value["content"].is_string())
    return value["content"].get<std::string>();
  return std::nullopt;
}

// A GGUF file has its templates among the metadata, the default one without a name.
std::optional<ChatTemplate> of_gguf(const GgufFile& file, const std::string& name,
                                    const std::map<std::string, std::string>& tokens) {
  const std::string key = "tokenizer.chat_template" + (name == "default" ? "" : "." + name);
  if (!file.has(key)) return std::nullopt;
  return ChatTemplate::parse(file.text(key), file.path() + ", " + key, tokens);
}

// Its special tokens by the names that Transformers has for them.
std::map<std::string, std::string> tokens_of(const GgufFile& file) {
  std::map<std::string, std::string> all;
  const auto tokens = file.texts("tokenizer.ggml.tokens");
  for (const auto& [key, name] : {std::pair{"bos", "bos_token"},
                                  {"eos", "eos_token"},
                                  {"unknown", "unk_token"},
                                  {"padding", "pad_token"},
                                  {"seperator", "sep_token"}}) {  // as llama.cpp spells it
    const std::int64_t id = file.integer(std::string("tokenizer.ggml.") + key + "_token_id", -1);
    if (id >= 0 && id < std::ssize(tokens)) all[name] = tokens[static_cast<std::size_t>(id)];
  }
  return all;
}

// Of several templates the one of that name.
std::optional<std::string> named(const json& templates, const std::string& name, const std::string& where) {
  if (templates.is_string()) return templates.get<std::string>();
  if (!templates.is_array())
    throw Error(ErrorKind::input, {.what = "\"chat_template\" is a string, or a list of named ones",
                                   .where = where,
                                   .found = templates.type_name()});
  for (const json& t : templates)
    if (json_string(t, "name", where) == name) return json_string(t, "template", where);
  return std::nullopt;
}

}  // namespace

ChatTemplate ChatTemplate::parse(std::string_view text, const std::string& where,
                                 const std::map<std::string, std::string>& tokens) {
  if (text.size() > longest_template)
    throw Error(ErrorKind::input, {.what = "the chat template is too long",
                                   .where = where,
                                   .expected = "at most " + std::to_string(longest_template) + " bytes",
                                   .found = std::to_string(text.size())});
  auto impl = std::make_shared<Impl>(Impl{where, jinja::normalized(text), tokens, {}, false});
  jinja::Work work(where, impl->source, work_bytes + work_an_input_byte * text.size());
  impl->statements = jinja::parse(impl->source, work);
  impl->marks_generation = marks(impl->statements);
  return ChatTemplate(std::move(impl));
}

ChatTemplate ChatTemplate::open(const std::string& file, const std::map<std::string, std::string>& tokens) {
  return parse(read_file(file), file, tokens);
}

std::optional<ChatTemplate> ChatTemplate::of_model(const std::string& folder, const std::string& name) {
  if (is_gguf(folder)) {
    const GgufFile file(folder);
    return of_gguf(file, name, tokens_of(file));
  }
  const auto tokens = special_token_names(folder);
  const std::string own = folder + "/chat_template.jinja",
                    more = folder + "/additional_chat_templates/" + name + ".jinja";
  if (name == "default" && is_file(own)) return open(own, tokens);
  if (name != "default" && is_file(more)) return open(more, tokens);
  if (!is_file(folder + config_file)) return std::nullopt;
  const json config = read_json(folder + config_file);
  if (!config.is_object() || !config.contains("chat_template") || config["chat_template"].is_null())
    return std::nullopt;
  const std::string where = folder + config_file + ", chat_template";
  const auto text = named(config["chat_template"], name, where);
  if (!text) return std::nullopt;
  return parse(*text, where, tokens);
}

RenderedChat ChatTemplate::render(const std::vector<ChatMessage>& messages,
                                  const ChatOptions& options) const {
  std::vector<jinja::Value> all;
  std::size_t bytes = 0;
  for (const ChatMessage& m : messages) {
    bytes += m.role.size() + m.content.size();
    all.push_back(jinja::Value::dict({{"role", m.role}, {"content", m.content}}));
  }
  return rendered(*impl_, jinja::Value::list(std::move(all)), bytes, options);
}

RenderedChat ChatTemplate::render_json(std::string_view messages, const ChatOptions& options) const {
  return rendered(*impl_, without_nulls(jinja::from_json(messages, "messages"), "messages"), messages.size(),
                  options);
}

RenderedChat render(const ChatTemplate& chat, const jinja::Value& messages, std::size_t bytes,
                    const ChatOptions& options) {
  return rendered(chat.impl(), as_taken(chat.impl(), without_nulls(messages, "messages"), options), bytes,
                  options);
}

bool ChatTemplate::marks_generation() const { return impl_->marks_generation; }
const std::string& ChatTemplate::source() const { return impl_->source; }

std::optional<Tokenizer> readable_tokenizer(const std::string& model) {
  try {
    return Tokenizer::of_model(model);
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::input) throw;
    return std::nullopt;
  }
}

std::map<std::string, std::string> special_token_names(const std::string& folder) {
  if (is_gguf(folder)) return tokens_of(GgufFile(folder));
  std::map<std::string, std::string> all;
  if (!is_file(folder + config_file)) return all;
  const json config = read_json(folder + config_file);
  if (!config.is_object()) return all;
  for (const auto& [key, value] : config.items())
    if (const auto text = key.ends_with("_token") ? token_text(value) : std::nullopt) all[key] = *text;
  return all;
}

}  // namespace hone
