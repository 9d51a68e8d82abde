#include <gtest/gtest.h>

#include <cerrno>
#include <cmath>
#include <filesystem>

#include "file/disk.hpp"
#include "hone/calibration.hpp"
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

TEST_F(Compressions, OutIsLookedAtBeforeAnything) {
  for (const std::string out : {"text.txt/new", "text.txt/new.gguf", "nowhere/new.gguf"}) {
    refused(ErrorKind::failed, in_, path(out));
    refused(ErrorKind::failed, path("nowhere-either"), path(out));
  }
  EXPECT_NE(refused(ErrorKind::input, in_, path("new.gguf")).find("some families only"), std::string::npos);
  EXPECT_NE(error_of(ErrorKind::failed, [&] { require_calibration_file(path("nowhere/kept")); })
                .find("nowhere/kept"),
            std::string::npos);
  error_of(ErrorKind::input, [&] { require_calibration_file(in_); });
  require_calibration_file(path("kept"));
  require_calibration_file(text_);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.path()), {}), 2);  // the text and `in`
}

TEST_F(Compressions, OneOutIsWrittenByOneAtATime) {
  const std::string llama = HONE_TEST_DATA "/gguf/llama";
  for (const char* out : {"out", "out.gguf"}) {
    Compression first(llama, path(out));
    refused(ErrorKind::failed, llama, path(out));
    error_of(ErrorKind::failed, [&] { convert(llama, path(out)); });
    first.finish(first.model());
    EXPECT_NE(refused(ErrorKind::usage, llama, path(out)).find("would be replaced"), std::string::npos);
  }
}

// Every call by which OUT is written meets a full disk once.
TEST_F(Compressions, NothingIsLeftByAFullDisk) {
  const std::string llama = HONE_TEST_DATA "/gguf/llama";
  std::filesystem::create_directory(path("empty"));
  for (const std::string out : {"out", "out.gguf", "empty"}) {
    bool written = false;
    for (std::size_t at = 0; !written; ++at) {
      SCOPED_TRACE(out + " at call " + std::to_string(at));
      std::size_t calls = 0;
      const disk::Watch watch = [&](disk::Call& call) {
        return calls++ == at && call.act != disk::Act::remove ? ENOSPC : 0;
      };
      disk::watch(&watch);
      try {
        const Compression work(llama, path(out));
        work.finish(work.model());
        written = calls <= at;
      } catch (const Error& e) {
        EXPECT_EQ(e.kind(), ErrorKind::failed) << e.what();
        EXPECT_NE(std::string(e.what()).find("the disk is full"), std::string::npos) << e.what();
        EXPECT_TRUE(out == "empty" ? std::filesystem::is_empty(path(out)) : !exists(out));
      }
      disk::watch(nullptr);
      EXPECT_FALSE(exists(out + ".tmp"));
      if (!written && exists(out + (out == "out.gguf" ? "" : "/config.json"))) {
        open(path(out));
        std::filesystem::remove_all(path(out));
        if (out == "empty") std::filesystem::create_directory(path(out));
      }
    }
  }
}

TEST_F(Compressions, WhatIsThrownAtTheReportLeavesNothing) {
  CompressOptions o;
  o.on_report = [&](const CompressReport& r) {
    EXPECT_FALSE(exists("out"));
    EXPECT_GT(r.file_bytes, r.bytes);
    throw Error(ErrorKind::failed, {.what = "no room for it"});
  };
  error_of(ErrorKind::failed, [&] { pruned("out", o); });
  EXPECT_FALSE(exists("out") || exists("out.tmp"));
}

TEST_F(Compressions, FilesAreAsLargeAsSaidAndAsTheyMayBe) {
  const std::string llama = HONE_TEST_DATA "/gguf/llama";
  for (const char* out : {"out", "out.gguf"}) {
    Compression first(llama, path(out));
    const std::int64_t bytes = first.file_bytes(first.model());
    const CompressReport r = first.finish(first.model());
    EXPECT_EQ(r.file_bytes, bytes);
    const std::string file = path(out) + (std::string(out) == "out" ? "/model.safetensors" : "");
    EXPECT_EQ(static_cast<std::int64_t>(std::filesystem::file_size(file)), bytes);
    std::filesystem::remove_all(path(out));
    Compression less(llama, path(out), {.max_file_bytes = bytes - 1});
    error_of(ErrorKind::budget, [&] { less.finish(less.model()); });
    EXPECT_FALSE(exists(out));
  }
}

}  // namespace
}  // namespace hone
