// What a demo does with the model that it trained: smaller ones in folders below its own, each measured.
#pragma once
#include <string>
#include <vector>

#include "cli/demo_kept.hpp"
#include "hone/training_run.hpp"

namespace hone::cli {

struct SmallerModels {
  std::vector<SmallerModel> all;  // the trained one first
  std::string note;               // how they were measured

  std::vector<CompressionRow> rows() const;
  std::vector<JsonLine> json() const;
};

// Distils, prunes, factorizes, quantizes and packs what `run` trained, whose weights have this hash. What an
// earlier start has made of the same weights stays, as it was measured then; of other weights it goes. Says
// on stderr what is done; with `json` an event for each on stdout. Nothing where the run's data is no text,
// or its model none that continues one.
SmallerModels compress_trained(const TrainingRun& run, const std::string& weights_hash, bool json);

}  // namespace hone::cli
