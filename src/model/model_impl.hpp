// What a Model holds and how it is made; for the rooms above that train and run it.
#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "file/weight_types.hpp"
#include "hone/convert.hpp"
#include "hone/model.hpp"
#include "op/builder_state.hpp"
#include "pass/lora.hpp"
#include "store/weight_store.hpp"

namespace hone {

// A change of a model's forward program that belongs to the model: it may add parameters. Appends nodes and
// tensors, or changes nodes where they stand (ir/rewrite.hpp), so that ids stay what they are. The options
// say what the program is for.
using ForwardPass = std::function<void(Program&, const BuildOptions&)>;

// What a model was given beside its own weights, which are frozen then; its parameters are those that train.
struct Adapter {
  std::string config;  // the text of adapter_config.json
  std::vector<LoraModule> modules;
  float dropout = 0;
};

struct Model::Impl {
  std::string family;
  std::string config;  // the text of config.json
  std::int64_t vocab_size = 0, context = 0;
  std::map<std::string, std::int64_t, std::less<>> sizes;
  Network network;
  Objective objective = next_token();
  std::vector<ForwardPass> passes;
  std::vector<ParameterSpec> specs;  // what leaves the passes
  WeightStore store;
  const FamilyNames* family_names = nullptr;  // of its family; none for an architecture of one's own
  std::vector<std::string> notes;
  std::shared_ptr<const Adapter> adapter;  // none: the model is all its own
  // A trainer only reads what is frozen, and holds it as those do who only read (model/model_weights.hpp).
  bool frozen_base = false;

  // A folder of it holds a config and weights: the model's, or its adapter's alone. Of `all`, its weights in
  // the types in which they are kept, those that are saved.
  const char* config_file() const { return adapter ? "adapter_config.json" : "config.json"; }
  const char* weights_file() const { return adapter ? "adapter_model.safetensors" : "model.safetensors"; }
  std::vector<ParameterSpec> saved(const std::vector<ParameterSpec>& all) const;

  const ParameterSpec* find(const std::string& name) const;  // null where there is none
  const ParameterSpec& spec(const std::string& name) const;  // Error(usage) that names the nearest
  // The forward program, with the model's own passes. Error(input) where its weights are not those of the
  // first call: what is trained, saved and read is decided once.
  Forward write(BuildOptions options) const;
  // The same and an objective: outputs are its terms, and of the network's those named.
  Forward write(const Objective& objective, BuildOptions options,
                const std::vector<std::string>& keep_outputs = {}) const;
};

// bos_token_id, eos_token_id and pad_token_id of a config, where they are ids; and sets those that it lacks.
SequenceTokens sequence_tokens_of(const nlohmann::json& config);
void add_sequence_tokens(nlohmann::json& config, const SequenceTokens& tokens);

// A model of a config.json that was read from `where`, with fresh weights.
Model from_json(nlohmann::json config, const ModelOptions& options, const std::string& where);
// One of an architecture of one's own; config.json keeps its program under architecture_key.
Model custom_model(Architecture architecture, const ModelOptions& options);
Model custom_model(Network network, Objective objective, const ModelOptions& options);
inline constexpr const char* architecture_key = "architecture";

// Error(input) for a file that stands where a model does, with what it is and the folder that it may be of.
[[noreturn]] void refuse_file(const std::string& path, const std::string& expected);

// A model's weights, each in the type that its store has it in.
std::vector<ParameterSpec> stored_weights(const Model& model);
// A model's weights in the types in which it is saved: f32, but of one that has weights in blocks,
// sparse ones or tensor trains each as its store has it.
std::vector<ParameterSpec> kept_weights(const Model& model);
// Weights as a folder's files have them: of each that the store keeps as a tree of components, in the type
// that it has there, the components.
std::vector<ParameterSpec> filed_weights(const Model& model, const std::vector<ParameterSpec>& weights);
bool has_blocks(const Model& model);  // is one of its weights in blocks?
// What config.json says of what files have: blocks, sparse weights and tensor trains.
WeightTypes weight_types_of(const Model& model, const std::vector<ParameterSpec>& filed);
// config.json as it stands beside what files have, or an adapter's config.
std::string saved_config(const Model& model, const std::vector<ParameterSpec>& filed);
// A folder of the model: of `filed`, its weights in the types in which `read` gives them, those that are
// saved.
void save_folder(const Model& model, const std::string& folder, const std::vector<ParameterSpec>& filed,
                 const WeightReader& read, const SaveOptions& options);

// From this share on a model counts as pruned: rounding to codes around zero, in which a model may have been
// kept before, makes some weights zero too.
inline constexpr double pruned_from = 0.2;

// The same model with other weights.
Model with_weights(const Model& model, WeightStore store);
// The same model with a further pass; weights that it adds have their initial values.
Model with_pass(const Model& model, ForwardPass pass);
// A GGUF file; sizes and weights are its own.
Model open_gguf(const std::string& path, const ModelOptions& options);
// A folder that such a model of an architecture of one's own was saved to.
Model open_custom(const std::string& folder, Network network, Objective objective,
                  const ModelOptions& options, const std::vector<ForwardPass>& passes);

}  // namespace hone
