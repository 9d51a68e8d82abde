// Folders as people have them: sub-folders, archives, links, files of very different sizes.
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

#include "hone/shards.hpp"
#include "hone/text.hpp"
#include "temporary_folder.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

std::string all_of(const Text& text) {
  std::string bytes;
  for (const std::int32_t id : text.all(0, text.all_windows(1), 1).ids) bytes += static_cast<char>(id);
  return bytes;  // but the last
}

TEST(TextFolder, ATenthOfTheTextIsHeldOutWhateverItsFilesAre) {
  const TemporaryFolder folder;
  folder.write("a.txt", std::string(200, 'a'));
  folder.write("b.txt", std::string(50'000, 'b'));
  const Text text(folder.path());
  EXPECT_EQ(text.train_tokens(), 45'181);  // nine tenths of 50,200, within b.txt; a newline ends a.txt
  EXPECT_EQ(text.held_out_tokens(), 5'021);
  EXPECT_EQ(text.held_out_bytes(), 5'020);
}

TEST(TextFolder, DocumentsStayWholeWhereTheirBordersAllow) {
  const auto held_out = [](const std::vector<std::size_t>& sizes) {
    const TemporaryFolder folder;
    for (std::size_t i = 0; i < sizes.size(); ++i)
      folder.write(std::string(1, static_cast<char>('a' + i)), std::string(sizes[i], 'x'));
    return Text(folder.path()).held_out_bytes();
  };
  EXPECT_EQ(held_out(std::vector<std::size_t>(10, 100)), 100);
  EXPECT_EQ(held_out({860, 140}), 140);     // within 5 to 15 %
  EXPECT_EQ(held_out({840, 160}), 100);     // divided
  EXPECT_EQ(held_out({500, 430, 70}), 70);  // the border behind the cut is nearer than that before it
  EXPECT_EQ(held_out({970, 30}), 100);
  EXPECT_EQ(held_out({30, 970}), 100);
}

TEST(TextFolder, ADividedDocumentEndsOnceAndBetweenCharacters) {
  const TemporaryFolder folder;
  std::string big;
  for (int i = 0; i < 100; ++i) big += "\xE5\xA4\xA7";
  folder.write("a", "xyz");
  folder.write("b", big);
  const Tokenizer tokenizer = Tokenizer::train_bpe("", {.vocab_size = 257});  // bytes and <|endoftext|> as 0
  const Text text(folder.path(), tokenizer);
  EXPECT_EQ(text.train_tokens(), 3 + 1 + 267);  // floor(0.9 * 303) = 272, a border of b at 270
  EXPECT_EQ(text.held_out_tokens(), 33 + 1);
}

TEST(TextFolder, SubFoldersCountAndWhatIsNoTextIsNamed) {
  using namespace std::string_literals;
  const TemporaryFolder folder;
  for (const char* name : {"b", "b/deep", ".git", "model", "run", "run/step-2"})
    fs::create_directory(folder.file(name));
  folder.write("a.txt", "1");
  folder.write("b/x.md", "2");
  folder.write("b/deep/y.txt", "3");
  folder.write("c.txt", "4 caf\xE9 and more of it, so that one byte in ten is no more\n");  // Latin-1
  folder.write(".git/config", "hidden");
  folder.write(".DS_Store", "hidden");
  folder.write("model/tokenizer.json", "{}");
  folder.write("model/notes.txt", "not text to train on");
  folder.write("run/step-2/state.json", "{}");
  folder.write("run/step-2/state.safetensors", "");
  folder.write("d.zip", "PK\x03\x04 and so on");
  folder.write("e.7z", "7z\xbc\xaf\x27\x1c");
  folder.write("f.bin", "bin\0ary"s);
  folder.write("g.txt", "\xFF\xFEh\0i\0"s);
  folder.write("h.txt", "\xCF\xF0\xE8\xE2\xE5\xF2\xCF\xF0\xE8\xE2\xE5\xF2");  // cp1251
  folder.write("empty.txt", "");
  fs::create_symlink("nowhere", folder.file("i.txt"));
  fs::create_directory_symlink("..", folder.file("b/up"));
  const Text text(folder.path());
  EXPECT_EQ(all_of(text), "1\n3\n2\n4 caf\xE9 and more of it, so that one byte in ten is no more");
  ASSERT_EQ(text.notes().size(), 1u);
  const std::string& note = text.notes()[0];
  for (const char* words : {".git (hidden)", ".DS_Store (hidden)", "d.zip (a ZIP archive)",
                            "e.7z (a 7-Zip archive)", "f.bin (binary)", "g.txt (UTF-16", "h.txt (not UTF-8)",
                            "i.txt (no regular file)", "model (a model", "step-2 (a model, a checkpoint"})
    EXPECT_NE(note.find(words), std::string::npos) << words << " in " << note;
}

// A newline where a document has none; end-of-text where the tokenizer has one, whatever stands there.
TEST(TextFolder, EachOfSeveralDocumentsEnds) {
  const TemporaryFolder folder, single;
  folder.write("a", "one");
  folder.write("b", "two\n");
  folder.write("c", "\xEF\xBB\xBFthree");  // a byte-order mark is no text
  single.write("d", "\xEF\xBB\xBFonly");
  const auto decoded = [](const Text& text) {
    return text.tokenizer().decode(text.ids(0, text.all_tokens()), true);
  };
  EXPECT_EQ(decoded(Text(folder.path())), "one\ntwo\nthree\n");
  EXPECT_EQ(decoded(Text(folder.path(), {.tokenizer = "char"})), "one\ntwo\nthree\n");
  EXPECT_EQ(decoded(Text(folder.path(), Tokenizer::chars("onetwhr\n"))), "one\ntwo\nthree\n");
  const Tokenizer without = Tokenizer::train_bpe("", {.vocab_size = 257, .special_tokens = {}});
  EXPECT_EQ(decoded(Text(folder.path(), without)), "one\ntwo\nthree\n");
  const Tokenizer with = Tokenizer::train_bpe("", {.vocab_size = 257});
  EXPECT_EQ(decoded(Text(folder.path(), with)), "one<|endoftext|>two\n<|endoftext|>three<|endoftext|>");
  EXPECT_EQ(read_texts(folder.path()), "one\ntwo\nthree\n");
  const BpeReport learnt = train_bpe(folder.path(), {.vocab_size = 258});
  EXPECT_EQ(learnt.tokenizer, Tokenizer::train_bpe("one\ntwo\nthree\n", {.vocab_size = 258}));
  EXPECT_EQ(learnt.bytes, 14);
  EXPECT_EQ(decoded(Text(single.path())), "only");
  EXPECT_EQ(decoded(Text(single.file("d"))), "only");
  EXPECT_EQ(Text(single.file("d")).all_bytes(), 4);
}

TEST(TextFolder, ASingleFileThatIsNoTextIsRefusedUnlessBytesAreAskedFor) {
  using namespace std::string_literals;
  const TemporaryFolder folder;
  std::string bytes;
  for (int i = 0; i < 4000; ++i) bytes += static_cast<char>(i * i * 31 >> 4);
  const std::string path = folder.write("noise", bytes);
  const Tokenizer bpe = Tokenizer::train_bpe("", {.vocab_size = 257});
  for (const auto& read : std::vector<std::function<void()>>{
           [&] { Text text(path); }, [&] { Text text(path, {.tokenizer = "char"}); },
           [&] { Text text(path, bpe); }, [&] { write_token_shards(path, bpe, folder.file("s")); }}) {
    const std::string message = error_of(ErrorKind::input, read);
    EXPECT_NE(message.find("noise"), std::string::npos) << message;
  }
  EXPECT_EQ(Text(path, {.tokenizer = "byte"}).all_bytes(), 4000);
  EXPECT_EQ(Text(path, Tokenizer::bytes()).all_bytes(), 4000);
  const std::string model = folder.write("model", "\x10\0\0\0\0\0\0\0{\"a\":{}}       "s + bytes);
  const std::string gguf = folder.write("gguf", "GGUF\3\0\0\0"s + bytes);
  const auto message = error_of(ErrorKind::input, [&] { Text text(model, Tokenizer::bytes()); });
  EXPECT_NE(message.find("a safetensors file"), std::string::npos) << message;
  error_of(ErrorKind::input, [&] { Text text(gguf, Tokenizer::bytes()); });
}

TEST(TextFolder, AFileThatIsPackedIsRefused) {
  const TemporaryFolder folder;
  const std::string path = folder.write("book.txt", "PK\x03\x04 and so on");
  const auto message = error_of(ErrorKind::input, [&] { Text text(path); });
  EXPECT_NE(message.find("a ZIP archive"), std::string::npos) << message;
  const auto nothing = error_of(ErrorKind::input, [&] { Text text(folder.path()); });
  EXPECT_NE(nothing.find("book.txt (a ZIP archive)"), std::string::npos) << nothing;
}

}  // namespace
}  // namespace hone
