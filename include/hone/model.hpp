// A model: an architecture and read-only weights. A value, cheap to copy, shared by any number of threads.
//
//   const hone::Model gpt = hone::preset("nano", {.vocab_size = 256});  // initialisers, no memory yet
//   const hone::Model tuned = hone::open("out");                        // a folder in Hugging Face's layout
//   std::vector<float> wte(tuned.size("transformer.wte.weight"));
//   tuned.read("transformer.wte.weight", wte);
//   tuned.save("copy");
//
// Nothing ever changes a Model; training copies its weights, and a trainer's model() is a new one.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "hone/builder.hpp"
#include "hone/tokenizer.hpp"

namespace hone {

struct ModelOptions {
  std::int64_t vocab_size = 0;      // 0: the preset's or config's own
  std::int64_t tokenizer_size = 0;  // the vocabulary where neither says one
  std::int64_t context = 0;         // most positions of a sequence; 0: the preset's or config's own
  std::optional<float> dropout{};   // everywhere that the family has it; none: the config's own
  std::uint64_t seed = 0;           // of initial values
  std::map<std::string, std::int64_t, std::less<>> sizes{};  // of a network: what Builder::size says by name
  SequenceTokens sequence_tokens{};                          // where config.json says none
};

struct SaveOptions {
  // A file of weights that would have more is cut into shards of at most so many, or of one tensor.
  std::int64_t max_shard_bytes = 5'000'000'000;
};

struct WeightInfo {
  std::string name{};
  std::vector<std::int64_t> shape{};  // as files keep it
};

class HONE_API Model {
 public:
  // An architecture of one's own, with fresh weights; options.vocab_size and context must be given. Calls it
  // once; later calls, for other shapes, must make the same weights. Error(input) names what is wrong with it
  // by its own scopes: shapes, tables with too few rows, a weight that the logits do not depend on.
  Model(Architecture architecture, const ModelOptions& options);
  // The same of a network in general, with inputs and outputs of its own, and what it is trained for where a
  // plan says nothing else. Neither vocabulary nor context need be given.
  Model(Network network, Objective objective, const ModelOptions& options = {});
  Model(const Model&) = default;  // shares; a move copies, so that no Model is ever empty
  Model(Model&& other) noexcept { impl_ = other.impl_; }
  Model& operator=(const Model&) = default;

  const std::string& family() const;  // "gpt2", or "custom"
  std::int64_t vocab_size() const;
  std::int64_t context() const;
  bool reads_source() const;               // has it an input "source": an encoder-decoder, which learns pairs
  SequenceTokens sequence_tokens() const;  // what config.json says of them
  std::int64_t parameters() const;         // how many numbers its weights have, frozen ones too
  std::vector<WeightInfo> weights() const;
  // Error(usage) where there is no such weight, naming the nearest, or where the span has another size.
  std::int64_t size(const std::string& name) const;                   // elements
  void read(const std::string& name, std::span<float> values) const;  // in f32, as files keep it
  std::string config_json() const;                                    // the text of config.json
  // What is worth saying of the files it came from: keys and tensors that have no effect, a head that the
  // weights have of their own. A line each; empty for most.
  const std::vector<std::string>& notes() const;
  // 32 hex digits of all f32 weights by name: the same for any file that holds the same numbers.
  std::string weights_hash() const;
  // 32 hex digits by which whoever keeps results of a model knows it again: of its weights' numbers, of the
  // types in which they are stored, and of what its forward program does with them where no sequence is
  // longer than `longest`. The same weights under another config, or beside an adapter of another scale, are
  // another model.
  std::string identity(std::int64_t longest) const;
  // config.json and model.safetensors, or shards and their index; the folder is made where it is missing.
  // Weights are f32; of a model that has some in types of blocks (quantized ones) each keeps its type, and
  // config.json says which (doc/formats.md).
  void save(const std::string& folder, const SaveOptions& options = {}) const;

  struct Impl;
  explicit Model(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  const Impl& impl() const { return *impl_; }

 private:
  std::shared_ptr<const Impl> impl_;
};

// A family's preset by name: "gpt2" (124M: 12 layers, 768 wide, 12 heads), "nano" (6 layers, 384, 6 heads),
// "mini" (4 layers, 256, 4 heads) and "micro" (3 layers, 192, 3 heads), which are the demo's, "tiny" (2
// layers, 128, 4 heads: trained in seconds); "smollm2-135m" and "llama-tiny" of llama; "transformer-base"
// (encoder-decoder, 6+6 layers, 512, 8 heads) and "transformer-tiny" (2+2 layers, 128, 4 heads), which read a
// source and write a target. Error(usage) for any other.
HONE_API Model preset(const std::string& name, const ModelOptions& options = {});
HONE_API std::vector<std::string> preset_names();
// A config.json: its architecture with fresh weights.
HONE_API Model from_config(const std::string& path, const ModelOptions& options = {});
// A folder with config.json and model.safetensors, or shards and their index. Weights may go by any name that
// the field's tools give them (doc/formats.md). Error(input) for one that is missing or of another shape, and
// for tensors of the model's own part that it has no place for: more layers than config.json says, an adapter
// that is not merged. Of the options `dropout` overrides config.json; sizes must be the folder's own.
// Or a GGUF file of a family that hone has (llama, qwen2, qwen3, gemma3): its metadata are the config, and
// its weights stay where they lie, in the file's own types. Error(input) for types and keys that are not
// known.
HONE_API Model open(const std::string& path, const ModelOptions& options = {});
// The same for a folder that a model with this architecture of one's own was saved to. Error(input) for one
// of another architecture, by its weights or by the program that config.json keeps (doc/formats.md).
HONE_API Model open(const std::string& folder, Architecture architecture);
HONE_API Model open(const std::string& folder, Network network, Objective objective,
                    const ModelOptions& options = {});
// What `--model` takes: a preset, a config.json, or a folder.
HONE_API Model find_model(const std::string& what, const ModelOptions& options = {});

}  // namespace hone
