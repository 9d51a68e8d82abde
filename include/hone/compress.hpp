// What all ways to make a model smaller share: where it comes from and goes to, what it has cost, and the
// contract that no ruined model is written.
//
//   const hone::Compression work("model", "smaller", {.eval_data = "valid.txt", .max_loss_increase = 0.03});
//   const hone::Pruned pruned = hone::prune(work.model(), {.sparsity = 0.5});
//   const hone::CompressReport r = work.finish(pruned.model);  // beyond 3 % Error(quality), nothing written
//   std::printf("%ld bytes, perplexity %.2f\n", long(r.bytes), r.quality->after.perplexity);
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hone/calibration.hpp"
#include "hone/compare.hpp"
#include "hone/forecast.hpp"
#include "hone/model.hpp"
#include "hone/text.hpp"

namespace hone {

struct CompressReport;

struct CompressOptions {
  std::string data{};       // a text that the method learns from
  std::string eval_data{};  // one that both models are measured on; none: the held-out tenth of `data`
  std::string tokenizer{};  // of both; none: the model's own
  std::int64_t max_eval_tokens = 16384;  // predict so many and no more; 0: the whole text
  // How much the loss may rise, as a share of what it was: 0.03 is 3 %.
  std::optional<double> max_loss_increase{};
  // Where quality is measured, speed is too: by a prompt of so many tokens, and a quarter as many written
  // behind it, in f32 (codes by their own products). 0: it is not.
  std::int64_t speed_tokens = 128;
  // What the process may have at most; 0: no limit. fit() keeps to it.
  std::int64_t memory_bytes = 0;
  int threads = 0;    // 0: all cores; changes no number but speed
  std::string isa{};  // of instruction_sets(); empty: the best that this CPU has
  std::function<void(std::int64_t done, std::int64_t all)> progress{};  // of the comparison, in windows
  bool folders = false;  // Error(usage) where `out` is the name of a GGUF file
  // Bytes that the files of weights may have, headers too, of a GGUF file all of it; 0: no such bound.
  std::int64_t max_file_bytes = 0;
  // Hears the report when all is written, before OUT has its name: what it throws leaves nothing of OUT.
  std::function<void(const CompressReport&)> on_report{};
};

// What a method holds beside the model that it reads, in bytes: quantize_memory(), prune_memory(),
// factorize_memory() say it from shapes, types and options alone.
struct WorkMemory {
  std::int64_t working = 0;   // at most, while it works, with what it has made until then
  std::int64_t made = 0;      // in the weights that it makes
  std::int64_t replaced = 0;  // bytes of those that they stand for, in the types of the model's files
  std::int64_t expanded = 0;  // what programs hold of made ones that are not read where they lie
  std::int64_t writing = 0;   // the most that writing one weight takes
};

struct Speed {  // tokens a second: of a prompt, and of what is written behind it
  double prefill = 0, decode = 0;
};

struct CompressReport {
  std::int64_t bytes = 0;  // of all weights as they were written
  std::int64_t file_bytes =
      0;  // of the files that hold them, headers too; a GGUF file holds a tokenizer besides
  double bits_a_weight = 0;       // all told: 8 bytes / parameters of the written model, corrections apart
  std::int64_t bytes_before = 0;  // of all weights of `in`
  double bits_a_weight_before = 0;
  double zeros_before = 0, zeros_after = 0;            // share of the products' weights, the head's apart
  std::optional<CompareReport> quality{};              // none: no text was given
  double seconds = 0;                                  // from opening to written
  std::int64_t peak_bytes = 0;                         // most memory that the process had until then
  std::int64_t forecast_bytes = 0;                     // what forecast() had said of it; 0: nobody asked
  std::optional<Speed> speed_before{}, speed_after{};  // none: not measured
  std::vector<std::string> notes{};                    // for a person, a line each

  HONE_API double loss_increase() const;  // share of the loss before; NaN where no text was given
};

// The report of a model that was made smaller in another way. options.tokenizer says how the text is read.
HONE_API CompressReport measure(const Model& before, const Model& after, const CompressOptions& options);
// The speed of a model as CompressOptions have it measured; none for one that does not continue tokens.
HONE_API std::optional<Speed> measured_speed(const Model& model, const CompressOptions& options = {});
HONE_API std::int64_t weight_bytes(const Model& model);  // in the types that its files have them in

// One model on its way to a smaller one. Opens IN, and looks at once at what would be in vain at the end. OUT
// is this one's until it is written: a second one is refused. It is there whole, or not at all.
class HONE_API Compression {
 public:
  // `in` and `out` are folders or, where the name ends in .gguf, files. Error(usage): both are the same,
  // `out` holds a model, a limit without a text to measure by, a GGUF file of what has no whole weights.
  // Error(input): `in` is an adapter, or no GGUF file can be of it. Error(failed): `out` cannot be written.
  Compression(const std::string& in, const std::string& out, const CompressOptions& options = {});
  Compression(Compression&&) noexcept;
  ~Compression();

  const Model& model() const;                     // `in`
  bool writes_gguf() const;                       // is `out` a GGUF file?
  const std::vector<std::string>& notes() const;  // of the model and the texts
  const Text* text() const;                       // to learn from, options.data; null: none
  // The bytes that finish() would make of such a model, of the files that have weights: by types alone, so
  // that weights need not be there.
  std::int64_t file_bytes(const Model& after) const;
  // Before the work: the most memory that the process will have, up to the report, where the method takes
  // what `work` says of a sample. Within memory_bytes fewer of the sample's positions, and of the
  // comparison's, are computed at once, which changes no number: `sample` is told. Error(budget) where that
  // is not enough, with the least that is.
  Forecast fit(CalibrationOptions& sample,
               const std::function<WorkMemory(const CalibrationOptions&)>& work) const;
  // Compares, and writes `after` with what goes with `in`; once. Error(quality) where the loss rose more than
  // it may, or is not finite, Error(budget) where files are larger than they may be; then nothing is written.
  CompressReport finish(const Model& after) const;
  // The same where OUT, a folder without files, is written in another way: `write` does it, into the folder
  // that it is given and that gets OUT's name, and returns the bytes of all weights.
  CompressReport finish(const Model& after,
                        const std::function<std::int64_t(const std::string& to)>& write) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hone
