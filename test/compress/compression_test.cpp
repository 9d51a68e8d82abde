#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "hone/compress.hpp"
#include "hone/convert.hpp"
#include "hone/eval.hpp"
#include "hone/lora.hpp"
#include "hone/prune.hpp"
#include "temporary_folder.hpp"
#include "tiny_gpt2.hpp"

namespace hone {
namespace {

class Compressions : public testing::Test {
 protected:
  Compressions() {
    std::string words;
    for (int i = 0; words.size() < 5000; ++i) words += "line " + std::to_string(i * i) + " of a text\n";
    text_ = folder_.write("text.txt", words);
    in_ = folder_.file("in");
    open(HONE_TEST_DATA "/models/gpt2").save(in_);
    std::ofstream(in_ + "/generation_config.json") << "{}\n";
  }
  std::string path(const std::string& name) const { return folder_.file(name); }
  bool exists(const std::string& name) const { return std::filesystem::exists(path(name)); }
  CompressReport pruned(const std::string& out, const CompressOptions& o, double sparsity = 0.5) const {
    const Compression work(in_, path(out), o);
    return work.finish(prune(work.model(), {.sparsity = sparsity}).model);
  }
  std::string refused(ErrorKind kind, const std::string& in, const std::string& out,
                      const CompressOptions& o = {}) const {
    return error_of(kind, [&] { Compression(in, out, o); });
  }

  TemporaryFolder folder_;
  std::string text_, in_;
};

TEST_F(Compressions, WriteTheModelAndWhatItCost) {
  const std::string before = open(in_).weights_hash();
  const CompressReport r = pruned("out", {.eval_data = text_, .tokenizer = "byte", .max_eval_tokens = 500});
  const Model out = open(path("out"));
  EXPECT_EQ(r.bytes, 4 * out.parameters());
  EXPECT_EQ(r.bits_a_weight, 32);
  EXPECT_GT(r.peak_bytes, 0);
  EXPECT_GE(r.seconds, 0);
  ASSERT_TRUE(r.quality);
  EXPECT_EQ(r.quality->tokens, 500);
  const Text text(text_, {.tokenizer = "byte"});
  EXPECT_NEAR(r.quality->after.perplexity, evaluate(out, text, {.max_tokens = 500}).perplexity, 1e-3);
  EXPECT_NEAR(r.quality->before.perplexity, evaluate(open(in_), text, {.max_tokens = 500}).perplexity, 1e-3);
  EXPECT_GT(r.quality->kl, 0);
  EXPECT_TRUE(exists("out/generation_config.json"));
  EXPECT_EQ(open(in_).weights_hash(), before);
  EXPECT_TRUE(r.notes.empty());
}

TEST_F(Compressions, WithoutATextNothingIsMeasured) {
  const CompressReport r = pruned("out", {});
  EXPECT_FALSE(r.quality);
  EXPECT_TRUE(std::isnan(r.loss_increase()));
  ASSERT_EQ(r.notes.size(), 1u);
  EXPECT_NE(r.notes[0].find("nothing is known"), std::string::npos);
  EXPECT_TRUE(exists("out/model.safetensors"));
}

TEST_F(Compressions, OfDataTheLastTenthMeasures) {
  const CompressReport r = pruned("out", {.data = text_, .tokenizer = "byte"});
  ASSERT_TRUE(r.quality);
  EXPECT_EQ(r.quality->tokens, Text(text_, {.tokenizer = "byte"}).held_out_tokens() - 1);
}

TEST_F(Compressions, BeyondTheLimitNothingIsWritten) {
  const CompressOptions o{.eval_data = text_, .tokenizer = "byte", .max_loss_increase = 1e-4};
  const std::string said = error_of(ErrorKind::quality, [&] { pruned("out", o, 0.9); });
  EXPECT_NE(said.find("expected at most 0.01 %"), std::string::npos) << said;
  EXPECT_FALSE(exists("out"));
  pruned("out", o, 0);
  EXPECT_TRUE(exists("out/config.json"));
}

TEST_F(Compressions, GgufFilesByName) {
  const std::string llama = HONE_TEST_DATA "/gguf/llama";
  const Compression work(llama, path("out.gguf"));
  const CompressReport r = work.finish(prune(work.model(), {}).model);
  EXPECT_GT(r.bits_a_weight, 16);  // of f16, and f32 for norms
  EXPECT_LT(r.bits_a_weight, 17);
  const Compression back(path("out.gguf"), path("back"));
  back.finish(back.model());
  EXPECT_EQ(open(path("back")).weights_hash(), open(path("out.gguf")).weights_hash());
}

TEST_F(Compressions, AreRefusedBeforeTheWork) {
  EXPECT_NE(refused(ErrorKind::usage, in_, in_).find("never changed"), std::string::npos);
  EXPECT_NE(refused(ErrorKind::usage, in_, in_ + "/").find("never changed"), std::string::npos);
  std::filesystem::create_directory(path("other"));
  std::ofstream(path("other/config.json")) << "{}";
  EXPECT_NE(refused(ErrorKind::usage, in_, path("other")).find("holds a model"), std::string::npos);
  EXPECT_NE(refused(ErrorKind::usage, in_, text_).find("would be replaced"), std::string::npos);
  EXPECT_NE(refused(ErrorKind::usage, in_, path("new"), {.max_loss_increase = 0.1}).find("text to measure"),
            std::string::npos);
  EXPECT_NE(refused(ErrorKind::usage, in_, path("new"), {.eval_data = text_, .max_loss_increase = -1})
                .find("impossible"),
            std::string::npos);
  EXPECT_NE(refused(ErrorKind::usage, in_, path("new"), {.max_eval_tokens = -1}).find("max_eval_tokens"),
            std::string::npos);
  refused(ErrorKind::input, path("nowhere"), path("new"));
  refused(ErrorKind::input, in_, path("new"), {.eval_data = path("no.txt")});
  with_lora(open(in_), {.base = in_}).save(path("adapter"));
  EXPECT_NE(refused(ErrorKind::input, path("adapter"), path("new")).find("hone merge"), std::string::npos);
  EXPECT_FALSE(exists("new"));
}

}  // namespace
}  // namespace hone
