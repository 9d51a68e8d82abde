// Folders of weights as the field's tools write them. Each is made of one small model; what is right follows
// from it.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>

#include "base/types.hpp"
#include "file/safetensors.hpp"
#include "hone/generate.hpp"
#include "hone/model.hpp"
#include "temporary_folder.hpp"

namespace hone {
namespace {

constexpr const char* table = "transformer.wte.weight";
constexpr const char* head = "lm_head.weight";

struct Stored {
  std::vector<std::int64_t> shape;
  std::vector<float> values;
};
using Weights = std::map<std::string, Stored>;

class Folder : public testing::Test {
 protected:
  Folder()
      : plain_(from_config(folder_.write("config.json", R"({"model_type": "gpt2", "n_layer": 2, "n_head": 2,
          "n_embd": 16, "n_positions": 16, "vocab_size": 11, "attn_pdrop": 0, "embd_pdrop": 0})"))) {
    for (const WeightInfo& w : plain_.weights()) {
      std::vector<float> values(static_cast<std::size_t>(plain_.size(w.name)));
      plain_.read(w.name, values);
      weights_[w.name] = {w.shape, std::move(values)};
    }
  }

  void write(const Weights& weights, const std::string& file = "model.safetensors") {
    std::vector<SafetensorsSpec> specs;
    for (const auto& [name, w] : weights) specs.push_back({name, "F32", w.shape});
    SafetensorsWriter writer(folder_.file(file), specs);
    for (const auto& [name, w] : weights) writer.write(name, std::as_bytes(std::span(w.values)));
    writer.commit();
  }

  void write_config(const nlohmann::json& changes = nlohmann::json::object()) {
    auto config = nlohmann::json::parse(plain_.config_json());
    config.update(changes);
    folder_.write("config.json", config.dump());
  }

  Weights renamed(const std::function<std::string(std::string)>& f) const {
    Weights all;
    for (const auto& [name, w] : weights_) all[f(name)] = w;
    return all;
  }

  Model opened(const Weights& weights, const nlohmann::json& config = nlohmann::json::object()) {
    write(weights);
    write_config(config);
    return open(folder_.path());
  }

  void expect_plain(const Weights& weights) {
    const Model model = opened(weights);
    EXPECT_EQ(model.weights_hash(), plain_.weights_hash()) << weights.begin()->first;
    EXPECT_TRUE(model.notes().empty()) << model.notes().front();
  }

  std::string refused(const Weights& weights, const nlohmann::json& config = nlohmann::json::object()) {
    return error_of(ErrorKind::input, [&] { opened(weights, config); });
  }

  TemporaryFolder folder_;
  Model plain_;
  Weights weights_;
};

std::string without_trunk(const std::string& name) { return name.substr(std::string("transformer.").size()); }

void expect_in(const char* words, const std::string& text) {
  EXPECT_NE(text.find(words), std::string::npos) << text;
}

TEST_F(Folder, WrappersAndTheTrunksPrefixDoNotMatter) {
  for (const char* prefix :
       {"_orig_mod.", "module.", "module._orig_mod.", "_orig_mod.module.", "model.", "base_model.model."}) {
    expect_plain(renamed([&](const std::string& n) { return prefix + n; }));
    expect_plain(renamed([&](const std::string& n) { return prefix + without_trunk(n); }));
  }
  expect_plain(renamed(without_trunk));
  expect_plain(renamed([](std::string n) {  // blocks that were compiled one by one
    if (const auto at = n.find(".ln_1"); at != std::string::npos) n.insert(at, "._orig_mod");
    return n;
  }));
}

TEST_F(Folder, ATiedTableMayBeStoredUnderTheHeadsName) {
  Weights all = weights_;
  all[head] = all.at(table);
  expect_plain(all);  // under both
  all.erase(table);
  expect_plain(all);
  Weights bare;
  for (const auto& [name, w] : all) bare["_orig_mod." + (name == head ? name : without_trunk(name))] = w;
  expect_plain(bare);
}

// Twice the table as a head gives twice the logits: a product by 2 is exact.
TEST_F(Folder, AHeadOfItsOwnIsUsedWhateverTheConfigSays) {
  Weights all = weights_;
  Stored twice = all.at(table);
  for (float& x : twice.values) x *= 2;
  all[head] = twice;
  const Model own = opened(all);
  ASSERT_EQ(own.notes().size(), 1u);
  expect_in("lm_head.weight", own.notes()[0]);
  const std::vector<std::int32_t> ids{3, 1, 4};
  Generator tied{GeneratePlan(plain_)}, untied{GeneratePlan(own)};
  tied.append(ids);
  untied.append(ids);
  for (std::size_t i = 0; i < tied.logits().size(); ++i) EXPECT_EQ(untied.logits()[i], 2 * tied.logits()[i]);

  const Model said = opened(all, {{"tie_word_embeddings", false}});
  EXPECT_TRUE(said.notes().empty());
  EXPECT_EQ(said.weights_hash(), own.weights_hash());
  const TemporaryFolder copy;  // and what is saved says so
  own.save(copy.path());
  EXPECT_TRUE(open(copy.path()).notes().empty());
  EXPECT_EQ(open(copy.path()).weights_hash(), own.weights_hash());
}

template <class T>
std::vector<std::byte> bytes_as(const std::vector<float>& values) {
  std::vector<T> typed;
  for (const float x : values) {
    if constexpr (std::is_same_v<T, bf16>)
      typed.push_back(to_bf16(x));
    else if constexpr (std::is_same_v<T, f16>)
      typed.push_back(to_f16(x));
    else
      typed.push_back(static_cast<T>(x));
  }
  const auto bytes = std::as_bytes(std::span(typed));
  return {bytes.begin(), bytes.end()};
}

// Whole numbers up to 100, which every type has.
TEST_F(Folder, WeightsOfEveryTypeAreRead) {
  for (auto& [name, w] : weights_)
    for (std::size_t i = 0; i < w.values.size(); ++i) w.values[i] = static_cast<float>(i % 101);
  const std::string expected = opened(weights_).weights_hash();
  const std::pair<const char*, std::vector<std::byte> (*)(const std::vector<float>&)> types[] = {
      {"BF16", bytes_as<bf16>},        {"F16", bytes_as<f16>},          {"F64", bytes_as<double>},
      {"I8", bytes_as<std::int8_t>},   {"U8", bytes_as<std::uint8_t>},  {"I32", bytes_as<std::int32_t>},
      {"I64", bytes_as<std::int64_t>}, {"U16", bytes_as<std::uint16_t>}};
  for (const auto& [type, bytes] : types) {
    std::vector<SafetensorsSpec> specs;
    for (const auto& [name, w] : weights_) specs.push_back({name, type, w.shape});
    SafetensorsWriter writer(folder_.file("model.safetensors"), specs);
    for (const auto& [name, w] : weights_) writer.write(name, bytes(w.values));
    writer.commit();
    if (std::string_view(type) == "U16")
      expect_in("found U16", error_of(ErrorKind::input, [&] { open(folder_.path()); }));
    else
      EXPECT_EQ(open(folder_.path()).weights_hash(), expected) << type;
  }
}

// Transformers reads a folder in the type that its config.json names.
TEST_F(Folder, WhatIsSavedSaysTheTypeOfItsWeights) {
  const Model model = opened(weights_, {{"torch_dtype", "bfloat16"}, {"dtype", "bfloat16"}});
  const TemporaryFolder copy;
  model.save(copy.path());
  const auto config = nlohmann::json::parse(read_whole(copy.file("config.json")));
  EXPECT_EQ(config.at("torch_dtype"), "float32");
  EXPECT_EQ(config.at("dtype"), "float32");
}

TEST_F(Folder, KnownBuffersAreSilentAndOtherHeadsAreNamed) {
  Weights all = weights_;
  all["transformer.h.0.attn.bias"] = {{1, 1, 2, 2}, {1, 0, 1, 1}};
  all["transformer.h.0.attn.masked_bias"] = {{}, {-1e4f}};
  expect_plain(all);
  all["score.weight"] = {{1, 2}, {1, 2}};
  all["v_head.summary.bias"] = {{1}, {1}};
  const Model model = opened(all);
  EXPECT_EQ(model.weights_hash(), plain_.weights_hash());
  ASSERT_EQ(model.notes().size(), 1u);
  expect_in("score.weight, v_head.summary.bias", model.notes()[0]);
}

TEST_F(Folder, WhatChangesWhatTheModelComputesIsRefused) {
  const auto with = [&](const char* name) {
    Weights all = weights_;
    all[name] = {{1}, {1}};
    return refused(all);
  };
  expect_in("more layers than config.json says", with("transformer.h.2.ln_1.weight"));
  expect_in("h.7.ln_1.weight", with("h.7.ln_1.weight"));
  expect_in("merge_and_unload", with("base_model.model.transformer.h.0.attn.c_attn.lora_A.weight"));
  expect_in("merge_and_unload", with("transformer.h.0.attn.c_attn.lora_B.default.weight"));
  expect_in("no such weight", with("lm_head.bias"));
  expect_in("no such weight", with("transformer.h.0.crossattention.c_attn.weight"));
  expect_in("two tensors", with("wte.weight"));
}

TEST_F(Folder, WhatIsMissingOrOfAnotherShapeIsNamed) {
  expect_in("transformer.h.2.ln_1.weight and 11 more", refused(weights_, {{"n_layer", 3}}));
  expect_in("lm_head.weight", refused(weights_, {{"tie_word_embeddings", false}}));
  Weights all = weights_;
  auto& fc = all.at("transformer.h.0.mlp.c_fc.weight");
  std::swap(fc.shape[0], fc.shape[1]);
  const std::string message = refused(all);
  expect_in("model.safetensors, tensor transformer.h.0.mlp.c_fc.weight", message);
  expect_in("expected [16,64], found [64,16]", message);
  expect_in("transposed", message);
}

TEST_F(Folder, OptionsOverAFolderAreObeyedOrRefused) {
  opened(weights_);
  const Model dropped = open(folder_.path(), {.dropout = 0.25f});
  const auto config = nlohmann::json::parse(dropped.config_json());
  for (const char* key : {"attn_pdrop", "embd_pdrop", "resid_pdrop"}) EXPECT_EQ(config.at(key), 0.25) << key;
  EXPECT_EQ(dropped.weights_hash(), plain_.weights_hash());
  expect_in("vocabulary",
            error_of(ErrorKind::usage, [&] { find_model(folder_.path(), {.vocab_size = 12}); }));
  expect_in("context", error_of(ErrorKind::usage, [&] { find_model(folder_.path(), {.context = 8}); }));
}

class WeightShards : public Folder {
 protected:
  // Two files, by turns.
  void write_shards() {
    Weights parts[2];
    nlohmann::json map;
    for (const auto& [name, w] : weights_) {
      const std::size_t part = (parts[0].size() + parts[1].size()) % 2;
      parts[part][name] = w;
      map[name] = files_[part];
    }
    for (const std::size_t i : {0u, 1u}) write(parts[i], files_[i]);
    index_ = {{"metadata", {{"total_size", 1}}}, {"weight_map", map}};
    write_config();
    write_index();
  }
  void write_index() { folder_.write("model.safetensors.index.json", index_.dump()); }
  std::string refused() {
    write_index();
    return error_of(ErrorKind::input, [&] { open(folder_.path()); });
  }

  std::string files_[2]{"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"};
  nlohmann::json index_;
};

TEST_F(WeightShards, AreOpenedByTheirIndex) {
  write_shards();
  EXPECT_EQ(open(folder_.path()).weights_hash(), plain_.weights_hash());
}

TEST_F(WeightShards, TheIndexGoesBeforeAFileBesideTheShards) {
  write_shards();
  Weights other = weights_;
  other.at(table).values[0] += 1;
  write(other, "model.safetensors");
  const Model model = open(folder_.path());
  EXPECT_EQ(model.weights_hash(), plain_.weights_hash());
  ASSERT_EQ(model.notes().size(), 1u);
  expect_in("model.safetensors is not read", model.notes()[0]);
}

TEST_F(WeightShards, AreWrittenWhereOneFileWouldBeLarge) {
  const TemporaryFolder copy;
  const auto files = [&] {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(copy.path()))
      names.insert(entry.path().filename().string());
    return names;
  };
  const auto expect_same = [&] {
    const Model again = open(copy.path());
    EXPECT_EQ(again.weights_hash(), plain_.weights_hash());
    EXPECT_TRUE(again.notes().empty()) << again.notes().front();
  };
  for (const std::int64_t bytes : {1, 3000, 20000}) {
    plain_.save(copy.path(), {.max_shard_bytes = bytes});
    EXPECT_FALSE(files().contains("model.safetensors"));
    const auto index = nlohmann::json::parse(read_whole(copy.file("model.safetensors.index.json")));
    EXPECT_EQ(index.at("metadata").at("total_size"), 4 * plain_.parameters());
    std::set<std::string> shards{"config.json", "model.safetensors.index.json"};
    for (const auto& item : index.at("weight_map").items()) shards.insert(item.value().get<std::string>());
    EXPECT_EQ(files(), shards) << "shards of the save before are gone";
    expect_same();
  }
  plain_.save(copy.path());
  EXPECT_EQ(files(), (std::set<std::string>{"config.json", "model.safetensors"}));
  expect_same();
  error_of(ErrorKind::usage, [&] { plain_.save(copy.path(), {.max_shard_bytes = 0}); });
}

TEST_F(WeightShards, EachTensorIsInTheShardThatTheIndexSays) {
  write_shards();
  const nlohmann::json good = index_;
  auto& map = index_["weight_map"];
  map[table] = map[table] == files_[0] ? files_[1] : files_[0];
  expect_in(table, refused());
  index_ = good;
  index_["weight_map"].erase(table);
  expect_in(table, refused());
  index_ = good;
  index_["weight_map"]["transformer.none"] = files_[0];
  expect_in("transformer.none", refused());
  index_["weight_map"][table] = "../" + files_[0];
  expect_in("not a file of this folder", refused());
  index_["weight_map"] = "x";
  expect_in("weight_map", refused());
  index_ = good;
  std::filesystem::remove(folder_.file(files_[1]));
  expect_in("no model-00002-of-00002.safetensors", refused());
}

TEST_F(Folder, AFolderWithoutWeightsSaysWhatIsThere) {
  write_config();
  const auto message = [&] { return error_of(ErrorKind::input, [&] { open(folder_.path()); }); };
  expect_in("no model.safetensors", message());
  folder_.write("pytorch_model.bin", "x");
  expect_in("found pytorch_model.bin (it is a pickle", message());
  folder_.write("adapter_model.safetensors", "x");
  expect_in("merge it into its base model", message());
  const TemporaryFolder run;
  std::filesystem::create_directory(run.file("checkpoints"));
  expect_in("checkpoints of a run", error_of(ErrorKind::input, [&] { open(run.path()); }));
}

}  // namespace
}  // namespace hone
