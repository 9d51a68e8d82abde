// What a demo has measured of its smaller models, kept in a file: started again it shows the same.
#pragma once
#include <string>
#include <vector>

#include "cli/json_line.hpp"
#include "hone/report.hpp"

namespace hone::cli {

struct SmallerModel {
  std::string folder;  // empty: the trained model itself
  CompressionRow row;
  std::string note;  // how it was measured
};

JsonLine json_of(const SmallerModel& model);

class KeptModels {
 public:
  KeptModels(std::string path, const std::string& weights_hash);  // reads what there is

  bool were_there() const { return were_there_; }              // or were begun
  bool of_other_weights() const { return of_other_weights_; }  // such were there; none of them is kept
  const SmallerModel* find(const std::string& folder) const;
  void add(const SmallerModel& model);  // and writes
  void write() const;                   // all of the file, or none

 private:
  std::string path_, weights_hash_;
  std::vector<SmallerModel> models_;
  bool were_there_ = false, of_other_weights_ = false;
};

}  // namespace hone::cli
