// Adapters as files: PEFT's in and out, models merged, and what is refused by its name.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "file/safetensors.hpp"
#include "hone/eval.hpp"
#include "hone/generate.hpp"
#include "hone/lora.hpp"
#include "model/model_impl.hpp"
#include "tiny_gpt2.hpp"

namespace hone {
namespace {

constexpr std::int64_t B = 4, T = 16, V = 67;

void expect_in(const std::string& part, const std::string& text) {
  EXPECT_NE(text.find(part), std::string::npos) << text;
}

class AdapterFiles : public testing::Test {
 protected:
  AdapterFiles() {
    TinyGpt2{.dropout = 0}.model().save(base_);
    train_and_save({.rank = 2, .targets = {"c_attn", "mlp.c_proj"}, .base = base_});
  }

  void train_and_save(const LoraOptions& options) {
    Trainer t(TrainPlan(with_lora(open(base_), options), {.batch = B, .seq = T, .threads = 1}));
    for (int n = 0; n < 3; ++n) t.step(toy_batch(n, B, T, V), {.lr = 1e-2f});
    t.save(adapter_);
    hash_ = t.weights_hash();
  }

  nlohmann::json config() const {
    return nlohmann::json::parse(read_whole(adapter_ + "/adapter_config.json"));
  }
  std::string refused(const nlohmann::json& changes) const {
    auto changed = config();
    changed.update(changes);
    const TemporaryFolder other;
    other.write("adapter_config.json", changed.dump());
    std::filesystem::copy_file(adapter_ + "/adapter_model.safetensors",
                               other.file("adapter_model.safetensors"));
    return error_of(ErrorKind::input, [&] { with_adapter(open(base_), other.path()); });
  }
  // With tensors of these names and shapes.
  std::string refused_tensors(const std::vector<SafetensorsSpec>& specs) const {
    const TemporaryFolder other;
    other.write("adapter_config.json", config().dump());
    SafetensorsWriter writer(other.file("adapter_model.safetensors"), specs);
    for (const SafetensorsSpec& s : specs) {
      std::int64_t n = 4;
      for (const std::int64_t d : s.shape) n *= d;
      writer.write(s.name, std::vector<std::byte>(static_cast<std::size_t>(n)));
    }
    writer.commit();
    return error_of(ErrorKind::input, [&] { with_adapter(open(base_), other.path()); });
  }

  double loss(const Model& model) const {
    return Trainer(TrainPlan(model, {.batch = B, .seq = T, .threads = 1}))
        .evaluate(toy_batch(7, B, T, V))
        .loss;
  }

  TemporaryFolder folder_;
  std::string base_ = folder_.file("base"), adapter_ = folder_.file("adapter"), hash_;
};

TEST_F(AdapterFiles, HavePeftsNames) {
  const SafetensorsFile file(adapter_ + "/adapter_model.safetensors");
  EXPECT_EQ(file.entries().size(), 8u);
  EXPECT_EQ(file.at("base_model.model.transformer.h.0.attn.c_attn.lora_A.weight").shape,
            (std::vector<std::int64_t>{2, 51}));
  EXPECT_EQ(file.at("base_model.model.transformer.h.1.mlp.c_proj.lora_B.weight").shape,
            (std::vector<std::int64_t>{51, 2}));
  const auto c = config();
  EXPECT_EQ(c["peft_type"], "LORA");
  EXPECT_EQ(c["r"], 2);
  EXPECT_EQ(c["lora_alpha"], 4);
  EXPECT_EQ(c["fan_in_fan_out"], true);
  EXPECT_EQ(c["task_type"], "CAUSAL_LM");
  EXPECT_EQ(c["base_model_name_or_path"], base_);
  // attn.c_proj has no adapter, so c_proj alone would say too much.
  EXPECT_EQ(c["target_modules"],
            (nlohmann::json{"c_attn", "transformer.h.0.mlp.c_proj", "transformer.h.1.mlp.c_proj"}));
}

TEST_F(AdapterFiles, AreReadAsTheyWereWritten) {
  const Model model = with_adapter(open(base_), adapter_);
  EXPECT_EQ(model.weights_hash(), hash_);
  EXPECT_EQ(open(adapter_).weights_hash(), hash_) << "by the base that it names";
  EXPECT_EQ(adapter_parameters(model), 2 * 2 * (51 + 153 + 204 + 51));
  EXPECT_EQ(adapter_parameters(open(base_)), 0);
  EXPECT_TRUE(is_adapter(adapter_));
  EXPECT_FALSE(is_adapter(base_));
  model.save(folder_.file("again"));
  EXPECT_EQ(read_whole(folder_.file("again/adapter_model.safetensors")),
            read_whole(adapter_ + "/adapter_model.safetensors"));
  EXPECT_EQ(with_adapter(open(base_), folder_.file("again")).weights_hash(), hash_);
}

// Two adapters of one base at a time, and the base itself: each has its own weights.
TEST_F(AdapterFiles, GoWithAModelThatOthersUse) {
  const Model base = open(base_), one = with_adapter(base, adapter_), two = with_lora(base, {.rank = 3});
  const auto first = [](Generator& g) {
    const std::int32_t ids[] = {1, 2, 3};
    g.append(ids);
    return std::vector<float>(g.logits().begin(), g.logits().end());
  };
  Generator g_base{GeneratePlan(base, {.threads = 1})}, g_one{GeneratePlan(one, {.threads = 1})},
      g_two{GeneratePlan(two, {.threads = 1})};
  const auto of_base = first(g_base), of_one = first(g_one), of_two = first(g_two);
  EXPECT_EQ(of_base, of_two) << "an adapter's part begins as zero";
  EXPECT_NE(of_base, of_one);
}

TEST_F(AdapterFiles, AreMerged) {
  const Model model = with_adapter(open(base_), adapter_);
  merge(model, folder_.file("merged"));
  const Model merged = open(folder_.file("merged"));
  EXPECT_NEAR(loss(merged), loss(model), 1e-6);
  EXPECT_GT(std::abs(loss(open(base_)) - loss(model)), 1e-3);
  EXPECT_EQ(merged.weights().size(), open(base_).weights().size());
  expect_in("holds a model", error_of(ErrorKind::usage, [&] { merge(model, folder_.file("merged")); }));
  expect_in("no adapter", error_of(ErrorKind::usage, [&] { merge(merged, folder_.file("more")); }));
  merge(model, folder_.file("low"), Precision::bf16);
  EXPECT_NEAR(loss(open(folder_.file("low"))), loss(model), 1e-2);
  const SafetensorsFile low(folder_.file("low/model.safetensors"));
  EXPECT_EQ(low.entries()[0].dtype, "BF16");
}

TEST_F(AdapterFiles, OfAnotherModelAreRefused) {
  const Model other = TinyGpt2{.width = 48}.model();
  expect_in("[2,48], of rank and input", error_of(ErrorKind::input, [&] { with_adapter(other, adapter_); }));
  const Model shallow = TinyGpt2{.layers = 1}.model();
  expect_in("no such module", error_of(ErrorKind::input, [&] { with_adapter(shallow, adapter_); }));
  const std::string a = "base_model.model.transformer.h.0.attn.c_attn.lora_A.weight",
                    b = "base_model.model.transformer.h.0.attn.c_attn.lora_B.weight";
  expect_in(b, refused_tensors({{a, "F32", {2, 51}}}));
  expect_in("[153,2]", refused_tensors({{a, "F32", {2, 51}}, {b, "F32", {153, 3}}}));
  expect_in("no weights", refused_tensors({}));
  expect_in("DoRA",
            refused_tensors(
                {{"base_model.model.transformer.h.0.attn.c_attn.lora_magnitude_vector", "F32", {153}}}));
  expect_in("embeddings",
            refused_tensors({{"base_model.model.transformer.wte.lora_embedding_A", "F32", {2, 67}}}));
  expect_in("knows", refused_tensors({{"transformer.h.0.attn.c_attn.weight", "F32", {2, 2}}}));
}

// PEFT saves the base's tables and heads too where an adapter stands beside one: copies, or else another
// base's.
TEST_F(AdapterFiles, CopiesOfTheBasesWeightsArePassedOver) {
  const std::string base = HONE_TEST_DATA "/models/llama";
  const Model model = with_lora(open(base), {.rank = 2, .targets = {"lm_head", "q_proj"}, .base = base});
  model.save(folder_.file("own"));
  const SafetensorsFile own(folder_.file("own/adapter_model.safetensors"));
  const auto with_copy = [&](const std::string& name, const std::string& of, float more) {
    const TemporaryFolder other;
    std::filesystem::copy_file(folder_.file("own/adapter_config.json"), other.file("adapter_config.json"));
    const SafetensorsFile weights(base + "/model.safetensors");
    std::vector<SafetensorsSpec> specs;
    for (const SafetensorsEntry& e : own.entries()) specs.push_back({e.name, e.dtype, e.shape});
    specs.push_back({name, "F32", weights.at(of).shape});
    SafetensorsWriter writer(other.file("adapter_model.safetensors"), specs);
    for (const SafetensorsEntry& e : own.entries()) {
      std::vector<std::byte> bytes(e.bytes);
      own.read(e, bytes);
      writer.write(e.name, bytes);
    }
    std::vector<float> values(weights.at(of).bytes / sizeof(float));
    weights.read(weights.at(of), std::as_writable_bytes(std::span(values)));
    values.back() += more;
    writer.write(name, std::as_bytes(std::span(values)));
    writer.commit();
    return with_adapter(open(base), other.path()).weights_hash();
  };
  for (const auto& [name, of] : {std::pair{"lm_head.base_layer.weight", "lm_head.weight"},
                                 {"model.embed_tokens.weight", "model.embed_tokens.weight"}}) {
    const std::string saved = std::string("base_model.model.") + name;
    EXPECT_EQ(with_copy(saved, of, 0), model.weights_hash());
    expect_in("another weight than the base has",
              error_of(ErrorKind::input, [&] { with_copy(saved, of, 1); }));
  }
}

// Which modules have an adapter is said by the tensors; where the config names more, that is said.
TEST_F(AdapterFiles, WithoutTensorsOfModulesThatAreNamedSaySo) {
  EXPECT_TRUE(open(adapter_).notes().empty());
  const auto notes = [&](const nlohmann::json& changes) {
    auto changed = config();
    changed.update(changes);
    folder_.write("adapter/adapter_config.json", changed.dump());
    return with_adapter(open(base_), adapter_).notes();
  };
  for (const nlohmann::json& targets :
       {nlohmann::json{"c_attn", "c_proj"}, nlohmann::json(".*(c_attn|c_proj)")}) {
    const auto found = notes({{"target_modules", targets}});
    ASSERT_EQ(found.size(), 1u) << targets;
    expect_in(
        "names 6 modules; without tensors in adapter_model.safetensors, and so without an adapter, 2 of them",
        found[0]);
    expect_in("transformer.h.0.attn.c_proj", found[0]);
  }
  expect_in(
      "names 3 modules; without tensors in adapter_model.safetensors, and so without an adapter, 1 of them",
      notes({{"target_modules", {"c_attn", "c_proj"}}, {"layers_to_transform", 1}}).at(0));
  EXPECT_EQ(notes({{"target_modules", "all-linear"}, {"layers_to_transform", nullptr}}).size(), 1u);
  EXPECT_TRUE(notes({{"target_modules", "("}}).empty());
}

TEST_F(AdapterFiles, OfOtherKindsAreRefusedByName) {
  expect_in("DoRA", refused({{"use_dora", true}}));
  expect_in("biases", refused({{"bias", "all"}}));
  expect_in("saved whole", refused({{"modules_to_save", {"lm_head"}}}));
  expect_in("LOHA", refused({{"peft_type", "LOHA"}}));
  expect_in("pissa", refused({{"init_lora_weights", "pissa_niter_4"}}));
  expect_in("found 0", refused({{"r", 0}}));
  expect_in("found 2.5", refused({{"r", 2.5}}));
  expect_in("[3,51]", refused({{"r", 3}}));
  expect_in("r a number", refused({{"r", nullptr}}));
  expect_in("lora_alpha", refused({{"lora_alpha", "8"}}));
  expect_in("expression", refused({{"alpha_pattern", {{"(", 3}}}}));
  expect_in("lora_dropout", refused({{"lora_dropout", 1.5}}));
}

TEST_F(AdapterFiles, SayWhereTheirBaseIs) {
  const auto base_is = [&](const nlohmann::json& base) {
    auto changed = config();
    changed["base_model_name_or_path"] = base;
    folder_.write("adapter/adapter_config.json", changed.dump());
  };
  base_is("../base");
  EXPECT_EQ(open(adapter_).weights_hash(), hash_) << "as seen from the adapter's folder";
  base_is("nowhere/model");
  expect_in("nowhere/model", error_of(ErrorKind::input, [&] { open(adapter_); }));
  base_is(nullptr);
  expect_in("--adapter", error_of(ErrorKind::input, [&] { open(adapter_); }));
  base_is(adapter_);
  expect_in("an adapter itself", error_of(ErrorKind::input, [&] { open(adapter_); }));
  expect_in("not an adapter", error_of(ErrorKind::input, [&] { with_adapter(open(base_), base_); }));
}

TEST_F(AdapterFiles, PatternsOfPeftsConfigChangeRankAndScale) {
  const Model model = open(HONE_TEST_DATA "/adapters/gpt2");
  std::map<std::string, LoraModule> modules;
  for (const LoraModule& m : model.impl().adapter->modules) modules[m.name] = m;
  EXPECT_EQ(modules.at("transformer.h.0.attn.c_attn").scale, 2.0f);
  EXPECT_EQ(modules.at("transformer.h.0.mlp.c_proj"), (LoraModule{"transformer.h.0.mlp.c_proj", 2, 4.0f}));
  EXPECT_EQ(modules.at("transformer.h.1.attn.c_proj").scale, 1.25f);
}

TEST(LoraTargets, AreFoundAsPeftFindsThem) {
  const Model base = TinyGpt2{}.model();
  const auto names = [&](std::vector<std::string> targets) {
    std::set<std::string> found;
    const Model model = with_lora(base, {.targets = std::move(targets)});
    for (const LoraModule& m : model.impl().adapter->modules)
      found.insert(m.name.substr(std::string("transformer.h.").size()));
    return found;
  };
  using Names = std::set<std::string>;
  EXPECT_EQ(names({"all-linear"}), (Names{"0.attn.c_attn", "0.attn.c_proj", "0.mlp.c_fc", "0.mlp.c_proj",
                                          "1.attn.c_attn", "1.attn.c_proj", "1.mlp.c_fc", "1.mlp.c_proj"}));
  EXPECT_EQ(names({"c_proj"}), (Names{"0.attn.c_proj", "0.mlp.c_proj", "1.attn.c_proj", "1.mlp.c_proj"}));
  EXPECT_EQ(names({"attn.c_proj", "h.0.mlp.c_fc"}), (Names{"0.attn.c_proj", "1.attn.c_proj", "0.mlp.c_fc"}));
  expect_in("c_attn, c_fc, c_proj", error_of(ErrorKind::usage, [&] {
              with_lora(base, {.targets = {"c_attn", "q_proj"}});
            }));
  error_of(ErrorKind::usage, [&] { with_lora(base, {.rank = 0}); });
  error_of(ErrorKind::usage, [&] { with_lora(base, {.alpha = 0}); });
  error_of(ErrorKind::usage, [&] { with_lora(base, {.dropout = 1}); });
  error_of(ErrorKind::usage, [&] { with_lora(base, {.targets = {}}); });
  expect_in("already", error_of(ErrorKind::usage, [&] { with_lora(with_lora(base), {}); }));
}

}  // namespace
}  // namespace hone
