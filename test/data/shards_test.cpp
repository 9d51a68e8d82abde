#include "hone/shards.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "data/frame_cache.hpp"
#include "data/tokens.hpp"
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
    const ShardSummary made =
        write_token_shards(path, tokenizer, folder.file("s"), {.shard_tokens = 1000, .frame_tokens = 130});
    const Text text(path, tokenizer, 3), shards(folder.file("s"), {.seed = 3});
    EXPECT_EQ(made.train.tokens, text.train_tokens());
    EXPECT_EQ(made.held_out.tokens, shards.held_out_tokens());
    EXPECT_GT(made.shards(), 4);
    EXPECT_EQ(made.digest, text.digest());
    EXPECT_EQ(shards.digest(), text.digest());
    EXPECT_EQ(inspect_token_shards(folder.file("s"), true).file_bytes, made.file_bytes);
    EXPECT_EQ(shards.held_out_bytes(), text.held_out_bytes());
    EXPECT_EQ(shards.all_bytes(), static_cast<std::int64_t>(prose().size()));
    EXPECT_EQ(shards.vocab_size(), tokenizer.vocab_size());
    EXPECT_LE(shards.memory_bytes(), 320 * 300 + 2 * text.all_tokens() + (1 << 20));
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
  EXPECT_EQ(token_bytes_for(257), 2);
  EXPECT_EQ(token_bytes_for(256), 1);
}

// Header and index are checked on opening, a frame when it is read.
TEST(Shards, AnyAlteredByteIsNoticed) {
  const TemporaryFolder folder;
  const std::string path = folder.write("t.txt", prose());
  write_token_shards(path, Tokenizer::bytes(), folder.file("s"), {.frame_tokens = 4000});
  const std::string name = "s/train-00000.tok", whole = read_whole(folder.file(name));
  for (std::size_t at = 0; at < whole.size(); at += at < 80 || at + 300 > whole.size() ? 1 : 41) {
    std::string altered = whole;
    altered[at] ^= 1;
    folder.write(name, altered);
    const auto message = error_of(ErrorKind::input, [&] { inspect_token_shards(folder.file("s"), true); });
    EXPECT_NE(message.find("train-00000.tok"), std::string::npos) << at << ": " << message;
  }
  for (std::size_t size = 0; size < whole.size(); size += 173) {
    folder.write(name, whole.substr(0, size));
    error_of(ErrorKind::input, [&] { Text text(folder.file("s")); });
  }
  folder.write(name, whole + "xx");
  error_of(ErrorKind::input, [&] { Text text(folder.file("s")); });
  std::string altered = whole;
  altered[whole.size() / 2] ^= 1;
  folder.write(name, altered);
  const Text text(folder.file("s"));  // what is sound can be read
  EXPECT_EQ(text.ids(0, 10), Tokenizer::bytes().encode(prose().substr(0, 10)));
  const auto message = error_of(ErrorKind::input, [&] { text.ids(0, text.train_tokens()); });
  EXPECT_NE(message.find("train-00000.tok, frame "), std::string::npos) << message;
  EXPECT_NE(message.find("checksum"), std::string::npos) << message;
}

TEST(Shards, WhatIsMissingOrAnothersIsNamed) {
  const TemporaryFolder folder;
  const std::string path = folder.write("t.txt", prose()), other = folder.write("u.txt", prose() + "more");
  const auto refused = [&](const std::string& file, const char* words, const std::string& content) {
    const std::string kept = read_whole(folder.file(file));
    std::filesystem::remove(folder.file(file));
    if (!content.empty()) folder.write(file, content);
    const auto message = error_of(ErrorKind::input, [&] { Text text(folder.file("s")); });
    EXPECT_NE(message.find(words), std::string::npos) << message;
    folder.write(file, kept);
  };
  write_token_shards(path, Tokenizer::bytes(), folder.file("s"));
  write_token_shards(other, Tokenizer::bytes(), folder.file("other"));
  write_token_shards(path, Tokenizer::chars(prose()), folder.file("chars"));
  refused("s/train-00000.tok", "train-00000.tok: cannot read: no such file", "");
  refused("s/tokenizer.json", "lack the tokenizer", "");
  refused("s/tokenizer.json", "is not that of the shards", read_whole(folder.file("chars/tokenizer.json")));
  refused("s/tokenizer.json", "another tokenizer than the one beside it",
          read_whole(folder.file("s/tokenizer.json")) + " ");
  refused("s/train-00000.tok", "not the one that meta.json lists",
          read_whole(folder.file("other/train-00000.tok")));
  refused("s/train-00000.tok", "made with another tokenizer",
          read_whole(folder.file("chars/train-00000.tok")));
  EXPECT_GT(Text(folder.file("s")).train_tokens(), 0);
}

// As hone wrote them before they were packed.
TEST(Shards, OfVersionOneAreRead) {
  std::string lines;
  for (int i = 0; i < 40; ++i) lines += "line " + std::to_string(i) + " of " + std::to_string(i * i) + "\n";
  const TemporaryFolder folder;
  const Text text(folder.write("t.txt", lines)), shards(std::string(HONE_TEST_DATA) + "/shards_1");
  EXPECT_EQ(shards.ids(0, shards.all_tokens()), text.ids(0, text.all_tokens()));
  EXPECT_EQ(shards.digest(), text.digest());
  EXPECT_EQ(shards.batch(3, 2, 16).ids, text.batch(3, 2, 16).ids);
}

// More than the cache holds, read all over by two threads.
TEST(Shards, TakeBoundedMemoryAndServeThreads) {
  const TemporaryFolder folder;
  std::string piece(1 << 20, 'x');
  for (std::size_t i = 0; i < piece.size(); ++i) piece[i] = static_cast<char>('a' + (i * i * 31 >> 7) % 26);
  std::ofstream file(folder.file("t.txt"), std::ios::binary);
  for (int i = 0; i < 24; ++i) file << piece;
  file.close();
  write_token_shards(folder.file("t.txt"), Tokenizer::bytes(), folder.file("s"), {.shard_tokens = 9 << 20});
  const std::int64_t before = peak_rss_bytes();
  const Text shards(folder.file("s"));
  const auto read = [&](std::int64_t first) {
    for (std::int64_t n = first; n < first + 2000; ++n) {
      const Batch batch = shards.batch(n, 1, 64);
      EXPECT_EQ(batch.ids[1], batch.labels[0]);
    }
  };
  std::thread other(read, 100'000);
  read(0);
  other.join();
  EXPECT_LE(shards.memory_bytes(), FrameCache::most_bytes + (1 << 20));
  EXPECT_LE(peak_rss_bytes() - before, shards.memory_bytes() + (2 << 20));
  for (const std::int64_t first : {std::int64_t{0}, std::int64_t{9 << 20} - 3, shards.train_tokens() - 3})
    for (const std::int32_t id : shards.ids(first, 6)) EXPECT_TRUE(id >= 'a' && id <= 'z');
}

// Each document alone: windows of it, the last one filled up, and labels that count are all its tokens but
// the first.
TEST(Shards, CutDocumentsNeverShareAWindow) {
  const TemporaryFolder folder;
  std::string lines;
  std::int64_t predicted = 0, windows = 0;
  for (int i = 0; i < 200; ++i) {
    const int length = 1 + i * 7 % 40;
    lines += R"({"text":")" + std::string(static_cast<std::size_t>(length), static_cast<char>('a' + i % 26)) +
             "\"}\n";
    predicted += length;  // and a newline ends it
    windows += (length + 16 - 1) / 16;
  }
  const std::string path = folder.write("d.jsonl", lines);
  const ShardSummary made = write_token_shards(path, Tokenizer::bytes(), folder.file("s"),
                                               {.window = 16, .shard_tokens = 500, .frame_tokens = 60});
  EXPECT_EQ(made.documents, 200);
  EXPECT_EQ(made.train.windows + made.held_out.windows, windows);
  EXPECT_GT(made.shards(), 5);
  const Text shards(folder.file("s"));
  EXPECT_EQ(shards.window(), 16);
  EXPECT_EQ(shards.all_tokens(), predicted + 200);
  const Batch all = shards.all(0, shards.all_windows(16), 16);
  EXPECT_EQ(all.batch, windows);
  EXPECT_EQ(all.tokens(), predicted);
  for (std::int64_t w = 0; w < all.batch; ++w) {
    const BatchView row = BatchView(all).rows(w, 1);
    for (std::int64_t t = 0; t < row.tokens(); ++t) {
      EXPECT_EQ(row.ids[t], row.ids[0]) << w;
      EXPECT_TRUE(row.labels[t] == row.ids[0] || row.labels[t] == '\n') << w;
    }
    for (std::int64_t t = row.tokens(); t < 16; ++t) EXPECT_EQ(row.labels[t], -100);
  }
  // A pass takes each window once.
  std::int64_t seen = 0;
  for (std::int64_t n = 0; n < made.train.windows; ++n) seen += shards.batch(n, 1, 16).tokens();
  EXPECT_EQ(seen, shards.all(0, made.train.windows, 16).tokens());
  error_of(ErrorKind::input, [&] { shards.batch(0, 1, 15); });
  error_of(ErrorKind::input, [&] { shards.ids(0, 1); });
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
  for (const ShardOptions& bad : {ShardOptions{.shard_tokens = 0}, ShardOptions{.frame_tokens = 0},
                                  ShardOptions{.frame_tokens = 1 << 21}, ShardOptions{.window = -1}})
    error_of(ErrorKind::usage, [&] { write_token_shards(path, Tokenizer::bytes(), folder.file("s"), bad); });
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

}  // namespace
}  // namespace hone
