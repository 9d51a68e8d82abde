// Whole parts of a model taken out, which leaves a smaller dense model of the same family.
#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "hone/model.hpp"
#include "hone/prune.hpp"
#include "hone/text.hpp"

namespace hone {

// Layers, so many that `share` of them go: one after the other the one without which the loss on a text rises
// least. (Men et al., "ShortGPT", arXiv 2403.03853, and Kim et al., "Shortened LLaMA", arXiv 2402.02834, drop
// layers by such a measure, in one go.)
Pruned prune_layers(const Model& model, const Text& text, const PruneOptions& options);
// What their measure holds, beside what is mapped.
std::int64_t prune_layers_bytes(const Model& model, const Text& text, const PruneOptions& options);

// Channels of the feed-forward, or heads of attention (keys and values with the queries that share them), the
// same number in each layer: those that add least to what the layer makes. With a text, sizes are those of
// what the layer adds on it, and what stays makes good what goes, by least squares; without, of the weights.
enum class Unit { channels, heads };
Pruned prune_units(const Model& model, const Text* text, Unit unit, const PruneOptions& options);

// Channels of the residual stream, which all layers read and add to, so the same ones everywhere. Of gpt2,
// whose width is that of its heads together, heads go with them.
Pruned prune_width(const Model& model, const Text* text, const PruneOptions& options);

// How many of `all` stay: by PruneOptions::keep, which counts `together` for each of them, else by the share
// that goes, of which at least 1 goes and not all. Error(usage) that says what there is.
std::int64_t staying(std::int64_t all, std::int64_t together, const PruneOptions& options,
                     const std::string& what);

// Transformers (5.24) opens a llama and a gemma3_text only where the heads divide the width; hone opens
// others.
bool wants_whole_heads(const nlohmann::json& config);
// The note, where that is not so of the smaller model.
void note_odd_heads(const nlohmann::json& config, std::int64_t width, std::int64_t heads,
                    std::vector<std::string>& notes);

}  // namespace hone
