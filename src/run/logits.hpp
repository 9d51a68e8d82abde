// The logits of a batch, all of them, in f32.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "hone/model.hpp"
#include "hone/precision.hpp"
#include "hone/text.hpp"
#include "machine/isa.hpp"

namespace hone {

struct LogitsOptions {
  std::int64_t seq = 1;
  std::map<std::string, std::int64_t, std::less<>> sizes{};
  Precision precision = Precision::f32;
  int threads = 0;
  Isa isa = best_isa();
};
std::vector<float> logits_of(const Model& model, const Samples& samples, const LogitsOptions& options);
std::vector<float> logits_of(const Model& model, const Batch& batch, int threads, Isa isa);

}  // namespace hone
