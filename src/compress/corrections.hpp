// The corrections of a model that is being compressed, weight by weight.
//
//   Corrections corrections(model, {.rank = 16});
//   corrections.add(name, whole, compressed, moments.get());   // compressed is what the corrected one stands
//   for Model made = corrections.added_to(with_weights(model, store));
#pragma once
#include <map>
#include <span>
#include <string>
#include <vector>

#include "compress/calibrate.hpp"
#include "hone/correction.hpp"
#include "store/stored_weight.hpp"

namespace hone {

class Corrections {
 public:
  // Error(usage) for a rank above the smaller side of some product; Error(input) where options.of is another
  // model, and for a model that has corrections.
  Corrections(const Model& model, const CorrectionOptions& options);

  bool wanted() const { return !ranks_.empty(); }
  // Of the weight [N,K] of a product that is corrected, else nothing happens: what `compressed` lacks of
  // `whole` (of options.of, where there is one) is factored, and added to it as the factors are kept.
  void add(const std::string& weight, std::span<const float> whole, std::span<float> compressed,
           const Moments* moments);
  // The compressed model, with them; the same where none is wanted.
  Model added_to(const Model& compressed);
  std::vector<std::string> notes() const;

 private:
  const Model& model_;
  CorrectionOptions options_;
  std::map<std::string, std::int64_t> ranks_;  // by module
  std::map<std::string, StoredWeight> made_;
  std::int64_t bytes_ = 0, elements_ = 0;
  double error_ = 0, left_ = 0;  // squared, without and with
};

}  // namespace hone
