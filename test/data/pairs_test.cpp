// Pairs of texts: what a file may say, how they become samples, and tasks that make them.
#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "data/pair_tasks.hpp"
#include "hone/pairs.hpp"
#include "temporary_folder.hpp"

namespace hone {
namespace {

using Ids = std::vector<std::int32_t>;

class PairFiles : public testing::Test {
 protected:
  std::string file(const std::string& name, const std::string& text) const {
    std::string path = folder_.path() + "/" + name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  // Twenty pairs: "a0 TAB A0" and on, whose sources grow to 8 bytes.
  std::string twenty() const {
    std::string text;
    for (int i = 0; i < 20; ++i)
      text += std::string(static_cast<std::size_t>(1 + i % 8), 'a') + "\t" + std::to_string(i) + "\n";
    return file("twenty.tsv", text);
  }
  std::string refusal(const std::string& path, const PairOptions& options = {}) const {
    return error_of(ErrorKind::input, [&] { Pairs(path, options); });
  }
  void expect_refused(const std::string& name, const std::string& text,
                      const std::vector<std::string>& words) {
    const std::string message = refusal(file(name, text));
    for (const std::string& word : words) EXPECT_NE(message.find(word), std::string::npos) << message;
  }

  const TemporaryFolder folder_;
};

TEST_F(PairFiles, AreFramedAndPaddedAsADecoderReadsThem) {
  const Pairs pairs(file("p.tsv", "ab\tx\r\n\nabc\tyz\n"));
  EXPECT_EQ(pairs.vocab_size(), 259);
  EXPECT_EQ(pairs.source_seq(), 3);
  EXPECT_EQ(pairs.seq(), 3);
  EXPECT_EQ(pairs.train_pairs(), 1);
  const PairBatch batch = pairs.all(0, 2);
  EXPECT_EQ(batch.source, (Ids{'a', 'b', 258, 'a', 'b', 'c'}));
  EXPECT_EQ(batch.source_lengths, (Ids{2, 3}));
  EXPECT_EQ(batch.target, (Ids{256, 'x', 258, 256, 'y', 'z'}));
  EXPECT_EQ(batch.labels, (Ids{'x', 257, -100, 'y', 'z', 257}));
  EXPECT_EQ(batch.tokens(), 5);
  EXPECT_EQ(batch.samples().count(), 2);
}

TEST_F(PairFiles, JsonLinesGoByTheNamesThatPeopleGive) {
  const Ids expected = Pairs(file("p.tsv", "ab\tx\nabc\tyz\n")).all(0, 2).source;
  const auto source = [&](const std::string& name, const std::string& text, const PairOptions& o = {}) {
    return Pairs(file(name, text), o).all(0, 2).source;
  };
  EXPECT_EQ(
      source("a.jsonl", "{\"source\":\"ab\",\"target\":\"x\"}\n{\"target\":\"yz\",\"source\":\"abc\"}\n"),
      expected);
  EXPECT_EQ(source("b", "{\"src\":\"ab\",\"tgt\":\"x\"}\n{\"src\":\"abc\",\"tgt\":\"yz\"}"), expected);
  EXPECT_EQ(source("c.json", "{\"input\":\"ab\",\"output\":\"x\"}\n{\"input\":\"abc\",\"output\":\"yz\"}"),
            expected);
  const std::string nested =
      "{\"id\":1,\"translation\":{\"en\":\"ab\",\"de\":\"x\"}}\n"
      "{\"id\":2,\"translation\":{\"en\":\"abc\",\"de\":\"yz\"}}\n";
  EXPECT_EQ(source("d.jsonl", nested, {.source_field = "en", .target_field = "de"}), expected);
  expect_refused("d.jsonl", nested, {"d.jsonl, line 1", "found de, en", "--source-field"});
}

TEST_F(PairFiles, WhatIsWrongNamesFileAndLine) {
  expect_refused("a.tsv", "a\tb\nlonely\nc\td\n", {"a.tsv, line 2", "lacks its target", "'lonely'"});
  expect_refused("b.tsv", "a\tb\n\tb\n", {"b.tsv, line 2", "lacks its source"});
  expect_refused("c.tsv", "a\tb\na\t \n", {"c.tsv, line 2", "lacks its target"});
  expect_refused("d.tsv", "a\tb\tc\n", {"d.tsv, line 1", "third column"});
  expect_refused("e.tsv", "a\tb\n\xff\tb\n", {"e.tsv, line 2", "not UTF-8"});
  expect_refused("f.jsonl", "{\"source\":\"a\",\"target\":\"b\"}\n{\"source\":\"a\"}\n",
                 {"f.jsonl, line 2", "lacks its target", "\"target\""});
  expect_refused("g.jsonl", "{\"source\":\"a\",\"target\":\"b\"}\n{\"source\":\n",
                 {"g.jsonl, line 2, column", "not valid JSON"});
  expect_refused("h.jsonl", "{\"source\":\"a\",\"target\":7}\n", {"h.jsonl, line 1", "not a string"});
  expect_refused("i.jsonl", "[1]\n", {"i.jsonl, line 1", "no JSON object"});
  expect_refused("j.tsv", "\n", {"the file has no pair"});
  expect_refused("k.tsv", "a\tb\n\xe3\x80\x80\tb\n", {"line 2", "lacks its source"});  // U+3000
}

TEST_F(PairFiles, WhatIsTooLongIsRefusedDroppedOrCut) {
  const std::string path = twenty();
  EXPECT_NE(
      refusal(path, {.source_seq = 6}).find("twenty.tsv, line 7: the source is too long: expected at most 6"),
      std::string::npos)
      << refusal(path, {.source_seq = 6});
  EXPECT_NE(refusal(path, {.seq = 2}).find("line 11: the target is too long"), std::string::npos);
  const Pairs dropped(path, {.source_seq = 6, .too_long = TooLong::drop});
  EXPECT_EQ(dropped.train_pairs() + dropped.held_out_pairs(), 16);
  EXPECT_EQ(dropped.notes().size(), 1u);
  EXPECT_NE(dropped.notes()[0].find("4 of 20"), std::string::npos) << dropped.notes()[0];
  const Pairs cut(path, {.source_seq = 6, .seq = 2, .too_long = TooLong::cut});
  EXPECT_EQ(cut.train_pairs(), 18);
  const PairBatch last = cut.all(19, 1);
  EXPECT_EQ(last.labels, (Ids{'1', '9'})) << "a target that was cut has no end to learn";
  EXPECT_EQ(cut.with_lengths(0, 0).source_seq(), 8);
  const auto unparted = [](const std::string& file, const PairOptions& options) {
    return error_of(ErrorKind::input, [&] { Pairs(file, options).require_both_parts(); });
  };
  EXPECT_NE(unparted(path, {.source_seq = 1, .too_long = TooLong::drop}).find("no pair is left to hold out"),
            std::string::npos);
  const std::string one = file("one.tsv", "a\tb\n");
  EXPECT_NE(unparted(one, {}).find("2 pairs or more"), std::string::npos);
  EXPECT_EQ(Pairs(one).all(0, 1).pairs, 1) << "one is enough to evaluate";
}

TEST_F(PairFiles, APassTakesEachPairOnceAndBatchesArePure) {
  const Pairs pairs(twenty(), {.seed = 3}), other(twenty(), {.seed = 4});
  ASSERT_EQ(pairs.train_pairs(), 18);
  for (const std::int64_t pass : {0, 1}) {
    std::set<Ids> seen;
    for (std::int64_t n = 0; n < 6; ++n) {
      const PairBatch batch = pairs.batch(pass * 6 + n, 3);
      for (std::size_t i = 0; i < 3; ++i)
        seen.insert(Ids(batch.target.begin() + static_cast<std::ptrdiff_t>(i) * pairs.seq(),
                        batch.target.begin() + static_cast<std::ptrdiff_t>(i + 1) * pairs.seq()));
      EXPECT_EQ(pairs.batch(pass * 6 + n, 3, 1, 1).labels,
                Ids(batch.labels.begin() + pairs.seq(), batch.labels.begin() + 2 * pairs.seq()));
    }
    EXPECT_EQ(seen.size(), 18u);
  }
  EXPECT_NE(pairs.batch(0, 6).target, pairs.batch(3, 6).target) << "another pass, another order";
  EXPECT_NE(pairs.batch(0, 6).target, other.batch(0, 6).target) << "another seed, another order";
  EXPECT_EQ(pairs.held_out(0, 2).source, other.held_out(0, 2).source);
  EXPECT_EQ(pairs.digest(), other.digest());
  EXPECT_THROW(pairs.held_out(1, 2), Error);
}

TEST(PairTasks, WhatIsHeldOutIsNeverTrained) {
  for (const PairTask& task : pair_tasks()) {
    std::set<std::uint64_t> asked;
    std::set<std::string> sources;
    for (std::int64_t i = 0; i < 2048; ++i) {
      const MadePair pair = made_pair(task, 0, i, true);
      asked.insert(pair.answer);
      sources.insert(pair.source);
    }
    EXPECT_GT(asked.size(), 1700u) << task.name;
    for (const std::uint64_t seed : {0, 7})
      for (std::int64_t i = 0; i < 20000; ++i) {
        const MadePair pair = made_pair(task, seed, i, false);
        EXPECT_FALSE(asked.contains(pair.answer) || sources.contains(pair.source)) << pair.source;
      }
  }
}

TEST(PairTasks, StayWithinTheirBounds) {
  for (const PairTask& task : pair_tasks()) {
    const Tokenizer characters = Tokenizer::chars(task.characters);
    std::size_t source = 0, target = 0;
    for (std::int64_t i = 0; i < 20000; ++i) {
      const MadePair pair = made_pair(task, 1, i, false);
      source = std::max(source, pair.source.size());
      target = std::max(target, pair.target.size());
      EXPECT_NO_THROW(characters.encode(pair.source + pair.target));
    }
    EXPECT_LE(source, static_cast<std::size_t>(task.longest_source)) << task.name;
    EXPECT_GE(source + 4, static_cast<std::size_t>(task.longest_source)) << task.name;
    EXPECT_EQ(target, static_cast<std::size_t>(task.longest_target)) << task.name;
  }
}

TEST(PairTasks, SayWhatTheyMean) {
  const auto first = [](const char* name, const std::string& target, bool date) {
    for (const PairTask& task : pair_tasks())
      for (std::int64_t i = 0; task.name == std::string(name) && i < 200000; ++i) {
        const MadePair pair = made_pair(task, 0, i, false);
        if (pair.target == target && (!date || pair.source.find("third") != std::string::npos))
          return pair.source;
      }
    return std::string();
  };
  EXPECT_NE(first("sums", "61", false).find(" plus "), std::string::npos);
  const std::string date = first("dates", "1998-05-03", true);
  EXPECT_NE(date.find("may"), std::string::npos) << date;
  EXPECT_TRUE(date.find("1998") != date.npos || date.find("nineteen ninety-eight") != date.npos) << date;
}

TEST(PairTasks, AreServedByNumber) {
  const Pairs dates("task:dates", {.tokenizer = "char"});
  EXPECT_TRUE(dates.endless());
  EXPECT_EQ(dates.seq(), 11);
  EXPECT_EQ(dates.batch(5, 4).source, dates.batch(5, 4).source);
  const Ids targets = dates.batch(5, 4).target;
  EXPECT_EQ(dates.batch(5, 4, 2, 1).target, Ids(targets.begin() + 22, targets.begin() + 33));
  EXPECT_EQ(dates.held_out(7, 1).source,
            Pairs("task:dates", {.tokenizer = "char", .seed = 9}).held_out(7, 1).source);
  EXPECT_NE(error_of(ErrorKind::usage, [] { Pairs("task:date"); }).find("task:dates"), std::string::npos);
  EXPECT_THROW(Pairs("task:dates", {.seq = 5}), Error);
}

}  // namespace
}  // namespace hone
