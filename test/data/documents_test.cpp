// What documents are read from: JSON lines, packed files, several paths.
#include "data/documents.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "hone/shards.hpp"
#include "packed_text.hpp"
#include "temporary_folder.hpp"

namespace hone {
namespace {

std::string decoded(const Text& text) {
  return text.tokenizer().decode(text.ids(0, text.all_tokens()), true);
}

std::string lines() {
  std::string all;
  for (int i = 0; i < 100; ++i)
    all +=
        R"({"id": )" + std::to_string(i) + R"(, "text": "document \u00e9 )" + std::to_string(i * i) + "\"}\n";
  return all;
}

TEST(Documents, OfJsonLinesAreTheSamePackedOrNot) {
  const TemporaryFolder folder;
  const Tokenizer tokenizer = Tokenizer::train_bpe("", {.vocab_size = 257});
  const Text plain(folder.write("a.jsonl", lines()), tokenizer);
  EXPECT_EQ(decoded(plain).substr(0, 41), "document \u00e9 0<|endoftext|>document \u00e9 1<|");
  EXPECT_EQ(plain.all_bytes() + 100, plain.all_tokens());
  EXPECT_GT(plain.held_out_tokens(), plain.all_tokens() / 20);
  EXPECT_EQ(Text(folder.write("b.jsonl.gz", gzip_of(lines())), tokenizer).digest(), plain.digest());
  EXPECT_EQ(Text(folder.write("c.ndjson.zst", zstd_of(lines())), tokenizer).digest(), plain.digest());
  const auto shards = [&](const TextSource& source) {
    return write_token_shards(source, tokenizer, folder.file("s"));
  };
  const ShardSummary made = shards({{folder.file("a.jsonl")}});
  EXPECT_EQ(made.documents, 100);
  EXPECT_EQ(made.train.documents + made.held_out.documents, 100);
  EXPECT_EQ(made.digest, plain.digest());
  folder.write("d.log", zstd_of(lines()));
  EXPECT_EQ(shards({{folder.file("d.log")}, TextFormat::jsonl}).digest, plain.digest());
  EXPECT_EQ(shards({{folder.file("d.log")}}).documents, 1);
}

// The last documents that make up a tenth of the text, whole.
TEST(Documents, ATenthOfTheLinesIsHeldOut) {
  const TemporaryFolder folder;
  std::string all;
  for (int i = 0; i < 200; ++i)
    all += "{\"text\": \"" + std::string(50, static_cast<char>('a' + i / 10)) + "\"}\n";
  const Text text(folder.write("a.jsonl", all));
  EXPECT_EQ(text.train_tokens(), 180 * 51);
  EXPECT_EQ(text.held_out_bytes(), 20 * 50);
  const Text one(folder.write("b.jsonl", "\n{\"text\": \"" + std::string(100, 'x') + "\"}\n\n"));
  EXPECT_EQ(one.train_tokens(), 90);
  EXPECT_EQ(one.held_out_tokens(), 10);
  const Text divided(
      folder.write("c.jsonl", "{\"text\": \"ab\"}\n{\"text\": \"" + std::string(98, 'x') + "\"}"));
  EXPECT_EQ(divided.train_tokens(), 2 + 1 + 88);
  EXPECT_EQ(divided.held_out_tokens(), 10 + 1);
}

TEST(Documents, AFileIsTheSamePackedOrNot) {
  const TemporaryFolder folder;
  std::string prose = "\xEF\xBB\xBF";
  for (int i = 0; i < 60'000; ++i) prose += "\u5927 line " + std::to_string(i % 997 * i) + "\n";
  const std::string path = folder.write("a.txt", prose);
  const std::string packed = folder.write("b.txt.gz", gzip_of(prose));
  for (const Tokenizer& tokenizer :
       {Tokenizer::bytes(), Tokenizer::chars(prose), Tokenizer::train_bpe(prose.substr(0, 9999))}) {
    const Text text(path, tokenizer), same(packed, tokenizer);
    EXPECT_EQ(same.digest(), text.digest());
    EXPECT_EQ(same.held_out_bytes(), text.held_out_bytes());
    EXPECT_EQ(Text::of(prose, tokenizer).digest(), text.digest());
  }
  EXPECT_EQ(character_tokenizer(packed), character_tokenizer(path));
  EXPECT_EQ(read_texts(packed), read_texts(path));
}

TEST(Documents, OfSeveralPathsStandInTheirOrder) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder.file("more"));
  folder.write("more/b.txt.zst", zstd_of("two\n"));
  folder.write("more/c.jsonl", "{\"text\": \"three\"}\n{\"text\": \"four\"}\n");
  folder.write("more/d.txt.gz", gzip_of(""));
  folder.write("more/e.tar.gz", gzip_of(std::string("binary\0binary", 13)));
  const std::string a = folder.write("a.txt", "one");
  const TextSource source({folder.file("more"), a});
  std::vector<std::string> notes;
  EXPECT_EQ(read_texts(source, &notes), "two\nthree\nfour\none\n");
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_NE(notes[0].find("e.tar.gz (binary)"), std::string::npos) << notes[0];
  EXPECT_EQ(write_token_shards(source, Tokenizer::bytes(), folder.file("s")).documents, 4);
  const auto message = error_of(ErrorKind::input, [&] { read_texts(folder.file("s")); });
  EXPECT_NE(message.find("token shards, not texts"), std::string::npos) << message;
}

TEST(Documents, ALineAtFaultIsNamedAndNothingIsLeft) {
  const TemporaryFolder folder;
  const auto refused = [&](const std::string& text, const char* words) {
    const std::string path = folder.write("a.jsonl", text);
    const auto message = error_of(ErrorKind::input, [&] {
      write_token_shards(path, Tokenizer::chars("acdemnotu 0123456789\u00e9"), folder.file("s"));
    });
    EXPECT_NE(message.find(words), std::string::npos) << message;
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
  };
  refused(lines() + "{\"text\": \"open\n", "a.jsonl, line 101, column 15: not valid JSON");
  refused(lines() + "\n[1]\n", "a.jsonl, line 102: the line is no JSON object");
  refused("{\"texts\": \"a\"}\n", "a.jsonl, line 1: \"text\" is missing (hone data build --field");
  refused("{\"text\": 3}\n", "a.jsonl, line 1: \"text\" is not a text");
  refused("{\"text\": \"a\"}\n{\"text\": \"at?\"}", "'?' U+003F is not in the tokenizer's vocabulary");
  refused("{\"text\": \"a\"}\n{\"text\": \"at?\"}", "a.jsonl, line 2, byte 2");
  refused("{\"text\": \"\"}\n", "the text is empty");
}

TEST(Documents, LinesWithoutTextAreCounted) {
  const TemporaryFolder folder;
  const std::string path =
      folder.write("x.jsonl", "{\"text\": \"\"}\n\n{\"text\": \"a\"}\n{\"text\": \"\"}\n");
  const Documents documents(TextSource{{path}});
  EXPECT_EQ(documents.count(), 1);
  ASSERT_EQ(documents.notes().size(), 1u);
  EXPECT_EQ(documents.notes()[0], path + ": left out are 2 of 3 lines, whose \"text\" is empty");
  const std::string none = folder.write("none.jsonl", "{\"text\": \"\"}\n");
  const std::string message = error_of(ErrorKind::input, [&] { Documents(TextSource{{none}}); });
  EXPECT_NE(message.find("the text is empty"), std::string::npos) << message;
  EXPECT_NE(message.find("1 of 1 lines"), std::string::npos) << message;
}

}  // namespace
}  // namespace hone
