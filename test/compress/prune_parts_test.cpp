// Parts of a model that go whole, and what is left of it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "compress/changed_model.hpp"
#include "hone/compress.hpp"
#include "hone/convert.hpp"
#include "hone/eval.hpp"
#include "hone/prune.hpp"
#include "machine/isa.hpp"
#include "model/model_impl.hpp"
#include "run/logits.hpp"
#include "temporary_folder.hpp"

namespace hone {
namespace {

std::string some_text() {
  std::string text;
  for (int i = 0; text.size() < 3000; ++i) text += "line " + std::to_string(i * i) + " of a text\n";
  return text;
}
Text text_for(const Model&) { return Text::of(some_text(), Tokenizer::chars(some_text())); }

using Values = std::map<std::string, std::vector<float>>;  // in file layout

Batch some_batch() {
  Batch batch{2, 9, {}, {}};
  for (int i = 0; i < 18; ++i) batch.ids.push_back(i * 5 % 60), batch.labels.push_back(i * 7 % 60);
  return batch;
}

float largest_difference(const Model& a, const Model& b) {
  const auto x = logits_of(a, some_batch(), 1, best_isa()), y = logits_of(b, some_batch(), 1, best_isa());
  EXPECT_EQ(x.size(), y.size());
  float most = 0;
  for (std::size_t i = 0; i < x.size(); ++i) most = std::max(most, std::abs(x[i] - y[i]));
  return most;
}

std::int64_t number(const Model& model, const char* key) {
  return nlohmann::json::parse(model.config_json()).at(key).get<std::int64_t>();
}

// What goes is set to zero in the whole model: the smaller one computes the same.
TEST(PruneParts, ChannelsThatDoNothingGoWithoutATrace) {
  const std::pair<const char*, const char*> kinds[] = {{"gpt2", ".mlp.c_proj.weight"},
                                                       {"llama", ".mlp.down_proj.weight"},
                                                       {"gemma3_text", ".mlp.down_proj.weight"}};
  for (const auto& [family, joins] : kinds) {
    const Model whole = open(std::string(HONE_TEST_DATA "/models/") + family);
    std::int64_t all = 0;
    const Model model = changed(whole, [&, end = std::string(joins)](const std::string& name, auto& values) {
      if (!name.ends_with(end)) return;
      const ParameterSpec& spec = whole.impl().spec(name);
      const Shape shape = file_shape(spec);
      all = spec.shape[1];
      for (std::size_t i = 0; i < values.size(); ++i) {
        const auto columns = static_cast<std::size_t>(shape[1]);
        const std::size_t channel = spec.transposed ? i / columns : i % columns;
        if (channel % 4 == 1) values[i] = 0;
      }
    });
    const auto gone = static_cast<double>(all / 4);
    const Pruned by_weights =
        prune(model, {.sparsity = gone / static_cast<double>(all), .pattern = "channels"});
    const char* key = std::string(family) == "gpt2" ? "n_inner" : "intermediate_size";
    EXPECT_EQ(number(by_weights.model, key), all - all / 4) << family;
    EXPECT_LT(largest_difference(model, by_weights.model), 1e-5f) << family;
    const Text text = text_for(model);
    const Pruned by_text = prune(model, text,
                                 {.sparsity = gone / static_cast<double>(all),
                                  .pattern = "channels",
                                  .sample = {.windows = 4, .seq = 32}});
    EXPECT_LT(largest_difference(model, by_text.model), 1e-3f) << family;  // made good: by rounding alone
  }
}

TEST(PruneParts, HeadsThatDoNothingGoWithoutATrace) {
  const Model whole = open(HONE_TEST_DATA "/models/llama");  // 4 heads of 12, 2 of keys and values
  const Model model = changed(whole, [](const std::string& name, auto& values) {
    if (!name.ends_with("o_proj.weight")) return;
    for (std::size_t i = 0; i < values.size(); ++i)
      if (i % 48 < 24) values[i] = 0;  // the first two queries' heads, which share keys
  });
  const Pruned done = prune(model, {.sparsity = 0.5, .pattern = "heads"});
  EXPECT_EQ(number(done.model, "num_attention_heads"), 2);
  EXPECT_EQ(number(done.model, "num_key_value_heads"), 1);
  EXPECT_EQ(number(done.model, "head_dim"), 12);
  EXPECT_LT(largest_difference(model, done.model), 1e-5f);
  EXPECT_EQ(done.sparsity, 0.5);
}

// Where one head of keys and values serves all, those of queries go one by one.
TEST(PruneParts, HeadsOfOneGroupGoOneByOne) {
  const Model whole = open(HONE_TEST_DATA "/models/gemma3_text");
  const std::int64_t heads = number(whole, "num_attention_heads"), D = number(whole, "head_dim");
  ASSERT_EQ(number(whole, "num_key_value_heads"), 1);
  const Model model = changed(whole, [&](const std::string& name, auto& values) {
    if (!name.ends_with("o_proj.weight")) return;
    for (std::size_t i = 0; i < values.size(); ++i)
      if (static_cast<std::int64_t>(i) % (heads * D) / D == 1) values[i] = 0;
  });
  const Pruned done = prune(model, {.pattern = "heads", .keep = heads - 1});
  EXPECT_EQ(number(done.model, "num_attention_heads"), heads - 1);
  EXPECT_EQ(number(done.model, "num_key_value_heads"), 1);
  EXPECT_LT(largest_difference(model, done.model), 1e-5f);
  EXPECT_NE(error_of(ErrorKind::usage, [&] { prune(model, {.sparsity = 0.99, .pattern = "heads"}); })
                .find("none would stay"),
            std::string::npos);
}

// Channels of the stream that nobody writes: no row of what adds to it, no column of the tables.
Model with_empty_channels(const Model& whole) {
  return changed(whole, [&](const std::string& name, auto& values) {
    const ParameterSpec& spec = whole.impl().spec(name);
    const bool table = name.ends_with("embed_tokens.weight") || name.ends_with("lm_head.weight");
    const bool writes =
        name.find("o_proj.") != std::string::npos || name.find("down_proj.") != std::string::npos;
    if (!table && !writes) return;
    const auto columns = static_cast<std::size_t>(spec.shape.rank() == 2 ? spec.shape[1] : 1);
    for (std::size_t i = 0; i < values.size(); ++i)
      if ((table ? i % columns : i / columns) % 4 == 1) values[i] = 0;
  });
}

TEST(PruneParts, ChannelsOfTheWidthThatAreEmptyGoWithoutATrace) {
  for (const char* family : {"llama", "qwen2", "qwen3"}) {
    const Model model = with_empty_channels(open(std::string(HONE_TEST_DATA "/models/") + family));
    const std::int64_t width = number(model, "hidden_size"), heads = number(model, "num_attention_heads");
    const Text text = text_for(model);
    const Pruned done = prune(
        model, text, {.pattern = "width", .keep = width - width / 4, .sample = {.windows = 4, .seq = 32}});
    EXPECT_EQ(number(done.model, "hidden_size"), width - width / 4) << family;
    EXPECT_EQ(number(done.model, "num_attention_heads"), heads) << family;
    EXPECT_LT(largest_difference(model, done.model), 1e-3f) << family;
    EXPECT_EQ(prune(model, text, {.sparsity = 0.25, .pattern = "width", .sample = {.windows = 4, .seq = 32}})
                  .model.weights_hash(),
              done.model.weights_hash());
    const Pruned by_weights = prune(model, {.pattern = "width", .keep = width / 2});
    EXPECT_EQ(by_weights.model.size("model.norm.weight"), width / 2) << family;
  }
}

// Of gpt2 heads go with the width: those of one head of two that nobody hears, and half of the channels.
TEST(PruneParts, WidthOfGpt2TakesHeadsWithIt) {
  const Model whole = open(HONE_TEST_DATA "/models/gpt2");
  const std::int64_t C = number(whole, "n_embd"), H = number(whole, "n_head"), D = C / H;
  const Model model = changed(whole, [&](const std::string& name, auto& values) {
    const ParameterSpec& spec = whole.impl().spec(name);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto row = static_cast<std::int64_t>(i) / file_shape(spec).last();  // files have [in,out]
      const bool deaf = name.ends_with("attn.c_attn.weight") || name.ends_with("mlp.c_fc.weight");
      if (deaf && row % 2 == 1) values[i] = 0;  // odd channels are read by nobody
      if (name.ends_with("attn.c_proj.weight") && row / D % 2 == 0) values[i] = 0;
    }
  });
  const Text text = text_for(model);
  for (const Pruned& done :
       {prune(model, {.pattern = "width", .keep = C / 2}),
        prune(model, text, {.pattern = "width", .keep = C / 2, .sample = {.windows = 4, .seq = 16}})}) {
    EXPECT_EQ(number(done.model, "n_embd"), C / 2);
    EXPECT_EQ(number(done.model, "n_head"), H / 2);
    const auto some = [&](const Model& of, const std::string& name) {
      std::vector<float> values(static_cast<std::size_t>(of.size(name)));
      of.read(name, values);
      return values;
    };
    const auto wte = some(model, "transformer.wte.weight"),
               narrow = some(done.model, "transformer.wte.weight");
    const auto qkv = some(model, "transformer.h.1.attn.c_attn.weight"),
               fewer = some(done.model, "transformer.h.1.attn.c_attn.weight");
    for (std::int64_t i = 0; i < std::ssize(narrow); ++i)
      ASSERT_EQ(narrow[static_cast<std::size_t>(i)], wte[static_cast<std::size_t>(2 * i)]);
    for (std::int64_t r = 0; r < C / 2; ++r)
      for (std::int64_t c = 0; c < 3 * C / 2; ++c) {
        const std::int64_t from = (2 * (c / D) + 1) * D + c % D;  // the odd heads of all three parts
        ASSERT_EQ(fewer[static_cast<std::size_t>(r * 3 * C / 2 + c)],
                  qkv[static_cast<std::size_t>(2 * r * 3 * C + from)]);
      }
    EXPECT_LT(largest_difference(done.model, done.model), 1e-9f);  // it computes
  }
}

// The layer adds nothing to what it reads.
Model without_effect(const Model& model, const std::string& layer) {
  return changed(model, [&](const std::string& name, auto& values) {
    if (!name.starts_with(layer + ".")) return;
    for (const char* end : {"o_proj.weight", "down_proj.weight", "c_proj.weight", "o_proj.bias",
                            "down_proj.bias", "c_proj.bias"})
      if (name.ends_with(end)) std::ranges::fill(values, 0.0f);
  });
}

TEST(PruneParts, ALayerThatGoesIsOneThatDoesNothing) {
  for (const auto& [family, layer, key] : {std::tuple{"gpt2", "transformer.h.", "n_layer"},
                                           std::tuple{"llama", "model.layers.", "num_hidden_layers"},
                                           std::tuple{"gemma3_text", "model.layers.", "num_hidden_layers"}}) {
    const Model whole = open(std::string(HONE_TEST_DATA "/models/") + family);
    const Text text = text_for(whole);
    const std::int64_t layers = number(whole, key);
    const Pruned done = prune(whole, text,
                              {.sparsity = 1.0 / static_cast<double>(layers),
                               .pattern = "layers",
                               .sample = {.windows = 4, .seq = 32}});
    EXPECT_EQ(number(done.model, key), layers - 1);
    ASSERT_EQ(done.notes.size(), 1u);
    const std::string gone(1, done.notes[0].back());
    EXPECT_LT(largest_difference(without_effect(whole, layer + gone), done.model), 1e-5f) << family;
    // no other would have been better
    const double loss = evaluate(done.model, text, {.max_tokens = 128}).loss;
    for (std::int64_t i = 0; i < layers; ++i)
      EXPECT_LE(
          loss,
          evaluate(without_effect(whole, layer + std::to_string(i)), text, {.max_tokens = 128}).loss + 1e-5)
          << family << i;
  }
}

TEST(PruneParts, AreWrittenAndOpenedAgain) {
  const TemporaryFolder folder;
  const std::string text = folder.write("text.txt", some_text());
  for (const char* pattern : {"heads", "channels", "width", "layers"}) {
    const std::string out = folder.file(pattern);
    const Compression work(HONE_TEST_DATA "/models/qwen3", out, {.data = text, .tokenizer = "char"});
    const Pruned done =
        prune(work.model(), *work.text(), {.pattern = pattern, .sample = {.windows = 4, .seq = 32}});
    const CompressReport r = work.finish(done.model);
    EXPECT_EQ(open(out).weights_hash(), done.model.weights_hash()) << pattern;
    EXPECT_LT(open(out).parameters(), work.model().parameters());
    EXPECT_EQ(r.bytes, 4 * open(out).parameters());
  }
}

// What others cannot open is said: Transformers divides a llama's width by its heads, llama.cpp a qwen2's.
TEST(PruneParts, WhatOthersDoNotOpenIsSaid) {
  const Model llama = open(HONE_TEST_DATA "/models/llama");
  const auto width = [](const Model& model) {
    return nlohmann::json::parse(model.config_json()).at("hidden_size").get<std::int64_t>();
  };
  EXPECT_EQ(width(prune(llama, {.sparsity = 0.3, .pattern = "width"}).model) % 4, 0);
  const Pruned odd = prune(llama, {.pattern = "width", .keep = 31});
  EXPECT_EQ(width(odd.model), 31);
  EXPECT_NE(odd.notes.back().find("no multiple of its 4 heads"), std::string::npos) << odd.notes.back();

  const TemporaryFolder folder;
  const Compression work(HONE_TEST_DATA "/models/qwen2", folder.file("qwen2"), {});
  work.finish(prune(work.model(), {.sparsity = 0.5, .pattern = "heads"}).model);
  try {
    convert(folder.file("qwen2"), folder.file("qwen2.gguf"), {});
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("fill hidden_size"), std::string::npos) << e.what();
  }
  EXPECT_FALSE(std::filesystem::exists(folder.file("qwen2.gguf")));
}

TEST(PruneParts, BadInput) {
  const Model gpt2 = open(HONE_TEST_DATA "/models/gpt2"), llama = open(HONE_TEST_DATA "/models/llama");
  const auto said = [](ErrorKind kind, const Model& model, const PruneOptions& o) {
    return error_of(kind, [&] { prune(model, o); });
  };
  EXPECT_NE(said(ErrorKind::usage, llama, {.pattern = "layers"}).find("learns from a text"),
            std::string::npos);
  EXPECT_NE(said(ErrorKind::usage, llama, {.method = "wanda"}).find("wanda learns from a text"),
            std::string::npos);
  EXPECT_NE(said(ErrorKind::usage, llama, {.sparsity = 0.1, .pattern = "heads"}).find("none would go"),
            std::string::npos);
  EXPECT_NE(said(ErrorKind::usage, llama, {.sparsity = 0.9, .pattern = "heads"}).find("none would stay"),
            std::string::npos);
  EXPECT_NE(said(ErrorKind::usage, llama, {.pattern = "chanels"}).find("did you mean 'channels'"),
            std::string::npos);
  EXPECT_NE(said(ErrorKind::usage, llama, {.pattern = "heads", .keep = 3}).find("a multiple of 2"),
            std::string::npos);
  EXPECT_NE(said(ErrorKind::usage, llama, {.pattern = "width", .keep = 1000})
                .find("1 to " + std::to_string(number(llama, "hidden_size"))),
            std::string::npos);
  EXPECT_NE(said(ErrorKind::usage, llama, {.keep = 5}).find("weights go by a share"), std::string::npos);
  EXPECT_NE(said(ErrorKind::input, gpt2, {.pattern = "heads"}).find("channels and layers can go"),
            std::string::npos);
  const std::string damaged = "model.layers.1.mlp.up_proj.weight";
  const Model broken = changed(llama, [&](const std::string& name, auto& values) {
    if (name == damaged) values[5] = NAN;
  });
  EXPECT_NE(error_of(ErrorKind::input, [&] { prune(broken, text_for(broken), {.pattern = "layers"}); })
                .find(damaged),
            std::string::npos);
  // One norm is of all queries: a head cannot go without a part of it.
  const Model olmo2 = open(HONE_TEST_DATA "/models/olmo2");
  EXPECT_NE(said(ErrorKind::input, olmo2, {.pattern = "heads"}).find("_norm.weight"), std::string::npos);
}

}  // namespace
}  // namespace hone
