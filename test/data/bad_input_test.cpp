// The fuzzers' entries on inputs made by hand, so that each ordinary test run goes through them.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include <random>
#include <vector>

#include "fuzz/entries.hpp"
#include "hone/shards.hpp"
#include "hone/text.hpp"
#include "temporary_folder.hpp"

namespace hone {
namespace {

using Entry = bool (*)(fuzz::Bytes);

bool run(Entry entry, const std::string& file) {
  return entry(std::as_bytes(std::span(file.data(), file.size())));
}

// Every prefix (some, where there are many), and single bytes turned: never more than a refusal.
void run_damaged(Entry entry, const std::string& good, std::size_t places = 200) {
  EXPECT_TRUE(run(entry, good));
  const std::size_t step = good.size() / places + 1;
  for (std::size_t size = 0; size < good.size(); size += step) run(entry, good.substr(0, size));
  for (std::size_t at = 0; at < good.size(); at += step) {
    for (const char turn : {'\x01', '\x20', '\x80', '\xFF'}) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ turn);
      run(entry, bad);
    }
  }
}

std::string with_length(std::uint64_t length, const std::string& rest) {
  std::string file(8, '\0');
  std::memcpy(file.data(), &length, 8);
  return file + rest;
}

TEST(BadInput, Gguf) {
  std::ifstream file(HONE_TEST_DATA "/gguf/quantized.gguf", std::ios::binary);
  const std::string good{std::istreambuf_iterator<char>(file), {}};
  run_damaged(fuzz::gguf, good);
  const std::string header = good.substr(0, 640);  // each of its bytes
  for (std::size_t at = 0; at < header.size(); ++at)
    for (int value = 0; value < 256; value += 15) {
      std::string bad = good;
      bad[at] = static_cast<char>(value);
      run(fuzz::gguf, bad);
    }
}

TEST(BadInput, Safetensors) {
  const std::string header =
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[],"data_offsets":[8,9]}})";
  run_damaged(fuzz::safetensors, with_length(header.size(), header + "123456789"));
  const std::string nested = std::string(5000, '[') + std::string(5000, ']');
  const std::vector<std::string> bad{"",
                                     "\x01",
                                     with_length(~std::uint64_t{0}, "{}"),
                                     with_length(std::uint64_t{1} << 63, "{}"),
                                     with_length(99'999'999, "{}"),
                                     with_length(nested.size(), nested),
                                     with_length(header.size(), header)};
  for (const std::string& file : bad) EXPECT_FALSE(run(fuzz::safetensors, file));
}

TEST(BadInput, Json) {
  run_damaged(fuzz::json, R"({"a": [1, -2.5e3, true, null, "\u00e9\ud83d\ude42"], "b": {"c": {}}})");
  for (const char* text :
       {"", " ", "{", "[1,]", "{\"a\"}", "nul", "\"\\ud800\"", "1e999999", "\xEF\xBB", "\"\x01\""})
    EXPECT_FALSE(run(fuzz::json, text)) << text;
  for (const char* open : {"[", "{\"a\":"}) {
    std::string deep;
    for (int i = 0; i < 100000; ++i) deep += open;
    EXPECT_FALSE(run(fuzz::json, deep));
  }
}

TEST(BadInput, ChatTemplate) {
  for (const char* text :
       {"{% for m in messages %}{{ m['role'] | upper ~ m.content[1:] }}{% endfor %}",
        "{%- set ns = namespace(x=1) %}{% macro f(a, b=2) %}{{ a if a is defined else b }}{% endmacro %}{{ "
        "f(ns.x) }}",
        "{% generation %}{{ tools | tojson(indent=2) }}{% endgeneration %}{# c -#} {% raw %}{{{% endraw %}"})
    run_damaged(fuzz::chat_template, text);
  for (const char* text : {"{{", "{%", "{#", "{{ ( }}", "{% if %}", "{{ '\\u12' }}", "{{ 1 ** }}", "{{ x[ }}",
                           "{{ 'a' % 'b' }}"})
    EXPECT_FALSE(run(fuzz::chat_template, text)) << text;
}

TEST(BadInput, TokenizerJson) {
  for (const Tokenizer& tokenizer : {Tokenizer::chars("some text \xC3\xA9"), Tokenizer::bytes(),
                                     Tokenizer::train_bpe("the cat the hat", {.vocab_size = 262})})
    run_damaged(fuzz::tokenizer_json, tokenizer.json());
  for (const char* text : {"{}", "[]", "{\"model\": 1}", "{\"model\": {\"type\": \"BPE\"}}",
                           "{\"model\": {\"type\": \"WordLevel\", \"vocab\": {}}}"})
    EXPECT_FALSE(run(fuzz::tokenizer_json, text));
}

// A small tokenizer.json with a model of that name in kinds.json and stages of all sorts, which come before
// it.
std::string small_tokenizer(const std::string& model) {
  static const nlohmann::json kinds = read_json(HONE_TEST_DATA "/tokenizers/kinds.json");
  const std::string stages =
      R"({"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Replace", "pattern":
      {"Regex": "[ \\t]{2,}"}, "content": " "}]}, "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits",
      "individual_digits": true}, {"type": "Metaspace", "prepend_scheme": "first"}]}, "decoder": {"type": "Sequence",
      "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 1}]},
      "post_processor": {"type": "BertProcessing", "sep": ["</s>", 2], "cls": ["<s>", 1]}, "added_tokens": [{"id": 0,
      "content": "[UNK]", "special": true, "lstrip": true}], "model": )";
  return stages + kinds["models"][model].dump() + "}";
}

TEST(BadInput, TokenizerJsonOfOtherMakes) {
  for (const char* model : {"bpe_bytes", "bpe_suffix", "word_piece", "unigram_bytes"})
    run_damaged(fuzz::tokenizer_json, small_tokenizer(model), 60);
  for (
      const char* part :
      {R"("normalizer": {"type": "Sequence", "normalizers": [{}]})",
       R"("normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"})",
       R"("normalizer": {"type": "Precompiled", "precompiled_charsmap": "/////w=="})",
       R"("pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(((("}, "behavior": "Isolated"})",
       R"("pre_tokenizer": {"type": "Split", "pattern": {"Regex": "a{1000}{1000}{1000}"}, "behavior": "Isolated"})",
       R"("pre_tokenizer": {"type": "FixedLength", "length": 0})",
       R"("decoder": {"type": "Strip", "content": "", "start": 1, "stop": 0})",
       R"("post_processor": {"type": "BertProcessing", "sep": ["a", 99], "cls": ["a", 0]})"}) {
    const std::string json =
        R"({"model": {"type": "WordLevel", "vocab": {"a": 0, "b": 1}, "unk_token": "a"}, )" +
        std::string(part) + "}";
    EXPECT_FALSE(run(fuzz::tokenizer_json, json)) << json;
  }
  // Patterns that try ever more ways to match end with an error, not never.
  const std::string slow = R"({"model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"},
    "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(a|a|aa)*$b"}, "behavior": "Isolated"}})";
  EXPECT_TRUE(run(fuzz::tokenizer_json, slow));
  error_of(ErrorKind::input, [&] { Tokenizer::parse(slow, "slow").encode(std::string(100, 'a')); });
}

TEST(BadInput, TextsOfAnyBytes) {
  std::mt19937 random(7);
  for (int round = 0; round < 40; ++round) {
    std::string text;
    for (int i = 0; i < 60; ++i)
      text += static_cast<char>(round % 2 ? random() : "a <>|_\xC3\xA9\xE2\x96\x81\n'1S"[random() % 17]);
    run(fuzz::encoded_text, text);
  }
}

TEST(BadInput, AddedTokensThatContradictTheVocabulary) {
  const std::string good = Tokenizer::train_bpe("a a a", {.vocab_size = 258}).json();  // has " a" as a token
  const auto with = [&](const std::string& content, int id) {
    std::string json = good;
    const std::string old = "{\"id\": 0, \"content\": \"<|endoftext|>\"";
    json.replace(json.find(old), old.size(),
                 "{\"id\": " + std::to_string(id) + ", \"content\": \"" + content + "\"");
    return run(fuzz::tokenizer_json, json);
  };
  EXPECT_TRUE(with("<|endoftext|>", 0));
  EXPECT_TRUE(
      with("\xC4\xA0"
           "a",
           257));               // found where the text has U+0120 and "a"; its id is " a" again
  EXPECT_TRUE(with("new", 5));  // it has the next id, whatever the file says, and a note says so
  EXPECT_FALSE(with("new", 99999999));
}

TEST(BadInput, RawShards) {
  run_damaged(fuzz::raw_shards, read_whole(std::string(HONE_TEST_DATA) + "/shards_1/train-00000.tok"));
  EXPECT_FALSE(run(fuzz::raw_shards, ""));
  EXPECT_FALSE(run(fuzz::raw_shards, std::string(64, '\xFF')));
}

TEST(BadInput, PackedShards) {
  const TemporaryFolder folder;
  std::string text;
  for (int i = 0; i < 300; ++i) text += std::to_string(i * i) + (i % 10 == 0 ? "\n" : " ");
  write_token_shards(folder.write("t", text), Tokenizer::bytes(), folder.file("s"), {.frame_tokens = 200});
  run_damaged(fuzz::packed_shards, read_whole(folder.file("s/train-00000.tok")));
  EXPECT_FALSE(run(fuzz::packed_shards, ""));
  EXPECT_FALSE(run(fuzz::packed_shards, std::string(80, '\xFF')));
}

TEST(BadInput, PackedFiles) {
  std::vector<std::byte> out;
  BlockPacker packer;
  for (const Elements elements : {Elements::bytes, Elements::half, Elements::single}) {
    std::vector<std::byte> bytes(4000);
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * i % 23);
    packer.add(bytes, elements, out);
  }
  packer.finish(out);
  run_damaged(fuzz::packed_files, {reinterpret_cast<const char*>(out.data()), out.size()});
  EXPECT_FALSE(run(fuzz::packed_files, "HONEPK2\n" + std::string(24, '\xFF')));
}

TEST(BadInput, Checkpoints) {
  const std::string digest(32, 'a');
  run_damaged(fuzz::checkpoints, checkpoint_state_text({.steps = 7,
                                                        .optimizer = "adamw",
                                                        .task = "tokens ids below 9; loss x 1",
                                                        .files = {"config.json", "model.safetensors"},
                                                        .notes = {{"seed", "1"}},
                                                        .scaling = LossScaler::State{.scale = 1024}}));
  const auto with = [](const char* files, const char* notes, const char* rest) {
    return fmt::format(
        R"({{"format": 2, "steps": 7, "optimizer": "o", "task": "t", "files": {}, "notes": {}{}}})", files,
        notes, rest);
  };
  EXPECT_TRUE(run(fuzz::checkpoints, with("[]", "{}", "")));
  for (const auto& text :
       {std::string(digest + "  a\n"), with("[1]", "{}", ""), with("{\"a\": 1}", "{}", ""),
        with("[]", "[]", ""), with("[]", "{\"a\": 1}", ""), with("[]", "{}", R"(, "loss_scaling": 1)"),
        with(
            "[]", "{}",
            R"(, "loss_scaling": {"log2_scale": 4294967300, "good_steps": 0, "overflows": 0, "skipped": 0})"),
        with("[]", "{}", R"(, "steps": -1)")})
    EXPECT_FALSE(run(fuzz::checkpoints, text)) << text;
}

// Whatever fuzzers found or start from.
TEST(BadInput, FilesOfTheFuzzers) {
  const std::map<std::string, Entry> entries{{"checkpoints", fuzz::checkpoints},
                                             {"chat_template", fuzz::chat_template},
                                             {"encoded_text", fuzz::encoded_text},
                                             {"gguf", fuzz::gguf},
                                             {"json", fuzz::json},
                                             {"json_lines", fuzz::json_lines},
                                             {"packed_files", fuzz::packed_files},
                                             {"packed_shards", fuzz::packed_shards},
                                             {"raw_shards", fuzz::raw_shards},
                                             {"safetensors", fuzz::safetensors},
                                             {"tokenizer_json", fuzz::tokenizer_json}};
  std::size_t files = 0;
  for (const auto& item : std::filesystem::recursive_directory_iterator(HONE_TEST_DATA "/fuzz")) {
    if (!item.is_regular_file()) continue;
    run(entries.at(item.path().parent_path().filename()), read_whole(item.path()));
    ++files;
  }
  EXPECT_GE(files, 5u);
}

TEST(BadInput, JsonLines) {
  run_damaged(fuzz::json_lines,
              "{\"id\": [1, {\"text\": 2}], \"text\": \"one \\u00e9\\n\"}\n{\"text\": \"\"}\r\n");
  for (const char* line :
       {"{", "[]", "1", "\"text\"", "{\"text\": 1}", "{\"text\": null}", "{\"text\": [\"a\"]}", "{}",
        "{\"other\": {\"text\": \"a\"}}", "{\"text\": \"a\", \"text\": \"b\"}", "{\"text\": \"\xff\"}",
        "{\"text\": \"a\"} x"})
    EXPECT_FALSE(run(fuzz::json_lines, line)) << line;
}

}  // namespace
}  // namespace hone
