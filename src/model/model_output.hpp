// Where a model is written to: a new folder or GGUF file, by its name, which is there whole or not at all.
//
//   ModelOutput out(from, to);  // before any work: what would be in vain at its end is refused
//   const ConvertReport written = write_model(model, from, out);
//   out.publish();              // without it nothing is left
#pragma once
#include <optional>
#include <string>

#include "file/atomic.hpp"
#include "file/new_folder.hpp"
#include "hone/convert.hpp"
#include "hone/model.hpp"

namespace hone {

bool is_gguf_name(const std::string& path);
// Error(usage) for a GGUF file's name where only folders are written.
void require_folder_name(const std::string& to);

class ModelOutput {
 public:
  // Whoever writes a model replaces none, nor anything else: Error(usage) where `to` is a folder with a
  // model, or a file; a GGUF file's name must stand for nothing. With `from`, the model that is read, also
  // where both are one, and where the folder has another tokenizer, which would stay beside the model.
  // Error(failed) where it cannot be written, or another process writes it; none can until it is published.
  ModelOutput(const std::string& from, const std::string& to);
  explicit ModelOutput(const std::string& to) : ModelOutput("", to) {}

  bool is_gguf() const { return file_.has_value(); }
  const std::string& folder() const { return folder_->staging(); }  // to write into, of one
  AtomicFile& file() { return *file_; }                             // the other one, open
  // Error(usage) where `to` is a folder with files that would stay beside the model.
  void require_empty() const;
  std::int64_t weight_file_bytes() const;  // of what was written until now
  void publish();

 private:
  std::string to_;
  std::optional<NewFolder> folder_;
  std::optional<AtomicFile> file_;
};

// The model with the tokenizer of `from`; in a folder weights keep the types that they have, in a GGUF file
// those that are in blocks keep their codes. Error(usage) for a type that the file cannot have.
ConvertReport write_model(const Model& model, const std::string& from, ModelOutput& out);
// The bytes of all files of weights that this would make: headers too, of a GGUF file the tokenizer.
std::int64_t model_file_bytes(const Model& model, const std::string& from, bool gguf);
// Error(input) for a model that no GGUF file can be of; Error(usage) where it has factors, corrections or a
// tensor train, which that would have multiplied out.
void require_gguf(const Model& model, const std::string& from);
void require_whole_weights(const Model& model, const std::string& where);
// What a model has in the place of whole weights, or beside them; null where it has these alone.
const char* parts_of_weights(const Model& model);

}  // namespace hone
