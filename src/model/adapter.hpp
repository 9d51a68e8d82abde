// What the files of adapters share: modules by name, scales, an adapter put on a model.
#pragma once
#include <string>
#include <vector>

#include "file/atomic.hpp"
#include "hone/convert.hpp"
#include "hone/lora.hpp"
#include "model/model_impl.hpp"

namespace hone {

inline constexpr std::int64_t most_lora_rank = 65536;

// Does a target mean the module? By its whole name or how that ends, as PEFT has it.
bool is_named(const std::string& module, const std::string& target);
float lora_scale(double alpha, std::int64_t rank, bool rslora);
// The modules of a model that may have an adapter; Error(usage) where it has one.
std::vector<LinearModule> modules_of(const Model& model);
// The model with that adapter; values of its weights are not set.
Model adapted(const Model& base, Adapter adapter);
// The model of a folder that holds an adapter alone: its base, from where it says, with it.
Model open_adapted(const std::string& folder, const ModelOptions& options);
// The adapter of a model as a GGUF file, which is still to be committed; Error(input) for a family that
// llama.cpp's files do not have.
ConvertReport adapter_to_gguf(const Model& model, AtomicFile& to);

}  // namespace hone
