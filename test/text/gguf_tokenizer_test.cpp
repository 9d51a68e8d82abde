// Tokenizers in GGUF files that do not say how words are cut: as llama.cpp reads them.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "file/gguf_writer.hpp"
#include "file/json.hpp"
#include "hone/tokenizer.hpp"
#include "temporary_folder.hpp"
#include "text/gguf_tokenizer.hpp"

namespace hone {
namespace {

const std::string data = HONE_TEST_DATA "/tokenizers/";

// The vocabulary of gpt2's make, with words cut as `pre` names it; empty: without the key.
std::string gguf_with(const TemporaryFolder& folder, const std::string& pre) {
  const nlohmann::json file = read_json(data + "gpt2/tokenizer.json");
  constexpr std::int32_t normal = 1, control = 3;
  std::vector<std::string> tokens(file["model"]["vocab"].size()), merges;
  std::vector<std::int32_t> types(tokens.size(), normal);
  for (const auto& [token, id] : file["model"]["vocab"].items()) tokens.at(id.get<std::size_t>()) = token;
  for (const auto& added : file["added_tokens"]) types.at(added["id"].get<std::size_t>()) = control;
  for (const auto& m : file["model"]["merges"])
    merges.push_back(m.is_string() ? m.get<std::string>()
                                   : m[0].get<std::string>() + " " + m[1].get<std::string>());
  std::string path = folder.file("tokenizer" + pre + ".gguf");
  GgufWriter out(path);
  out.key("general.architecture", "llama");
  out.key("tokenizer.ggml.model", "gpt2");
  if (!pre.empty()) out.key("tokenizer.ggml.pre", pre);
  out.key("tokenizer.ggml.tokens", tokens);
  out.key("tokenizer.ggml.token_type", types);
  out.key("tokenizer.ggml.merges", merges);
  out.commit();
  return path;
}

// Ids by llama-cpp-python 0.3.36 (tools/gguf/words.py); of these texts gpt2's own pattern has 187 otherwise.
TEST(GgufTokenizer, WithoutANameForItsWordsCutsAsLlamaCppDoes) {
  const TemporaryFolder folder;
  for (const std::string pre : {"", "default"}) {
    const Tokenizer tokenizer = Tokenizer::open(gguf_with(folder, pre));
    const TokenizerReport report = verify_tokenizer(tokenizer, data + "gguf_default.json");
    EXPECT_TRUE(report.ok) << report.text << "\n" << report.expected << "\n" << report.found;
    EXPECT_EQ(report.texts, 300);
    ASSERT_EQ(tokenizer.notes().size(), 1u);
    EXPECT_NE(tokenizer.notes()[0].find(pre.empty() ? "tokenizer.ggml.pre is missing" : "is \"default\""),
              std::string::npos);
    // What it is written as is read the same way.
    EXPECT_EQ(Tokenizer::parse(tokenizer.json(), "t.json").encode("don't 1234"),
              tokenizer.encode("don't 1234"));
  }
  EXPECT_TRUE(Tokenizer::open(gguf_with(folder, "gpt-2")).notes().empty());
  EXPECT_FALSE(verify_tokenizer(Tokenizer::open(gguf_with(folder, "gpt-2")), data + "gguf_default.json").ok);
}

}  // namespace
}  // namespace hone
