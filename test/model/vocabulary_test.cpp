// A tokenizer beside a model: every id that a text can have must have a row.
#include <gtest/gtest.h>

#include "hone/eval.hpp"
#include "hone/generate.hpp"
#include "temporary_folder.hpp"

namespace hone {
namespace {

TEST(Vocabulary, ATokenizerWithMoreIdsThanRowsIsRefused) {
  const TemporaryFolder folder;
  const Model model = preset("llama-tiny", {.vocab_size = 96, .context = 16});
  const Text text(folder.write("text", "some bytes"));
  const std::string evaluated = error_of(ErrorKind::input, [&] { evaluate(model, text); });
  EXPECT_NE(evaluated.find("expected ids below vocab_size 96, found a tokenizer of 256 ids"),
            std::string::npos)
      << evaluated;
  const Tokenizer bytes = Tokenizer::bytes();
  const std::vector<std::int32_t> prompt{1, 2};
  Generator generator{GeneratePlan(model, {.threads = 1})};
  error_of(ErrorKind::input, [&] { generator.generate(prompt, {}, &bytes); });
}

// As Gemma 3's, which has a token for pictures behind its table.
TEST(Vocabulary, SpecialTokensBehindTheTableMayBeThere) {
  const TemporaryFolder folder;
  const Model model = preset("llama-tiny", {.vocab_size = 256, .context = 16});
  Tokenizer::bytes().with_sequence_tokens().save(folder.path());
  const Text text(folder.write("text", "some bytes"), {.tokenizer = folder.path()});
  ASSERT_GT(text.tokenizer().vocab_size(), 256);
  EXPECT_EQ(evaluate(model, text).tokens, 9);
}

}  // namespace
}  // namespace hone
