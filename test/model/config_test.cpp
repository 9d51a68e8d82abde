// config.json as the field writes it.
#include <gtest/gtest.h>

#include "hone/model.hpp"
#include "temporary_folder.hpp"

namespace hone {
namespace {

// A small gpt2 config with more keys.
std::string config(const std::string& more) {
  return R"({"model_type": "gpt2", "n_layer": 2, "n_head": 4, "n_embd": 64, "n_positions": 32, "vocab_size": 99)" +
         more + "}";
}

Model model_of(const std::string& text, const ModelOptions& options = {}) {
  const TemporaryFolder folder;
  return from_config(folder.write("config.json", text), options);
}

std::string refused(const std::string& more) {
  return error_of(ErrorKind::input, [&] { model_of(config(more)); });
}

// What gpt2-medium's file on the Hub has, at a smaller size.
constexpr const char* hub_keys =
    R"(, "n_ctx": 1024, "activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"],
  "bos_token_id": 50256, "eos_token_id": 50256, "summary_type": "cls_index", "summary_first_dropout": 0.1,
  "task_specific_params": {"text-generation": {"do_sample": true, "max_length": 50}}, "use_cache": true,
  "torch_dtype": "float32", "_num_labels": 1, "id2label": {"0": "LABEL_0"}, "pruned_heads": {}, "output_past": true,
  "is_encoder_decoder": false, "quantization_config": null, "no_repeat_ngram_size": 0)";

TEST(Config, KeysThatDoNothingAreNotSpokenOf) { EXPECT_TRUE(model_of(config(hub_keys)).notes().empty()); }

TEST(Config, UnknownKeysAreNamedInOneNote) {
  const auto notes =
      model_of(config(std::string(hub_keys) + R"(, "n_special": 0, "predict_special_tokens": true)")).notes();
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_NE(notes[0].find("n_special, predict_special_tokens"), std::string::npos) << notes[0];
}

TEST(Config, KeysThatMakeAnotherFunctionAreRefused) {
  for (const char* more :
       {R"(, "add_cross_attention": true)", R"(, "is_encoder_decoder": true)",
        R"(, "pruned_heads": {"0": [1]})", R"(, "quantization_config": {"load_in_4bit": true})",
        R"(, "activation_function": "xielu")"}) {
    const std::string key = std::string(more).substr(3, std::string(more).find('"', 3) - 3);
    EXPECT_NE(refused(more).find(key), std::string::npos) << more;
  }
}

TEST(Config, GeneralNamesOfSizesAreTakenAndMayNotContradict) {
  const Model general = model_of(
      R"({"model_type": "gpt2", "num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 64,
          "max_position_embeddings": 32, "vocab_size": 99})");
  EXPECT_EQ(general.config_json(), model_of(config("")).config_json());
  EXPECT_NE(refused(R"(, "hidden_size": 32)").find("hidden_size"), std::string::npos);
}

TEST(Config, NumbersMustBeSizes) {
  for (const char* inner : {"0", "-1", "64.0", "1e3", "true", "\"64\"", "99999999999999999999"})
    EXPECT_NE(refused(std::string(R"(, "n_inner": )") + inner).find("n_inner"), std::string::npos) << inner;
  EXPECT_NE(
      error_of(ErrorKind::input,
               [] {
                 model_of(R"({"model_type": "gpt2", "n_layer": 9999, "n_head": 1000000, "n_embd": 100000000,
                           "n_positions": 1, "vocab_size": 9})");
               })
          .find("1e15"),
      std::string::npos);
  for (const char* drop : {"-0.1", "1", "1.5", "\"a\"", "null"})
    EXPECT_NE(refused(std::string(R"(, "attn_pdrop": )") + drop).find("attn_pdrop"), std::string::npos)
        << drop;
}

}  // namespace
}  // namespace hone
