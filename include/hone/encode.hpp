// What a network makes of batches of one shape: an encoder's states, a classifier's logits. Its weights may
// be used in eight bits, and what they are multiplied with as well (dynamic int8).
//
//   const hone::Model model = hone::encoder_layers({});  // of hone/bench.hpp; or any network of your own
//   const std::vector<float> x(std::size_t{32} * 128 * 384);
//   const hone::EncodePlan plan(model, {.batch = 32, .seq = 128, .int8 = true});
//   hone::Encoder encoder(plan);
//   encoder.run(hone::Samples(32).set("x", std::span<const float>(x)));
//   const std::span<const float> y = encoder.output("states");  // f32, valid until the next run
//
// Dynamic int8: each row of a weight gets a scale when it is loaded, each row of an activation one when it is
// computed (symmetric, the largest magnitude becomes 127); the sums are exact. Norms, softmax, residuals stay
// in f32, attention in `precision`. The same numbers for any number of threads, and of samples that share a
// batch.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "hone/forecast.hpp"
#include "hone/model.hpp"
#include "hone/precision.hpp"
#include "hone/samples.hpp"

namespace hone {

struct EncodeOptions {
  std::int64_t batch = 1, seq = 1;                           // of a run; fewer samples may come
  std::map<std::string, std::int64_t, std::less<>> sizes{};  // what Builder::size is asked for
  Precision precision = Precision::f32;
  bool int8 = false;  // products with weights in int8; those of a width from 65536 on are not
  int threads = 0;    // 0: all cores
  std::string isa{};  // of instruction_sets(); empty: the best that this CPU has
};

class HONE_API EncodePlan {
 public:
  // Error(usage) for options that are out of range.
  explicit EncodePlan(Model model, EncodeOptions options = {});
  const Forecast& forecast() const;  // memory; time is not forecast
  const EncodeOptions& options() const;
  double product_flops() const;  // of a run, a multiply-add counts as two
  std::string print() const;     // the program, one line a node with its kernel

  struct Impl;
  const Impl& impl() const { return *impl_; }

 private:
  std::shared_ptr<const Impl> impl_;
};

class HONE_API Encoder {
 public:
  explicit Encoder(const EncodePlan& plan);
  ~Encoder();
  Encoder(Encoder&&) noexcept;
  Encoder& operator=(Encoder&&) noexcept;

  // Error for samples that the network does not take (hone/samples.hpp).
  void run(const Samples& samples);
  // Of the last run, in f32, by its name; Error(usage) where there is none of that name, naming the nearest.
  std::span<const float> output(std::string_view name);
  void profile(bool on);
  std::map<std::string, double> profile_ms() const;  // by op, since then

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hone
