#include "hone/text.hpp"

#include <gtest/gtest.h>

#include <map>
#include <numeric>

#include "temporary_folder.hpp"

namespace hone {
namespace {

using Ids = std::vector<std::int32_t>;

std::string counting(int n) {  // bytes 0 1 2 ... 250 0 1 ...
  std::string text;
  for (int i = 0; i < n; ++i) text += static_cast<char>(i % 128);
  return text;
}

TEST(Text, LastTenthIsHeldOut) {
  const TemporaryFolder folder;
  const Text text(folder.write("t.txt", counting(1009)));
  EXPECT_EQ(text.train_tokens(), 908);  // floor(0.9 * 1009)
  EXPECT_EQ(text.held_out_tokens(), 101);
  EXPECT_EQ(text.held_out_bytes(), 101);
  EXPECT_EQ(text.vocab_size(), 256);
  EXPECT_EQ(text.held_out(0, 1, 4).ids, (Ids{908 % 128, 909 % 128, 910 % 128, 911 % 128}));
}

TEST(Text, TheCutFallsBetweenCharacters) {
  const TemporaryFolder folder;
  std::string s;
  for (int i = 0; i < 11; ++i) s += "\xE5\xA4\xA7";
  const std::string path = folder.write("t.txt", s);
  const Text bytes(path);
  EXPECT_EQ(bytes.train_tokens(), 27);  // floor(0.9 * 33) = 29, and back to a border
  const Text characters(path, {.tokenizer = "char"});
  EXPECT_EQ(characters.train_tokens(), 9);
  EXPECT_EQ(characters.held_out_tokens(), 2);
  EXPECT_EQ(characters.held_out_bytes(), 6);
  EXPECT_EQ(characters.vocab_size(), 1);
}

TEST(Text, TheCutOfALongTextIsItsNineTenths) {
  const TemporaryFolder folder;
  std::string s = "x";  // so that pieces of 8 MiB end within characters
  for (int i = 0; i < 6'000'000; ++i) s += "\xE5\xA4\xA7";
  const Text text(folder.write("t.txt", s), {.tokenizer = "char"});
  EXPECT_EQ(text.train_tokens(), 5'400'000);
  EXPECT_EQ(text.held_out_tokens(), 600'001);
}

TEST(Text, LabelsFollowIds) {
  const TemporaryFolder folder;
  const Text text(folder.write("t.txt", counting(5000)));
  const Batch batch = text.batch(3, 4, 16);
  ASSERT_EQ(batch.ids.size(), 64u);
  EXPECT_EQ(batch.tokens(), 64);
  for (std::size_t i = 0; i < 64; ++i) EXPECT_EQ(batch.labels[i], (batch.ids[i] + 1) % 128);
  for (std::size_t i = 0; i < 64; ++i) {
    if (i % 16 != 15) {
      EXPECT_EQ(batch.labels[i], batch.ids[i + 1]);
    }
  }
  Batch some = batch;
  some.labels[5] = -100;
  EXPECT_EQ(some.tokens(), 63);
}

TEST(Text, ABatchIsAFunctionOfSeedAndNumber) {
  const TemporaryFolder folder;
  const std::string path = folder.write("t.txt", counting(5000));
  const Text text(path, {.seed = 7}), again(path, {.seed = 7}), other(path, {.seed = 8});
  EXPECT_EQ(text.batch(11, 8, 32).ids, again.batch(11, 8, 32).ids);
  EXPECT_NE(text.batch(11, 8, 32).ids, other.batch(11, 8, 32).ids);
  EXPECT_NE(text.batch(11, 8, 32).ids, text.batch(12, 8, 32).ids);
}

TEST(Text, MicroBatchesMakeUpTheBatch) {
  const TemporaryFolder folder;
  const Text text(folder.write("t.txt", counting(5000)));
  const Batch whole = text.batch(5, 6, 8);
  Ids ids, labels;
  for (const auto& [first, count] : {std::pair(0, 1), std::pair(1, 3), std::pair(4, 2)}) {
    const Batch part = text.batch(5, 6, 8, first, count);
    EXPECT_EQ(part.batch, count);
    ids.insert(ids.end(), part.ids.begin(), part.ids.end());
    labels.insert(labels.end(), part.labels.begin(), part.labels.end());
  }
  EXPECT_EQ(ids, whole.ids);
  EXPECT_EQ(labels, whole.labels);
}

TEST(Text, StartsCoverTheTrainingPartAndNothingElse) {
  const TemporaryFolder folder;
  const Text text(folder.write("t.txt", counting(100)));  // 90 train; starts 0 to 85 for windows of 4 + 1
  std::map<std::int32_t, int> starts;
  for (std::int64_t n = 0; n < 200; ++n)
    for (std::size_t i = 0; const std::int32_t id : text.batch(n, 10, 4).ids)
      if (i++ % 4 == 0) ++starts[id];
  EXPECT_EQ(starts.begin()->first, 0);
  EXPECT_EQ(starts.rbegin()->first, 85);
  EXPECT_EQ(starts.size(), 86u);
}

TEST(Text, HeldOutWindowsAreConsecutive) {
  const TemporaryFolder folder;
  const Text text(folder.write("t.txt", counting(1000)));
  EXPECT_EQ(text.held_out_windows(33), 3);  // (100 - 1) / 33
  EXPECT_EQ(text.held_out_windows(100), 0);
  const Batch batch = text.held_out(1, 2, 33);
  EXPECT_EQ(batch.ids.front(), (900 + 33) % 128);
  EXPECT_EQ(batch.ids[33], (900 + 66) % 128);
  EXPECT_EQ(batch.labels.back(), (900 + 99) % 128);
  EXPECT_EQ(text.all_windows(100), 9);
  const Batch all = text.all(0, 9, 100);  // crosses from the training part into the held-out one
  for (std::size_t i = 0; i < 900; ++i) {
    ASSERT_EQ(all.ids[i], static_cast<std::int32_t>(i % 128));
    ASSERT_EQ(all.labels[i], static_cast<std::int32_t>((i + 1) % 128));
  }
}

TEST(Text, DocumentsOfAFolderAreSortedAndEnded) {
  const TemporaryFolder folder;
  const Tokenizer tokenizer = Tokenizer::train_bpe("", {.vocab_size = 257});  // bytes and <|endoftext|> as 0
  for (int i = 0; i < 12; ++i)
    folder.write(std::string("d") + static_cast<char>('a' + i), std::string(3, static_cast<char>('A' + i)));
  folder.write(".hidden", "xxxx");
  folder.write("empty", "");
  const Text text(folder.path(), tokenizer);
  EXPECT_EQ(text.train_tokens(), 11 * 4);  // of 36 bytes 32.4 should train; the nearest border is at 33
  EXPECT_EQ(text.held_out_tokens(), 4);
  EXPECT_EQ(text.held_out_bytes(), 3);
  const Batch batch = text.all(0, 1, 8);
  EXPECT_EQ(tokenizer.decode(batch.ids, true), "AAA<|endoftext|>BBB<|endoftext|>");
  const Text bytes(folder.path());
  EXPECT_EQ(bytes.train_tokens(), 11 * 4);  // a newline each
}

TEST(Text, ErrorsSayWhatToDo) {
  const TemporaryFolder folder;
  const std::string empty = folder.write("empty.txt", ""), small = folder.write("small.txt", counting(20));
  error_of(ErrorKind::input, [&] { Text(folder.file("absent.txt")); });
  error_of(ErrorKind::input, [&] { Text text(empty); });
  const auto message = error_of(ErrorKind::input, [&] { Text(small).batch(0, 1, 18); });
  EXPECT_NE(message.find("19 tokens or more, found 18"), std::string::npos) << message;
  EXPECT_EQ(Text(small).batch(0, 1, 17).ids.size(), 17u);
  error_of(ErrorKind::input, [&] { Text(small).held_out(0, 1, 8); });
  const std::string bad = folder.write("bad.txt", "abc\x80");
  const auto invalid = error_of(ErrorKind::input, [&] { Text(bad, {.tokenizer = "char"}); });
  EXPECT_NE(invalid.find("bad.txt, byte 3"), std::string::npos) << invalid;
  const std::string odd = folder.write("odd.txt", "xyzzyxyzzyxyzzy q");
  const auto unknown = error_of(ErrorKind::input, [&] { Text(odd, Tokenizer::chars("xyz ")); });
  EXPECT_NE(unknown.find("odd.txt, byte 16"), std::string::npos) << unknown;
}

}  // namespace
}  // namespace hone
