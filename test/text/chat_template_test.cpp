// Templates of the styles that models have, and single expressions, against what Transformers made of them
// (bench/peers/chat_templates.py); what is refused; bounds.
#include "hone/chat.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <nlohmann/json.hpp>

#include "file/atomic.hpp"
#include "file/mapped.hpp"
#include "temporary_folder.hpp"
#include "text/chat_messages.hpp"

namespace hone {
namespace {

using nlohmann::ordered_json;

const std::string folder = std::string(HONE_TEST_DATA) + "/chat_templates/";

// The date that templates write is the golden file's: noon of a day in any time zone that matters.
struct Golden {
  ordered_json all = ordered_json::parse(read_file(folder + "cases.json"));

  std::string render(const ordered_json& c, RenderedChat& out) const {
    const ordered_json& chat = all["chats"][c.value("chat", "called")];
    ChatOptions options{.add_generation_prompt = chat.value("add", false),
                        .time = all["time"].get<std::int64_t>()};
    if (chat.contains("tools")) options.tools = chat["tools"].dump();
    if (chat.contains("vars")) options.variables = chat["vars"].dump();
    const std::string source = c.contains("source") ? c["source"].get<std::string>()
                                                    : read_file(folder + c["template"].get<std::string>());
    try {
      const auto t =
          ChatTemplate::parse(source, "T", all["tokens"].get<std::map<std::string, std::string>>());
      out = t.render_json(chat["messages"].dump(), options);
      return {};
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::input) << e.what();
      return e.what();
    }
  }
};

TEST(ChatTemplate, RendersAsTransformersDoes) {
  const Golden golden;
  std::size_t refused = 0;
  for (const ordered_json& c : golden.all["cases"]) {
    SCOPED_TRACE(c.dump().substr(0, 200));
    RenderedChat chat;
    const std::string error = golden.render(c, chat);
    if (c.contains("error")) {
      ++refused;
      EXPECT_TRUE(error.starts_with("T, line ")) << error << chat.text;
      continue;
    }
    EXPECT_EQ(error, "");
    EXPECT_EQ(chat.text, c["text"].get<std::string>());
    const auto spans = c.value("generated", std::vector<std::pair<std::size_t, std::size_t>>());
    EXPECT_EQ(chat.generated, spans);
  }
  EXPECT_GT(golden.all["cases"].size() - refused, 200u);
}

std::string refusal(const std::string& source, const std::string& messages = "[]") {
  try {
    const std::string text = ChatTemplate::parse(source, "T").render_json(messages).text;
    return "rendered " + text.substr(0, 40);
  } catch (const Error& e) {
    return e.what();
  }
}

TEST(ChatTemplate, NamesWhatItDoesNotKnowWithItsPlace) {
  EXPECT_EQ(refusal("a\nb {{ 'x' | uper }}"),
            "T, line 2, column 12: the filter 'uper' is not known here: did you mean 'upper'?");
  EXPECT_EQ(refusal("é {{ 1 is nuber }}"),
            "T, line 1, column 11: the test 'nuber' is not known here: did you mean 'number'?");
  EXPECT_EQ(refusal("{% include 'x' %}").substr(0, 62),
            "T, line 1, column 4: the statement 'include' is not known here");
  EXPECT_EQ(refusal("{% for x in [] recursive %}{% endfor %}"),
            "T, line 1, column 16: a recursive loop is not known here");
  EXPECT_EQ(refusal("{% block x %}{% endblock %}"),
            "T, line 1, column 4: the statement 'block' is not known here: did you mean 'break'?");
  EXPECT_EQ(refusal("{{ lipsum() }}"), "T, line 1, column 10: 'lipsum' is undefined");
  EXPECT_EQ(refusal("{{ 'a'.casefold() }}"),
            "T, line 1, column 16: 'str object' has no attribute 'casefold'");
  EXPECT_EQ(refusal("{% macro f(a) %}{% endmacro %}{{ f(1, 2, 3) }}"),
            "T, line 1, column 35: macro 'f' takes at most 1 arguments, found 3");
  EXPECT_EQ(refusal("{{ messages[0].role + 1 }}", R"([{"role": "user"}])"),
            "T, line 1, column 21: '+' does not go with a str and a int");
  EXPECT_EQ(refusal("{{ raise_exception('no system') }}"),
            "T, line 1, column 19: the chat template refuses the conversation: no system");
}

// Of files of chats; render_json fails as Transformers does.
TEST(ChatTemplate, ContentInPartsIsTextWhereTheTemplateTakesText) {
  const auto text = [](const std::string& source, const std::string& messages) -> std::string {
    try {
      return render(ChatTemplate::parse(source, "T"), jinja::from_json(messages, "m"), messages.size(), {})
          .text;
    } catch (const Error& e) {
      return e.what();
    }
  };
  const std::string parts =
      R"([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": " b"}]},
          {"role": "assistant", "content": "c"}])";
  const std::string joining = "{% for m in messages %}{{ m.role + ': ' + m.content }};{% endfor %}";
  EXPECT_EQ(text(joining, parts), "user: a b;assistant: c;");
  EXPECT_NE(refusal(joining, parts).find("'+' does not go with"), std::string::npos);
  EXPECT_EQ(text("{% for m in messages %}{{ m.content }};{% endfor %}", parts), "a b;c;") << "it would print";
  EXPECT_EQ(text("{% for m in messages %}{{ m.content if m.content is string }};{% endfor %}", parts),
            "a b;c;")
      << "it would drop";
  EXPECT_EQ(text("{% for m in messages %}{% if m.content is string %}{{ m.content }}{% else %}{% for p in "
                 "m.content %}<{{ p.type }}>{{ p.text }}{% endfor %}{% endif %};{% endfor %}",
                 parts),
            "<text>a<text> b;c;");
  EXPECT_EQ(text(joining, R"([{"role": "user", "content": [{"type": "image", "image": "x.png"}]}])"),
            "T: the content of message 1 is a list of parts; this template takes text: expected {\"type\": "
            "\"text\", \"text\": \"..\"}, found a part of type image");
}

// Jinja 3.1's answers: the filter knows words, the method letters.
TEST(ChatTemplate, FilterAndMethodOfOneNameDiffer) {
  EXPECT_EQ(refusal(R"({{ "what's a (new) semi-word <y> o'NEIL"|title }})"),
            "rendered What's A (New) Semi-Word <Y> O'neil");
  EXPECT_EQ(refusal(R"({{ "what's o'NEIL".title() }})"), "rendered What'S O'Neil");
}

TEST(ChatTemplate, ComesToAnEnd) {
  const char* endless = "does not come to an end";
  const auto ends = [&](const std::string& source, const char* with) {
    EXPECT_NE(refusal(source).find(with), std::string::npos) << source << ": " << refusal(source);
  };
  ends("{% for i in range(1000000000) %}{% endfor %}", endless);
  ends("{% for i in range(5000) %}{% for j in range(5000) %}{{ i }}{% endfor %}{% endfor %}", endless);
  ends("{{ 'a' * 1000000000 }}", endless);
  ends("{{ 'a' * 9000000000000000000 }}", endless);
  ends(
      "{% set ns = namespace(s='aaaaaaaa') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor "
      "%}",
      endless);
  ends(
      "{% set ns = namespace(l=[1]) %}{% for i in range(50) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ "
      "ns.l }}",
      endless);
  ends("{% set ns = namespace(l=[1]) %}{% for i in range(99) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l }}",
       "nests too deeply");
  ends("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "nests too deeply");
  ends("{{ " + std::string(5000, '(') + "1" + std::string(5000, ')') + " }}", "nests too deeply");
  ends("{{ " + std::string(5000, '-') + "1 }}", "nests too deeply");
  ends("{{ x" + std::string(5000, '.') + " }}", "expected the name of a member");
  std::string ifs, members = "{{ x";
  for (int i = 0; i < 3000; ++i) ifs += "{% if 1 %}", members += ".a";
  ends(ifs, "nests too deeply");
  ends(members + "}}", "too many members");
}

TEST(ChatTemplate, KeepsNothingThatHoldsItself) {  // a leak, to a sanitizer
  EXPECT_EQ(refusal("{% set n = namespace() %}{% set n.n = n %}{{ n.n.n is defined }}"), "rendered True");
  EXPECT_EQ(refusal("{% macro f() %}x{% endmacro %}{% set n = namespace(f=f) %}{{ n.f() }}"), "rendered x");
  EXPECT_EQ(refusal("{% set c = cycler(1, 2) %}{% set c.c = c %}{{ c.next() }}{{ c.c.current }}"),
            "rendered 12");
}

TEST(ChatTemplate, IsFoundInAModelsFolder) {
  const TemporaryFolder model;
  const std::string path = model.path();
  EXPECT_FALSE(ChatTemplate::of_model(path));
  write_file(path + "/tokenizer_config.json",
             R"({"bos_token": {"content": "<b>"}, "chat_template": "{{ bos_token }}1"})");
  EXPECT_EQ(ChatTemplate::of_model(path)->render({}).text, "<b>1");
  write_file(
      path + "/tokenizer_config.json",
      R"({"bos_token": "<b>", "eos_token": null, "chat_template": [{"name": "default", "template": "{{ eos_token }}2"},
                 {"name": "tool_use", "template": "3"}]})");
  EXPECT_EQ(ChatTemplate::of_model(path)->render({}).text, "2");
  EXPECT_EQ(ChatTemplate::of_model(path, "tool_use")->render({}).text, "3");
  EXPECT_FALSE(ChatTemplate::of_model(path, "rag"));
  write_file(path + "/chat_template.jinja", "{{ bos_token }}4\n");
  EXPECT_EQ(ChatTemplate::of_model(path)->render({}).text, "<b>4");
  EXPECT_EQ(ChatTemplate::of_model(path)->render({{"user", "x"}}).text, "<b>4");
}

TEST(ChatTemplate, ToolsAndVariablesAreJson) {
  const auto t = ChatTemplate::parse("{{ tools | length }}{{ x }}");
  EXPECT_EQ(t.render({}, {.tools = "[1, 2]", .variables = R"({"x": "y"})"}).text, "2y");
  EXPECT_THROW(t.render({}, {.tools = "[1, 2"}), Error);
  EXPECT_THROW(t.render({}, {.variables = "[]"}), Error);
  EXPECT_THROW(t.render_json("{}"), Error);
  EXPECT_THROW(t.render_json("[1]"), Error);
}

}  // namespace
}  // namespace hone
