// Prompts and chats as examples: what of them is learned, how they come in batches, what is refused.
#include "hone/examples.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "file/mapped.hpp"
#include "temporary_folder.hpp"

namespace hone {
namespace {

const std::string chatml =
    "{%- for m in messages %}{{ '<' + m.role + '>' + m.content + '</s>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}";

const std::string two_turns =
    R"({"messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "hi"}, )"
    R"({"role": "assistant", "content": "yes"}, {"role": "user", "content": "so"}, {"role": "assistant", "content": "é!"}]})";

class File {
 public:
  explicit File(const std::string& lines) : path_(folder_.write("x.jsonl", lines)) {}
  Examples examples(ExampleOptions options = {}, const std::string& source = chatml) const {
    if (!source.empty()) options.chat = ChatTemplate::parse(source, "T");
    return {path_, Tokenizer::bytes(), options};
  }
  const std::string& path() const { return path_; }

 private:
  TemporaryFolder folder_;
  std::string path_;
};

// "prompt[answer]prompt[answer]"
std::string marked(const ShownExample& e) {
  std::string text;
  for (const ShownPiece& piece : e.pieces) text += piece.trained ? "[" + piece.text + "]" : piece.text;
  return text;
}

TEST(Examples, LearnWhatTheAssistantWritesUpToTheEndOfItsTurn) {
  const File file(two_turns + "\n" + two_turns + "\n");
  const std::string expected =
      "<system>S</s>\n<user>hi</s>\n<assistant>[yes</s>]\n<user>so</s>\n<assistant>[é!</s>]\n";
  const auto shown = file.examples().show(0, 2);
  EXPECT_EQ(marked(shown[1]), expected);
  EXPECT_EQ(shown[1].line, 2);
  EXPECT_EQ(shown[0].trained_tokens, 3 + 4 + 3 + 4);
  EXPECT_EQ(marked(file.examples({.train_on_prompt = true}).show(0, 1)[0]),
            "<[system>S</s>\n<user>hi</s>\n<assistant>yes</s>\n<user>so</s>\n<assistant>é!</s>\n]");
  // By the template's own marks, which here leave the end of a turn out.
  const std::string marks =
      "{%- for m in messages %}<{{ m.role }}>{% if m.role == 'assistant' %}{% generation %}{{ m.content }}"
      "{% endgeneration %}{% else %}{{ m.content }}{% endif %}</s>{% endfor %}";
  EXPECT_EQ(marked(file.examples({}, marks).show(0, 1)[0]),
            "<system>S</s><user>hi</s><assistant>[yes]</s><user>so</s><assistant>[é!]</s>");
}

// As Qwen 3 does it: the prompt for a turn, and earlier turns, have no thought.
const std::string rewrites =
    "{%- for m in messages %}<{{ m.role }}>{{ 'a thought ' if m.role == 'assistant' and loop.last }}{{ "
    "m.content }}</s>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}";

TEST(Examples, OfATemplateThatRewritesEarlierTurnsEndWithOneTurnEach) {
  const File file(two_turns + "\n" + two_turns + "\n" + two_turns + "\n");
  const Examples examples = file.examples({}, rewrites);
  const auto shown = examples.show(0, 6);
  EXPECT_EQ(marked(shown[0]), "<system>S</s><user>hi</s><assistant>[a thought yes</s>]");
  EXPECT_EQ(marked(shown[1]),
            "<system>S</s><user>hi</s><assistant>yes</s><user>so</s><assistant>[a thought é!</s>]");
  EXPECT_EQ(shown[1].line, 1);
  EXPECT_EQ(shown[2].line, 2);
  EXPECT_EQ(examples.train_examples(), 4) << "5 would be nine tenths, and the third chat on either side";
  EXPECT_NE(examples.notes().back().find("x.jsonl: 3 chats are 6 examples"), std::string::npos)
      << examples.notes().back();
  EXPECT_EQ(examples.with_length(99).notes(), examples.notes());
  EXPECT_TRUE(file.examples().notes().empty());
  EXPECT_EQ(marked(file.examples({.train_on_prompt = true}, rewrites).show(0, 1)[0]),
            "<[system>S</s><user>hi</s><assistant>yes</s><user>so</s><assistant>a thought é!</s>]")
      << "all but the first token, which follows nothing";
  const std::string message =
      error_of(ErrorKind::input, [&] { File(two_turns + "\n").examples({}, rewrites); });
  EXPECT_NE(message.find("too few examples: expected 2 lines or more"), std::string::npos) << message;
}

// Qwen 3's own template, with thoughts and without.
TEST(Examples, OfQwen3sTemplateAreWhatItWouldWrite) {
  const std::string chat =
      R"({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "<think>\nhm\n</think>\n\nyes"},)"
      R"( {"role": "user", "content": "so"}, {"role": "assistant", "content": "no"}]})";
  const auto shown = File(chat + "\n" + chat + "\n")
                         .examples({}, read_file(std::string(HONE_TEST_DATA) + "/chat_templates/qwen3.jinja"))
                         .show(0, 2);
  EXPECT_EQ(
      marked(shown[0]),
      "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n[<think>\nhm\n</think>\n\nyes<|im_end|>]\n");
  EXPECT_EQ(
      marked(shown[1]),
      "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nyes<|im_end|>\n<|im_start|>user\nso<|im_end|>\n"
      "<|im_start|>assistant\n[<think>\n\n</think>\n\nno<|im_end|>]\n");
}

TEST(Examples, ATurnThatIsNotWrittenBehindItsPromptNeedsMarks) {
  const File file(two_turns + "\n" + two_turns + "\n");
  const std::string other =
      "{%- for m in messages %}<{{ m.role }}>{{ m.content }}</s>{% endfor %}"
      "{% if add_generation_prompt %}bot: {% endif %}";
  const std::string message = error_of(ErrorKind::input, [&] { file.examples({}, other); });
  EXPECT_NE(
      message.find("x.jsonl, line 1: the chat template does not write message 3 behind the prompt for it"),
      std::string::npos)
      << message;
  EXPECT_NE(message.find("{% generation %}"), std::string::npos);
  // A prompt that opens a thought, which turns do not have.
  const std::string thinks =
      "{%- for m in messages %}<{{ m.role }}>{{ m.content }}</s>{% endfor %}"
      "{% if add_generation_prompt %}<assistant><think>{% endif %}";
  EXPECT_EQ(marked(file.examples({}, thinks).show(0, 1)[0]),
            "<system>S</s><user>hi</s><assistant>[yes</s>]<user>so</s><assistant>[é!</s>]");
}

TEST(Examples, WhatEndsTheWholeTextEndsItsLastTurn) {
  const File file(two_turns + "\n" + two_turns + "\n");
  // What it writes behind the last turn only is no other turn.
  const std::string ends =
      "{%- for m in messages %}<{{ m.role }}>{{ m.content }}<e>{% endfor %}{% if add_generation_prompt "
      "%}<assistant>"
      "{% else %}</s>{% endif %}";
  EXPECT_EQ(marked(file.examples({}, ends).show(0, 1)[0]),
            "<system>S<e><user>hi<e><assistant>[yes<e>]<user>so<e><assistant>[é!<e></s>]");
}

TEST(Examples, OfPromptsLearnTheirCompletions) {
  const File file(R"({"prompt": "2+2=", "completion": "4"}
{"text": "all"}

{"prompt": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "completion": [{"role": "assistant", "content": "c"}]}
)");
  const auto shown = file.examples().show(0, 3);
  EXPECT_EQ(marked(shown[0]), "2+2=[4]");
  EXPECT_EQ(marked(shown[1]), "a[ll]");  // the first token follows nothing
  EXPECT_EQ(marked(shown[2]), "<user>a</s>\n<assistant>b</s>\n<assistant>[c</s>]\n");
  EXPECT_EQ(shown[2].line, 4);
}

TEST(Examples, EndWithTheEndOfText) {
  const TemporaryFolder folder;
  const std::string path =
      folder.write("x.jsonl", "{\"prompt\": \"ab\", \"completion\": \"c\"}\n{\"text\": \"abc\"}\n");
  const Tokenizer bpe = Tokenizer::train_bpe("ab ab ab", {.vocab_size = 258});
  const auto shown = Examples(path, bpe).show(0, 1);
  EXPECT_EQ(marked(shown[0]), "ab[c<|endoftext|>]");
  // A token that goes across the border belongs to what follows.
  const std::string across =
      folder.write("y.jsonl", "{\"prompt\": \"xa\", \"completion\": \"b\"}\n{\"text\": \"abc\"}\n");
  EXPECT_EQ(marked(Examples(across, bpe).show(0, 1)[0]), "x[ab<|endoftext|>]");
}

TEST(Examples, ComeInBatchesWithTheirLabels) {
  const File file(
      "{\"prompt\": \"ab\", \"completion\": \"cd\"}\n{\"prompt\": \"e\", \"completion\": \"f\"}\n");
  const Examples examples = file.examples();
  EXPECT_EQ(examples.seq(), 3);
  EXPECT_EQ(examples.train_examples(), 1);
  EXPECT_EQ(examples.held_out_examples(), 1);
  const ExampleBatch batch = examples.all(0, 2);
  EXPECT_EQ(batch.ids, (std::vector<std::int32_t>{'a', 'b', 'c', 'e', 0, 0}));
  EXPECT_EQ(batch.labels, (std::vector<std::int32_t>{-100, 'c', 'd', 'f', -100, -100}));
  EXPECT_EQ(examples.held_out(0, 1).labels, (std::vector<std::int32_t>{'f', -100, -100}));
  error_of(ErrorKind::usage, [&] { examples.held_out(0, 2); });
}

std::string numbered(int count) {
  std::string lines;
  for (int i = 0; i < count; ++i)
    lines += "{\"prompt\": \"" + std::string(1, static_cast<char>('A' + i % 26 + (i < 26 ? 0 : 32))) +
             "\", \"completion\": \"" + std::string(static_cast<std::size_t>(1 + i % 5), 'x') + "\"}\n";
  return lines;
}

TEST(Examples, AreAPassInADrawnOrderByNumber) {
  const File file(numbered(20));
  const Examples examples = file.examples({.seed = 3}), other = file.examples({.seed = 4});
  ASSERT_EQ(examples.train_examples(), 18);
  std::vector<std::int32_t> order, second;
  for (std::int64_t n = 0; n < 6; ++n) {
    const ExampleBatch whole = examples.batch(n, 3);
    for (std::int64_t i = 0; i < 3; ++i) {
      const ExampleBatch one = examples.batch(n, 3, i, 1);  // a micro-batch is drawn alone
      EXPECT_TRUE(std::equal(one.ids.begin(), one.ids.end(), whole.ids.begin() + i * examples.seq()));
      order.push_back(one.ids[0]);
      second.push_back(examples.batch(n + 6, 3, i, 1).ids[0]);
    }
  }
  EXPECT_EQ(std::set(order.begin(), order.end()).size(), 18u);
  EXPECT_EQ(std::set(second.begin(), second.end()).size(), 18u);
  EXPECT_NE(order, second);
  EXPECT_NE(other.batch(0, 18).ids, examples.batch(0, 18).ids);
  EXPECT_EQ(other.digest(), examples.digest());
  EXPECT_NE(file.examples({.train_on_prompt = true}).digest(), examples.digest());
}

TEST(Examples, ThatAreTooLongAreRefusedOrDroppedOrCut) {
  const File file(numbered(18));
  const std::string message = error_of(ErrorKind::input, [&] { file.examples({.seq = 3}); });
  EXPECT_NE(message.find("x.jsonl, line 4: the example is too long: expected at most 4 tokens, found 5"),
            std::string::npos)
      << message;
  const Examples dropped = file.examples({.seq = 3, .too_long = TooLong::drop});
  EXPECT_EQ(dropped.train_examples() + dropped.held_out_examples(), 12);
  EXPECT_NE(dropped.notes().back().find("6 of 18 examples have more than 4 tokens: left out"),
            std::string::npos);
  const Examples cut = file.examples({.seq = 3, .too_long = TooLong::cut});
  EXPECT_EQ(cut.train_examples(), 16);
  EXPECT_EQ(cut.all(4, 1).labels, (std::vector<std::int32_t>{'x', 'x', 'x'}));
  EXPECT_EQ(file.examples().with_length(9).all(0, 1).ids.size(), 9u);
}

// A step of such an example alone would have no loss.
TEST(Examples, OfWhichCuttingLeavesNothingToLearnAreLeftOut) {
  std::string lines;
  for (int i = 0; i < 20; ++i)
    lines += i % 5 == 0 ? R"({"prompt": "a long prompt", "completion": "x"})"
                          "\n"
                        : R"({"prompt": "a", "completion": "xyz"})"
                          "\n";
  const File file(lines);
  const Examples cut = file.examples({.seq = 3, .too_long = TooLong::cut, .end = 'E'});
  EXPECT_EQ(cut.train_examples() + cut.held_out_examples(), 16);
  EXPECT_NE(cut.notes().back().find("of 4 of these nothing that is learned was left"), std::string::npos)
      << cut.notes().back();
  for (std::int64_t i = 0; i < 16; ++i) EXPECT_GT(cut.all(i, 1).tokens(), 0) << i;
  EXPECT_EQ(file.examples({.seq = 13, .too_long = TooLong::cut, .end = 'E'}).all(0, 1).labels.back(), 'x');
  EXPECT_EQ(file.examples({.end = 'E'}).all(1, 1).labels[3], 'E');
  error_of(ErrorKind::input, [&] {
    File(R"({"prompt": "a long prompt", "completion": "x"})"
         "\n"
         R"({"prompt": "another one", "completion": "x"})"
         "\n")
        .examples({.seq = 3, .too_long = TooLong::cut});
  });
}

TEST(Examples, ThatArePackedStandInRowsWholeAndOnce) {
  const File file(numbered(40));
  const Examples examples = file.examples({.seq = 9, .packed = true, .seed = 2});
  ASSERT_EQ(examples.train_examples(), 36);
  std::int64_t needed = 0;
  for (int i = 0; i < 36; ++i) needed += 1 + i % 5;
  EXPECT_LT(examples.train_rows(), needed / 9 + 4);
  std::multiset<std::int32_t> firsts;
  for (std::int64_t row = 0; row < examples.train_rows(); ++row) {
    const ExampleBatch one = examples.batch(0, examples.train_rows(), row, 1);
    for (std::size_t t = 0; t < one.ids.size(); ++t) {
      const bool begins = one.positions[t] == 0;
      if (begins) firsts.insert(one.ids[t]);
      EXPECT_TRUE(begins || one.positions[t] == one.positions[t - 1] + 1);
      EXPECT_TRUE(!begins || one.labels[t] == 'x');  // the token behind a one-letter prompt
    }
  }
  EXPECT_EQ(firsts.size(), 36u);
  EXPECT_EQ(std::set(firsts.begin(), firsts.end()).size(), 36u);
  EXPECT_EQ(examples.batch(5, 4).ids, file.examples({.seq = 9, .packed = true, .seed = 2}).batch(5, 4).ids);
  EXPECT_NE(examples.batch(5, 4).ids, file.examples({.seq = 9, .packed = true, .seed = 3}).batch(5, 4).ids);
  EXPECT_EQ(examples.held_out(0, 2).positions[8], 8);
  EXPECT_TRUE(file.examples({.seq = 9}).batch(0, 1).positions.empty());
}

TEST(Examples, BrokenLinesAreNamed) {
  const auto refusal = [](const std::string& line, const std::string& source = chatml) {
    const File file("{\"text\": \"fine\"}\n" + line + "\n");
    const std::string message = error_of(ErrorKind::input, [&] { file.examples({}, source); });
    const auto at = message.find("x.jsonl, line 2");
    return at == std::string::npos ? "?? " + message : message.substr(at + 15);
  };
  EXPECT_NE(refusal("{\"messages\": [}").find("mend the line, or take it out"), std::string::npos);
  EXPECT_EQ(refusal("{\"messages\": [}").find(", column 15: not valid JSON"), 0u)
      << refusal("{\"messages\": [}");
  EXPECT_EQ(refusal("[1]"), ": the line is no JSON object: found list");
  EXPECT_EQ(refusal("{\"prompt\": \"x\"}"),
            ": the line is no example: expected \"messages\", \"prompt\" and \"completion\", or \"text\", "
            "found prompt");
  EXPECT_EQ(refusal("{\"messages\": []}"), ": \"messages\" is not a list of messages: found an empty one");
  EXPECT_EQ(refusal("{\"messages\": [{\"content\": \"x\"}]}").find(": "), 0u);
  EXPECT_EQ(refusal("{\"text\": 1}"), ": \"text\" is not a string: found int");
  EXPECT_EQ(refusal("{\"messages\": [{\"role\": \"user\", \"content\": \"x\"}]}")
                .find(": the loss would look at nothing in this example"),
            0u);
  EXPECT_EQ(refusal(two_turns, "").find(": messages need a chat template"), 0u);
  EXPECT_EQ(refusal(two_turns, "{{ raise_exception('no system') }}")
                .find(": T, line 1, column 19: the chat template refuses the conversation: no system"),
            0u);
  EXPECT_EQ(refusal("{\"text\": \"x\", \"text\": \"y\"}").find(": the JSON gives a key twice"), 0u);
}

TEST(Examples, AreToldFromDocuments) {
  EXPECT_TRUE(Examples::are_in(File(two_turns).path()));
  EXPECT_TRUE(Examples::are_in(File("\n{\"prompt\": \"x\", \"completion\": \"y\"}").path()));
  EXPECT_FALSE(Examples::are_in(File("{\"text\": \"x\"}").path()));
  const TemporaryFolder folder;
  EXPECT_FALSE(Examples::are_in(folder.write("x.txt", two_turns)));
}

}  // namespace
}  // namespace hone
