// What frames the sequences of an encoder-decoder, for each kind of tokenizer.
#include <gtest/gtest.h>

#include "hone/model.hpp"
#include "temporary_folder.hpp"

namespace hone {
namespace {

using Ids = std::vector<std::int32_t>;

std::vector<Tokenizer> kinds() {
  return {Tokenizer::bytes(), Tokenizer::chars("abc <>/sp"), Tokenizer::train_bpe("abc ab ca abc", {270})};
}

TEST(SequenceTokens, StandBehindTheIdsAndChangeNoOther) {
  for (const Tokenizer& plain : kinds()) {
    const Tokenizer t = plain.with_sequence_tokens();
    const SequenceTokens found = t.sequence_tokens();
    ASSERT_TRUE(found.begin && found.end && found.padding);
    EXPECT_EQ(t.encode("abc ab"), plain.encode("abc ab"));
    EXPECT_EQ(t.decode(t.encode("abc ab")), "abc ab");
    for (const std::int32_t id : {*found.begin, *found.end, *found.padding}) EXPECT_TRUE(t.is_special(id));
    EXPECT_EQ(t.decode(Ids{*found.begin, t.encode("a")[0], *found.end, *found.padding}), "a");
    EXPECT_EQ(t.with_sequence_tokens(), t) << "none is missing any more";
  }
  const Tokenizer bytes = Tokenizer::bytes().with_sequence_tokens();
  EXPECT_EQ(bytes.vocab_size(), 259);
  EXPECT_EQ(bytes.sequence_tokens(), (SequenceTokens{256, 257, 258}));
}

TEST(SequenceTokens, OfATokenizerThatHasSomeAreItsOwn) {
  const Tokenizer t = Tokenizer::train_bpe("abc ab ca abc", {270}).with_sequence_tokens();
  EXPECT_EQ(t.sequence_tokens().end, t.end_of_text());
  EXPECT_EQ(t.token(*t.sequence_tokens().end), "<|endoftext|>");
}

TEST(SequenceTokens, AreSavedWithTheTokenizer) {
  const TemporaryFolder folder;
  for (const Tokenizer& plain : kinds()) {
    const Tokenizer t = plain.with_sequence_tokens();
    t.save(folder.path());
    const Tokenizer again = Tokenizer::open(folder.path());
    EXPECT_EQ(again, t);
    EXPECT_EQ(again.sequence_tokens(), t.sequence_tokens());
    EXPECT_EQ(again.encode("abc</s> a"), t.encode("abc</s> a"));
  }
}

TEST(SequenceTokens, AmongCharactersAreTokensOfTheText) {
  const Tokenizer t = Tokenizer::chars("abc").with_sequence_tokens();
  EXPECT_EQ(t.encode("a<s>b"), (Ids{0, 3, 1}));
  EXPECT_NE(error_of(ErrorKind::input, [&] { t.encode("a<s>x"); }).find("byte 4"), std::string::npos);
}

TEST(SequenceTokens, OfAModelAreItsConfigs) {
  const SequenceTokens tokens{256, 257, 258};
  const Model model = preset("tiny", {.vocab_size = 259, .sequence_tokens = tokens});
  EXPECT_EQ(model.sequence_tokens(), tokens);
  const TemporaryFolder folder;
  model.save(folder.path());
  EXPECT_EQ(open(folder.path()).sequence_tokens(), tokens);
  EXPECT_EQ(open(folder.path(), {.sequence_tokens = SequenceTokens{1, 2, 3}}).sequence_tokens(), tokens);
  EXPECT_EQ(preset("tiny").sequence_tokens(), SequenceTokens());
}

}  // namespace
}  // namespace hone
