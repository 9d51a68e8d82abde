// What methods hold while they work, of options that were checked: each *_memory() of the public headers.
#pragma once
#include "hone/factorize.hpp"
#include "hone/prune.hpp"
#include "hone/quantize.hpp"

namespace hone {

WorkMemory quantize_work(const Model& model, const Text* text, const QuantizeOptions& options);
WorkMemory prune_work(const Model& model, const Text* text, const PruneOptions& options);
WorkMemory factorize_work(const Model& model, const FactorizeOptions& options, const Text* text);

}  // namespace hone
