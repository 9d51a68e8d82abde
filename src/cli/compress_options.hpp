// IN OUT and the options that all commands have which make a model smaller, and their report.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "hone/calibration.hpp"
#include "hone/compress.hpp"
#include "hone/correction.hpp"
#include "hone/report.hpp"
#include "hone/sparse.hpp"

namespace hone::cli {

struct CompressArguments {
  std::string in, out, max_loss_increase, report_file, calibration;
  CompressOptions options;
  bool json = false;
  std::string storage = "dense";     // of what is zero, where add_storage_to() was called
  std::vector<SparseLayer> layers;   // what store() made of it
  std::int64_t correction_rank = 0;  // where add_corrections_to() was called
  std::string correction_of;
  const Command* command = nullptr;  // that has these options

  // `learns`: what the method takes from --data, for the help; empty: nothing.
  void add_to(Command& command, const std::string& learns);
  // Before the work, which takes so much for a sample: keeps to --memory, and says of a text that it is
  // short.
  using Work = std::function<WorkMemory(const CalibrationOptions&)>;
  void fit(const Compression& compression, CalibrationOptions& sample, bool learns, const Work& work) const;
  void add_folders_to(Command& command);  // of what makes a folder of a folder, and learns nothing
  void add_storage_to(Command& command);
  void add_corrections_to(Command& command);
  CorrectionOptions correction() const;
  // The model in that storage, with notes; fills `layers`.
  Model store(Model model);
  // What is wrong with a model, of which several are named, is said of IN.
  void of_in(const std::function<void()>& work) const;
  // Those by which quality is measured and said, and no others.
  void add_quality_to(Command& command);
  // The sample that a method learns from: threads and instruction set as all, a live line that says `what`.
  void set(CalibrationOptions& sample, const std::string& what) const;
  // Says of those that were given and do nothing that they do. `learns`: is something learned from a text?
  void note_without_effect(bool learns) const;
  void check_report() const;  // Error(failed) where it could not be written
  void write_report(const CompressReport& report, const std::string& to) const;
  void check_storage() const;  // Error(usage) where OUT cannot have it, or corrections
  // Says what is worth knowing of the model and the texts. From here on a signal leaves nothing unfinished,
  // and what OUT is has a report before it has its name.
  Compression open() const;
  void print(const CompressReport& report) const { print(report, out); }
  // The same of a model that went to `to` in another way; `weights_hash`: a further key, where there is one.
  void print(const CompressReport& report, const std::string& to, const std::string& weights_hash = {}) const;

 private:
  void add_measuring_to(Command& command, const std::string& learns);
};

// A report's two models as rows of a table, and how they were measured, in a sentence.
CompressionRow before_row(const std::string& name, const CompressReport& report);
CompressionRow after_row(const std::string& name, const CompressReport& report);
std::string measured_by(const CompressReport& report);

// "3%" or "0.03": 0.03. Error(usage), said of `option`, for what is no number of either kind.
double share_from_text(const std::string& text, const std::string& option);

}  // namespace hone::cli
