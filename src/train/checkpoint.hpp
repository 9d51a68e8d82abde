// The folder of a checkpoint: a model folder (config.json, model.safetensors) with the optimizer's state,
// what the step after needs to know (state.json), and the digests of all files, as xxh128sum writes and
// checks them.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "train/checkpoint_state.hpp"
#include "train/trainer_impl.hpp"

namespace hone {

// Texts by file name.
using CheckpointTexts = std::map<std::string, std::string>;

// All but tensors, as it is now. Error(usage) for notes that are no UTF-8, and for names that no file here
// can have.
CheckpointTexts checkpoint_texts(const Trainer::Impl& trainer, CheckpointOptions options);
// Says when no more is read of the trainer.
void write_checkpoint(const Trainer::Impl& trainer, const std::string& folder, const CheckpointTexts& texts,
                      bool compress, const Saver::Copying& copying);

// Error(input) where a file is missing, damaged, or of a format that is not read.
CheckpointState read_checkpoint_state(const std::string& folder);  // state.json alone
// The path of a file of the folder, if it is as its digest says.
std::optional<std::string> whole_file_of(const std::string& folder, const std::string& name);
void require_whole_checkpoint(const std::string& folder);  // every file against its digest

}  // namespace hone
