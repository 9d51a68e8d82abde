// A model's moments on a text, kept in a file and used again: a safetensors file with a triangle for each
// input of products, and in its metadata whose they are (doc/formats.md).
//
//   MomentsWriter writer(path, of, specs);
//   writer.add(layer);  // layer by layer, in the order of specs
//   writer.commit();
//   const MomentsFile file(path, of);
//   const Moments m = file.read("model.layers.0.mlp.up_proj.weight", positions);
#pragma once
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "compress/calibrate.hpp"
#include "file/safetensors.hpp"

namespace hone {

struct MomentsOf {
  std::string model, config, text;  // digests of the weights, of config.json and of the text's tokens
  std::int64_t windows = 0, seq = 0;
};

// Of an input [..,width] that so named a weight multiplies, the first one by name of those that do.
struct MomentsSpec {
  std::string weight;
  std::int64_t width = 0;
};

class MomentsWriter {
 public:
  MomentsWriter(const std::string& path, const MomentsOf& of, const std::vector<MomentsSpec>& specs);
  void add(const LayerMoments& layer);
  void commit();

 private:
  SafetensorsWriter file_;
  Digest digest_;
};

class MomentsFile {
 public:
  // Error(input) for a file that is no such one, or of another model, text or sample, or a byte of which has
  // changed: it is read once, a tensor at a time.
  MomentsFile(const std::string& path, const MomentsOf& of);
  Moments read(const std::string& weight, std::int64_t positions) const;

 private:
  void require_whole() const;
  SafetensorsFile file_;
};

}  // namespace hone
