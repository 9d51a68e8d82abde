// Models in GGUF files: written from folders and read again, in each type; the folder's own numbers come
// back.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "file/format.hpp"
#include "file/gguf_writer.hpp"
#include "gguf_files.hpp"
#include "hone/convert.hpp"
#include "hone/eval.hpp"
#include "hone/generate.hpp"
#include "hone/inspect.hpp"
#include "machine/isa.hpp"
#include "model/gguf_family.hpp"
#include "model/model_impl.hpp"

namespace hone {
namespace {

class GgufModel : public testing::TestWithParam<const char*> {};

// F32, there and back: the permutation of queries and keys, the norms, the config.
TEST_P(GgufModel, ComesBackWhole) {
  const TemporaryFolder folder;
  const Model model = open(golden(GetParam()));
  const std::string file = folder.file("m.gguf"), back = folder.file("back");
  EXPECT_EQ(convert(golden(GetParam()), file, {.type = "f32"}).tensors, std::ssize(model.weights()));
  const Model read = open(file);
  EXPECT_EQ(read.family(), model.family());
  EXPECT_EQ(read.vocab_size(), model.vocab_size());
  EXPECT_EQ(read.context(), model.context());
  EXPECT_LT(difference(logits(read), logits(model)), 2e-6);
  const bool norms_move = std::string(GetParam()) == "gemma3_text";  // by 1 and back, which rounds
  if (!norms_move) {
    EXPECT_EQ(read.weights_hash(), model.weights_hash());
  }
  convert(file, back);
  EXPECT_EQ(open(back).weights_hash(), read.weights_hash());
  EXPECT_EQ(logits(open(back)), logits(read));
}

TEST_P(GgufModel, IsNearItselfInEveryTypeThatIsWritten) {
  const TemporaryFolder folder;
  const auto expected = logits(open(golden(GetParam())));
  for (const auto& [type, most] :
       {std::pair{"f16", 0.005}, {"bf16", 0.03}, {"q8_0", 0.05}, {"q4_0", 0.9}, {"q4_1", 0.9}}) {
    const std::string file = folder.file(std::string(type) + ".gguf");
    convert(golden(GetParam()), file, {.type = type});
    EXPECT_LT(difference(logits(open(file)), expected), most) << type;
    for (const std::int64_t tokens : {1, 8, 64})  // each of the prompt's ways, in bf16 products too
      EXPECT_LT(difference(logits(open(file), {.precision = Precision::bf16}, tokens),
                           logits(open(file), {}, tokens)),
                0.08)
          << type << " " << tokens;
  }
}

INSTANTIATE_TEST_SUITE_P(All, GgufModel,
                         testing::Values("llama", "llama_tied", "qwen2", "qwen3", "gemma3_text"),
                         [](const auto& each) { return std::string(each.param); });

// Rows of 256, which K-quants want, and grouped heads.
std::string wide_llama(const TemporaryFolder& folder) {
  const std::string config = folder.write("config.json", R"({"model_type": "llama", "vocab_size": 96,
    "hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "initializer_range": 0.05,
    "rope_theta": 10000.0, "tie_word_embeddings": false})");
  from_config(config, {.seed = 3}).save(folder.file("wide"));
  return folder.file("wide");
}

std::string said(const ConvertReport& done) {
  std::string notes;
  for (const std::string& note : done.notes) notes += note + "\n";
  return notes;
}

TEST(GgufFile, KQuantsOfRowsOf256) {
  const TemporaryFolder folder;
  const std::string model = wide_llama(folder);
  const auto expected = logits(open(model));
  for (const auto& [type, most] : {std::pair{"q4_k", 0.4}, {"q6_k", 0.1}}) {
    const std::string file = folder.file(std::string(type) + ".gguf");
    const std::string notes = said(convert(model, file, {.type = type}));
    EXPECT_EQ(notes.find("no multiple"), std::string::npos) << notes;
    EXPECT_LT(difference(logits(open(file)), expected), most) << type;
  }
  for (const StoredTensor& t : stored_tensors(folder.file("q4_k.gguf"))) {
    if (t.shape.size() < 2) {
      EXPECT_EQ(t.dtype, "F32") << t.name;
    }
    if (t.name == "blk.1.ffn_down.weight") {
      EXPECT_EQ(t.dtype, "Q4_K");
    }
    if (t.name == "output.weight") {
      EXPECT_EQ(t.dtype, "Q6_K");
    }
  }
}

std::string type_in(const std::string& file, const std::string& tensor) {
  for (const StoredTensor& t : stored_tensors(file))
    if (t.name == tensor) return t.dtype;
  return "none";
}

// As llama-quantize has it: of what the probabilities are read from, more bits than of the rest.
TEST(GgufFile, TheHeadIsFinerThanFourBits) {
  const TemporaryFolder folder;
  const std::string file = folder.file("m.gguf"), wide = wide_llama(folder);
  for (const char* type : {"q4_0", "q4_1", "q4_k"}) {
    const std::string notes = said(convert_anew(wide, file, {.type = type}));
    EXPECT_NE(notes.find(std::string("the head is q6_k instead of ") + type), std::string::npos) << notes;
    EXPECT_EQ(type_in(file, "output.weight"), "Q6_K");
    EXPECT_EQ(type_in(file, "token_embd.weight")[1], '4');
  }
  const std::string notes = said(convert_anew(golden("llama_tied"), file, {.type = "q4_1"}));
  EXPECT_NE(notes.find("the table, which is the head too, is q8_0 instead of q4_1"), std::string::npos)
      << notes;
  EXPECT_EQ(type_in(file, "token_embd.weight"), "Q8_0") << "rows that are no multiple of 256";
  EXPECT_EQ(type_in(file, "blk.0.attn_q.weight"), "Q4_1");
  EXPECT_EQ(said(convert_anew(wide, file, {.type = "q8_0"})).find("instead"), std::string::npos);
  EXPECT_EQ(type_in(file, "output.weight"), "Q8_0");
}

TEST(GgufFile, TableAndHeadHaveTheTypeThatIsAskedForThem) {
  const TemporaryFolder folder;
  const std::string file = folder.file("m.gguf"), wide = wide_llama(folder), tied = golden("llama_tied");
  EXPECT_EQ(
      said(convert_anew(tied, file, {.type = "q4_1", .token_embedding_type = "q4_1"})).find("the table"),
      std::string::npos);
  EXPECT_EQ(type_in(file, "token_embd.weight"), "Q4_1");
  convert_anew(tied, file, {.type = "q4_1", .output_tensor_type = "F16"});
  EXPECT_EQ(type_in(file, "token_embd.weight"), "F16");
  convert_anew(wide, file, {.type = "q4_0", .token_embedding_type = "q8_0", .output_tensor_type = "q4_k"});
  EXPECT_EQ(type_in(file, "token_embd.weight"), "Q8_0");
  EXPECT_EQ(type_in(file, "output.weight"), "Q4_K");
  EXPECT_EQ(type_in(file, "blk.0.attn_q.weight"), "Q4_0");
  const auto refused = [&](const std::string& to, const ConvertOptions& o) {
    return error_of(ErrorKind::usage, [&] { convert(wide, to, o); });
  };
  EXPECT_NE(refused(folder.file("n.gguf"), {.output_tensor_type = "q9"}).find("output_tensor_type: "),
            std::string::npos);
  EXPECT_NE(refused(folder.file("f"), {.token_embedding_type = "f16"}).find("in one type"),
            std::string::npos);
}

TEST(GgufFile, OtherRowsGetAnotherTypeWhichIsSaid) {
  const TemporaryFolder folder;
  const std::string file = folder.file("m.gguf");
  const std::string notes = said(convert(golden("llama"), file, {.type = "q4_k"}));
  EXPECT_NE(notes.find("q5_0 instead of q4_k: rows of 64"), std::string::npos) << notes;
  EXPECT_NE(notes.find("is the head too, is q8_0 instead of q4_k"), std::string::npos) << notes;
  for (const StoredTensor& t : stored_tensors(file))
    if (t.name == "blk.0.attn_q.weight") {
      EXPECT_EQ(t.dtype, "Q5_0");
    }
}

TEST(GgufFile, UnknownTypesAndFamiliesAreRefused) {
  const TemporaryFolder folder;
  const std::string file = folder.file("m.gguf");
  EXPECT_NE(error_of(ErrorKind::usage, [&] { convert(golden("llama"), file, {.type = "q4k"}); }).find("q4_k"),
            std::string::npos);
  error_of(ErrorKind::usage, [&] { convert(golden("llama"), folder.file("f"), {.type = "q8_0"}); });
  EXPECT_NE(error_of(ErrorKind::input, [&] { convert(golden("gpt2"), file); }).find("gpt2"),
            std::string::npos);
  EXPECT_FALSE(is_file(file));
}

// Heads' rows as neighbours, and back: grouped keys have fewer heads of the same width.
TEST(GgufFile, PairsOfNeighboursAreHalvesOfAHead) {
  std::vector<bool> seen(32);
  for (std::int64_t row = 0; row < 32; ++row) {
    const std::int64_t at = interleaved_row(row, 8);
    EXPECT_EQ(at / 8, row / 8);
    seen[static_cast<std::size_t>(at)] = true;
  }
  EXPECT_TRUE(std::all_of(seen.begin(), seen.end(), [](bool b) { return b; }));
  EXPECT_EQ(interleaved_row(0, 8), 0);
  EXPECT_EQ(interleaved_row(4, 8), 1);
  EXPECT_EQ(interleaved_row(1, 8), 2);
  EXPECT_EQ(interleaved_row(13, 8), 11);
}

TEST(GgufFile, NamesGoBothWays) {
  for (const GgufFamily& family : gguf_families())
    for (const char* name :
         {"model.embed_tokens.weight", "model.layers.12.self_attn.q_proj.bias", "lm_head.weight",
          "model.layers.0.post_attention_layernorm.weight", "model.norm.weight"}) {
      const auto gguf = gguf_name(family, name);
      ASSERT_TRUE(gguf) << name;
      EXPECT_EQ(name_of_gguf(family, *gguf), name);
    }
  EXPECT_EQ(
      gguf_name(*gguf_family_of_model_type("gemma3_text"), "model.layers.3.post_attention_layernorm.weight"),
      "blk.3.post_attention_norm.weight");
  EXPECT_EQ(gguf_name(*gguf_family_of_model_type("llama"), "model.layers.3.post_attention_layernorm.weight"),
            "blk.3.ffn_norm.weight");
  EXPECT_FALSE(gguf_name(*gguf_family_of_model_type("llama"), "transformer.wte.weight"));
}

TEST(GgufFile, WhatDoesNotFitIsNamed) {
  const TemporaryFolder folder;
  const std::string good = folder.file("m.gguf");
  convert(golden("llama"), good, {.type = "q8_0"});
  const auto same_key = [](GgufWriter&, const std::string&) { return false; };
  const auto same_name = [](const GgufTensor& t) { return t.name; };
  const auto message = [&](const auto& key, const auto& name) {
    const std::string file = changed(folder, good, key, name);
    return error_of(ErrorKind::input, [&] { open(file); });
  };
  const auto with = [](const char* which, auto value) {
    return [=](GgufWriter& out, const std::string& key) {
      if (key != which) return false;
      out.key(key, value);
      return true;
    };
  };
  const auto without = [](const char* which) {
    return [=](GgufWriter&, const std::string& key) { return key == which; };
  };
  EXPECT_NE(message(without("llama.block_count"), same_name).find("llama.block_count"), std::string::npos);
  EXPECT_NE(message(with("general.architecture", "mamba"), same_name).find("llama, qwen2"),
            std::string::npos);
  EXPECT_NE(message(with("llama.block_count", std::uint32_t{3}), same_name).find("blk.2"), std::string::npos);
  EXPECT_NE(message(with("llama.block_count", std::uint32_t{1}), same_name).find("no such weight"),
            std::string::npos);
  EXPECT_NE(message(with("llama.feed_forward_length", std::uint32_t{128}), same_name).find("does not fit"),
            std::string::npos);
  EXPECT_NE(
      message(with("llama.rope.dimension_count", std::uint32_t{8}), same_name).find("rope.dimension_count"),
      std::string::npos);
  EXPECT_NE(message(with("llama.block_count", "two"), same_name).find("another type"), std::string::npos);
  const auto renamed = [](const GgufTensor& t) {
    return t.name == "blk.0.attn_k.weight" ? "blk.0.attn_kk.weight" : t.name;
  };
  EXPECT_NE(message(same_key, renamed).find("blk.0.attn_k"), std::string::npos);
  EXPECT_NO_THROW(open(changed(folder, good, same_key, same_name)));
}

// What is mapped is not held: the forecast knows one from the other.
TEST(GgufFile, MappedWeightsAreNotAllocated) {
  const TemporaryFolder folder;
  const std::string model = wide_llama(folder), file = folder.file("m.gguf");
  convert(model, file, {.type = "q8_0"});
  const Forecast held = GeneratePlan(open(model)).forecast(), mapped = GeneratePlan(open(file)).forecast();
  EXPECT_EQ(held.mapped_bytes, 0);
  EXPECT_GT(mapped.mapped_bytes, 0);
  EXPECT_LT(mapped.mapped_bytes + mapped.arena_bytes, held.arena_bytes);
  EXPECT_EQ(mapped.peak_bytes, mapped.arena_bytes + mapped.mapped_bytes + mapped.outside_bytes);
  std::int64_t sum = 0;
  for (const auto& part : mapped.breakdown) sum += part.second;
  EXPECT_EQ(sum, mapped.peak_bytes);
}

// In f32 a weight's type on disk changes no bit: what is narrow is widened exactly, wherever it lies.
TEST(StoredWeights, Bf16AndF16GiveTheBitsOfTheSameNumbersInF32) {
  const TemporaryFolder folder;
  for (const char* type : {"bf16", "f16"}) {
    const std::string narrow = folder.file(type), wide = narrow + "-f32", file = narrow + ".gguf";
    convert(golden("llama"), narrow, {.type = type});
    convert(narrow, wide, {.type = "f32"});
    convert(narrow, file, {.type = type});
    for (const std::int64_t tokens : {1, 8, 64, 73}) {
      const auto expected = logits(open(wide), {}, tokens);
      EXPECT_EQ(logits(open(narrow), {}, tokens), expected) << type;
      EXPECT_EQ(logits(open(file), {}, tokens), expected) << type;
    }
    EXPECT_NE(GeneratePlan(open(narrow)).print().find(type), std::string::npos);
  }
}

TEST(StoredWeights, TextsDoNotDependOnThreadsOrVectors) {
  const TemporaryFolder folder;
  const std::string file = folder.file("m.gguf");
  convert(wide_llama(folder), file, {.type = "q4_k"});
  const auto expected = logits(open(file), {.threads = 1, .isa = "avx2"}, 73);
  for (const int threads : {1, 3})
    for (const char* isa : {"avx2", "avx512"})
      if (cpu_has(isa_from_name(isa))) {
        EXPECT_EQ(logits(open(file), {.threads = threads, .isa = isa}, 73), expected) << isa;
      }
}

}  // namespace
}  // namespace hone
