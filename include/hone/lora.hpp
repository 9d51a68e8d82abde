// Adapters of low rank (LoRA; Hu et al., 2021): a model that is fine-tuned by a few small matrices beside its
// products, while its own weights stay as they are. They need neither gradients nor optimizer states, and are
// not copied: many times less memory than training the model.
//
//   const hone::Model base = hone::open("SmolLM2-135M");
//   const hone::Model model = hone::with_lora(base, {.rank = 8, .targets = {"q_proj", "v_proj"}});
//   hone::Trainer trainer(hone::TrainPlan(model, {.batch = 8, .seq = 256}));   // trains the adapter alone
//   trainer.save("adapter");                       // PEFT's files: adapter_config.json and its safetensors
//   hone::merge(hone::with_adapter(base, "adapter"), "merged");                // one model again
//
// An adapted model is a Model like any other: it is trained, evaluated, generates. Its folder is the
// adapter's, in PEFT's format, with PEFT's names; hone::open() of such a folder opens the base that it names.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hone/model.hpp"
#include "hone/precision.hpp"

namespace hone {

struct LoraOptions {
  std::int64_t rank = 8;
  // An adapter's part is multiplied by alpha / rank, or with rslora alpha / sqrt(rank) (Kalajdzievski, 2023).
  // None: twice the rank.
  std::optional<double> alpha{};
  float dropout = 0;  // of what an adapter reads, in training
  // Which products have one: by their modules' names ("h.0.attn.c_attn"), or how those end ("c_attn");
  // "all-linear" alone is every one but the head (Dettmers et al., 2023).
  std::vector<std::string> targets{"all-linear"};
  bool rslora = false;
  std::uint64_t seed = 0;  // of initial values; the adapter's part begins as zero
  std::string base{};      // what the adapter's files call its base: a folder
};

// Error(usage) for a rank, alpha or dropout that is none, for a target that no product has (with those that
// there are), and for a model that has an adapter already.
HONE_API Model with_lora(const Model& base, const LoraOptions& options = {});
// The model with an adapter in PEFT's format. Error(input) where it is another model's, by its modules' names
// and shapes, and for what hone does not compute: DoRA, biases, adapters of embeddings, modules saved whole.
HONE_API Model with_adapter(const Model& base, const std::string& folder);
// The model that computes the same without an adapter, W + scale B A, as a folder; weights in `dtype`, or in
// the types that the base's files have, with the tokenizers and chat templates of `tokenizers`, folders or
// GGUF files, the first before the second; what is worth saying of these is returned. The folder is whole or
// not there. Error(usage) where it holds a model.
HONE_API std::vector<std::string> merge(const Model& adapted, const std::string& folder,
                                        std::optional<Precision> dtype = {},
                                        const std::vector<std::string>& tokenizers = {});
// Does `folder` hold an adapter, and no model of its own?
HONE_API bool is_adapter(const std::string& folder);
// How many numbers the model's adapter has; 0: it has none.
HONE_API std::int64_t adapter_parameters(const Model& model);

}  // namespace hone
