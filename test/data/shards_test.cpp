#include "data/shards.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "hone/text.hpp"
#include "machine/memory.hpp"
#include "temporary_folder.hpp"

namespace hone {
namespace {

std::string prose() {
  std::string text;
  for (int i = 0; i < 900; ++i) text += "line " + std::to_string(i * i) + " of the text\n";
  return text;
}

TEST(Shards, GiveTheBatchesOfTheText) {
  const TemporaryFolder folder;
  const std::string path = folder.write("t.txt", prose());
  for (const Tokenizer& tokenizer :
       {Tokenizer::bytes(), Tokenizer::train_bpe(prose(), {.vocab_size = 300})}) {
    const ShardReport report = write_token_shards(path, tokenizer, folder.file("s"), {.shard_tokens = 1000});
    const Text text(path, tokenizer, 3), shards(folder.file("s"), {.seed = 3});
    EXPECT_EQ(report.train_tokens, text.train_tokens());
    EXPECT_EQ(report.held_out_tokens, shards.held_out_tokens());
    EXPECT_GT(report.shards, 4);
    EXPECT_EQ(shards.held_out_bytes(), text.held_out_bytes());
    EXPECT_EQ(shards.all_bytes(), static_cast<std::int64_t>(prose().size()));
    EXPECT_EQ(shards.vocab_size(), tokenizer.vocab_size());
    EXPECT_LE(shards.memory_bytes(), 320 * 300);  // a tokenizer, no tokens
    EXPECT_GE(text.memory_bytes(), (tokenizer.vocab_size() > 256 ? 2 : 1) * text.all_tokens());
    for (std::int64_t n = 0; n < 20; ++n) EXPECT_EQ(shards.batch(n, 4, 700).ids, text.batch(n, 4, 700).ids);
    EXPECT_EQ(shards.held_out(0, 2, 100).labels, text.held_out(0, 2, 100).labels);
    EXPECT_EQ(shards.all(0, shards.all_windows(64), 64).ids, text.all(0, text.all_windows(64), 64).ids);
  }
}

// 32 MB in one line: neither its characters nor its tokens are held.
TEST(Shards, AreMadeInConstantMemory) {
  const TemporaryFolder folder;
  std::string piece(1 << 20, 'x');
  for (std::size_t i = 0; i < piece.size(); i += 7) piece[i] = ' ';
  std::ofstream file(folder.file("t.txt"), std::ios::binary);
  for (int i = 0; i < 32; ++i) file << piece;
  file.close();
  const std::int64_t before = peak_rss_bytes();
  write_token_shards(folder.file("t.txt"), character_tokenizer(folder.file("t.txt")), folder.file("s"));
  EXPECT_LE(peak_rss_bytes() - before, 8 << 20);
}

TEST(Shards, WideVocabulariesTakeFourBytes) {
  Tokens tokens(token_bytes_for(65537));
  const std::vector<std::int32_t> ids{70000, 1, 65536};
  tokens.append(ids);
  std::vector<std::int32_t> back(2);
  tokens.read(1, 2, back.data());
  EXPECT_EQ(back, (std::vector<std::int32_t>{1, 65536}));
  EXPECT_EQ(token_bytes_for(65536), 2);
}

TEST(Shards, AnyAlteredByteIsNoticed) {
  const TemporaryFolder folder;
  const std::string path = folder.write("t.txt", prose());
  write_token_shards(path, Tokenizer::bytes(), folder.file("s"));
  const std::string shard = folder.file("s/train-00000.tok"), whole = read_whole(shard);
  for (const std::size_t at : {0u, 9u, 13u, 17u, 25u, 40u, 57u, 64u, 5000u}) {
    std::string altered = whole;
    altered[at] ^= 1;
    folder.write("s/train-00000.tok", altered);
    const auto message = error_of(ErrorKind::input, [&] { Text text(folder.file("s")); });
    EXPECT_NE(message.find("train-00000.tok"), std::string::npos) << message;
  }
  for (const std::string& cut : {whole.substr(0, 40), whole.substr(0, whole.size() - 1), whole + "xx"}) {
    folder.write("s/train-00000.tok", cut);
    error_of(ErrorKind::input, [&] { Text text(folder.file("s")); });
  }
  folder.write("s/train-00000.tok", whole);
  EXPECT_GT(Text(folder.file("s")).train_tokens(), 0);
}

TEST(Shards, AnotherTokenizerIsRefused) {
  const TemporaryFolder folder;
  const std::string path = folder.write("t.txt", prose());
  write_token_shards(path, Tokenizer::chars(prose()), folder.file("s"));
  error_of(ErrorKind::input, [&] { Text(folder.file("s"), Tokenizer::bytes()); });
  error_of(ErrorKind::input, [&] { Text(folder.file("s"), {.tokenizer = "char"}); });
  EXPECT_EQ(Text(folder.file("s"), Tokenizer::chars(prose())).vocab_size(),
            Text(folder.file("s")).vocab_size());
}

TEST(Shards, WhatFailsLeavesNoFolder) {
  const TemporaryFolder folder;
  const std::string path = folder.write("t.txt", "abcabcabcabcabcabcx");
  error_of(ErrorKind::input, [&] { write_token_shards(path, Tokenizer::chars("abc"), folder.file("s")); });
  error_of(ErrorKind::usage,
           [&] { write_token_shards(path, Tokenizer::bytes(), folder.file("s"), {.shard_tokens = 0}); });
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

}  // namespace
}  // namespace hone
