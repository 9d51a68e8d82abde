#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <iterator>
#include <limits>

#include "base/float_mode.hpp"
#include "base/number.hpp"
#include "compress/compress_forecast.hpp"
#include "file/atomic.hpp"
#include "file/mapped.hpp"
#include "hone/bench.hpp"
#include "hone/compress.hpp"
#include "machine/memory.hpp"
#include "model/low_rank.hpp"
#include "model/model_impl.hpp"
#include "model/model_output.hpp"
#include "train/pruned_matrices.hpp"

namespace hone {
namespace {

using Clock = std::chrono::steady_clock;

void check(const CompressOptions& o) {
  if (o.max_eval_tokens < 0)
    throw Error(ErrorKind::usage, {.what = "the number of tokens is out of range",
                                   .where = "max_eval_tokens",
                                   .expected = "0 (all) or more",
                                   .found = std::to_string(o.max_eval_tokens)});
  if (!o.max_loss_increase) return;
  if (!(*o.max_loss_increase >= 0) || !std::isfinite(*o.max_loss_increase))
    throw Error(ErrorKind::usage, {.what = "impossible value",
                                   .where = "max_loss_increase",
                                   .expected = "0 or more: 0.03 or 3% of the loss",
                                   .found = to_text(*o.max_loss_increase)});
  if (o.data.empty() && o.eval_data.empty())
    throw Error(ErrorKind::usage, {.what = "a limit of the loss needs a text to measure it by",
                                   .where = "max_loss_increase",
                                   .hint = "give eval_data; of data the last tenth is held out"});
}

Model opened(const std::string& in) {
  Model model = open(in);
  if (!model.impl().adapter) return model;
  throw Error(ErrorKind::input, {.what = "an adapter is compressed with its base, as one model",
                                 .where = in,
                                 .hint = "hone merge makes one of them"});
}

// Has it each of its weights whole and as numbers, as other programs expect them?
bool is_plain(const Model& model) {
  return !has_blocks(model) && model.impl().store.trees().empty() && !parts_of_weights(model);
}

// Of the weights that the model stands for: a correction has bytes, but is none of them.
double bits_a_weight(std::int64_t bytes, const Model& model) {
  std::int64_t weights = model.parameters();
  for (const std::string& name : correction_names(model)) weights -= model.size(name);
  return 8 * static_cast<double>(bytes) / static_cast<double>(weights);
}

// What is not known of a report before anything is written.
CompressReport measured(const Model& before, const Model& after, const Text* text, const CompressOptions& o,
                        std::int64_t positions = CompareOptions{}.positions) {
  CompressReport report;
  report.bytes_before = weight_bytes(before);
  report.bits_a_weight_before = bits_a_weight(report.bytes_before, before);
  report.zeros_before = share_of_zeros(before), report.zeros_after = share_of_zeros(after);
  if (!text) return report;
  report.quality = compare(before, after, *text, comparison_of(o, positions));
  return report;
}

void set_bytes(CompressReport& report, std::int64_t bytes, const Model& after) {
  report.bytes = bytes;
  report.bits_a_weight = bits_a_weight(bytes, after);
}

void set_speed(CompressReport& report, const Model& before, const Model& after, const CompressOptions& o) {
  if (!report.quality) return;
  report.speed_before = measured_speed(before, o);
  report.speed_after = measured_speed(after, o);
}

// With so many digits that a small rise and a smaller bound are told apart.
std::string percent(double share) { return fmt::format("{:.4g} %", 100 * share); }

}  // namespace

struct Compression::Impl {
  Impl(const std::string& from, const std::string& target, const CompressOptions& o)
      : in(from),
        to(target),
        options(o),
        begun(Clock::now()),
        out(from, target),
        model(opened(from)),
        notes(model.notes()) {
    if (out.is_gguf()) require_gguf(model, in);
    learned = text_of(o.data);
    measured = text_of(o.eval_data);
  }

  std::optional<Text> text_of(const std::string& path) {
    if (path.empty()) return {};
    Text text(path, {.tokenizer = options.tokenizer.empty() ? in : options.tokenizer});
    notes.insert(notes.end(), text.notes().begin(), text.notes().end());
    return text;
  }

  void require_quality(const CompressReport& report) const {
    if (!report.quality) return;
    if (!std::isfinite(report.quality->after.loss))
      throw Error(
          ErrorKind::quality,
          {.what = "the compressed model's loss is not finite", .where = to, .hint = "nothing was written"});
    if (!options.max_loss_increase || report.loss_increase() <= *options.max_loss_increase) return;
    throw Error(ErrorKind::quality, {.what = "the loss rises more than it may, and nothing was written",
                                     .where = to,
                                     .expected = "at most " + percent(*options.max_loss_increase),
                                     .found = percent(report.loss_increase()),
                                     .hint = "compress less, or allow more"});
  }

  void require_size() const {
    const std::int64_t bytes = out.weight_file_bytes();
    if (options.max_file_bytes == 0 || bytes <= options.max_file_bytes) return;
    throw Error(ErrorKind::budget,
                {.what = "the model's files are larger than they may be, and nothing was written",
                 .where = to,
                 .expected = "at most " + std::to_string(options.max_file_bytes) + " bytes",
                 .found = std::to_string(bytes)});
  }

  // Fewer of the sample's positions first, for they take more; then of the comparison's.
  Forecast fit(CalibrationOptions& sample, const std::function<WorkMemory(const CalibrationOptions&)>& work) {
    const Compressed of{model, learned ? &*learned : nullptr, measured ? &*measured : nullptr, options};
    for (std::int64_t least = std::numeric_limits<std::int64_t>::max();;) {
      Forecast f = compress_forecast(of, work(sample), positions);
      least = std::min(least, f.peak_bytes);
      forecast_bytes = f.peak_bytes;
      if (options.memory_bytes == 0 || f.peak_bytes <= options.memory_bytes) return f;
      if (sample.positions > 1)
        sample.positions = sample.positions / 2;
      else if (positions > 1)
        positions = 1;
      else
        throw Error(ErrorKind::budget,
                    {.what = "the work does not fit in this memory, however little is computed at once",
                     .where = "memory_bytes",
                     .expected = fmt::format("at least {} bytes", least),
                     .found = std::to_string(options.memory_bytes),
                     .hint = "most of it is for " + f.breakdown.front().first});
    }
  }

  using Write = std::function<ConvertReport()>;
  CompressReport finish(const Model& after, const Write& write) {
    give_back_freed_memory();  // of the work: the C library kept 70 MiB behind gptq of SmolLM2-135M
    const std::optional<Text>& text = measured ? measured : learned;
    CompressReport report = hone::measured(model, after, text ? &*text : nullptr, options, positions);
    if (!report.quality)
      report.notes.emplace_back(
          "no text was given to measure by, so nothing is known of the model's quality");
    require_quality(report);
    const ConvertReport written = write();
    require_size();
    set_bytes(report, written.bytes, after);
    report.file_bytes = out.weight_file_bytes();
    report.forecast_bytes = forecast_bytes;
    report.seconds = std::chrono::duration<double>(Clock::now() - begun).count();
    report.peak_bytes = peak_rss_bytes();
    const auto is_new = [&](const std::string& note) { return std::ranges::count(notes, note) == 0; };
    std::ranges::copy_if(written.notes, std::back_inserter(report.notes), is_new);
    if (!out.is_gguf() && !is_plain(after))
      report.notes.push_back("Transformers would read other weights in this folder: hone convert " + to +
                             " PLAIN writes them as it has them");
    set_speed(report, model, after, options);
    if (options.on_report) options.on_report(report);
    out.publish();
    return report;
  }

  std::string in, to;
  CompressOptions options;
  Clock::time_point begun;
  ModelOutput out;  // before anything is opened
  Model model;
  std::vector<std::string> notes;
  std::optional<Text> learned, measured;
  std::int64_t positions = CompareOptions{}.positions;  // of the comparison, at once
  std::int64_t forecast_bytes = 0;
};

std::optional<Speed> measured_speed(const Model& model, const CompressOptions& o) {
  if (o.speed_tokens < 1 || model.reads_source()) return {};
  const GenerateSpeed speed = generate_speed(model, {.threads = o.threads, .isa = o.isa}, o.speed_tokens,
                                             std::max<std::int64_t>(1, o.speed_tokens / 4));
  return Speed{speed.prefill_tokens_per_s.median, speed.decode_tokens_per_s.median};
}

std::int64_t weight_bytes(const Model& model) {
  std::int64_t bytes = 0;
  for (const ParameterSpec& spec : filed_weights(model, stored_weights(model)))
    bytes += TensorType{spec.shape, spec.dtype}.bytes();
  return bytes;
}

CompressReport measure(const Model& before, const Model& after, const CompressOptions& options) {
  const auto begun = Clock::now();
  const std::string& path = options.eval_data.empty() ? options.data : options.eval_data;
  std::optional<Text> text;
  if (!path.empty()) text.emplace(path, TextOptions{.tokenizer = options.tokenizer});
  CompressReport report = measured(before, after, text ? &*text : nullptr, options);
  set_bytes(report, weight_bytes(after), after);
  set_speed(report, before, after, options);
  report.seconds = std::chrono::duration<double>(Clock::now() - begun).count();
  report.peak_bytes = peak_rss_bytes();
  return report;
}

double CompressReport::loss_increase() const {
  if (!quality) return std::numeric_limits<double>::quiet_NaN();
  return (quality->after.loss - quality->before.loss) / quality->before.loss;
}

Compression::Compression(const std::string& in, const std::string& out, const CompressOptions& options) {
  check(options);
  if (options.folders) require_folder_name(out);
  impl_ = std::make_unique<Impl>(in, out, options);
}
Compression::Compression(Compression&&) noexcept = default;
Compression::~Compression() = default;

const Model& Compression::model() const { return impl_->model; }
bool Compression::writes_gguf() const { return impl_->out.is_gguf(); }
const std::vector<std::string>& Compression::notes() const { return impl_->notes; }

Forecast Compression::fit(CalibrationOptions& sample,
                          const std::function<WorkMemory(const CalibrationOptions&)>& work) const {
  const FloatModeGuard guard;
  return impl_->fit(sample, work);
}

const Text* Compression::text() const { return impl_->learned ? &*impl_->learned : nullptr; }

std::int64_t Compression::file_bytes(const Model& after) const {
  return model_file_bytes(after, impl_->in, writes_gguf());
}

CompressReport Compression::finish(const Model& after) const {
  const auto finish = [&](const Model& written) {
    return impl_->finish(written, [&] { return write_model(written, impl_->in, impl_->out); });
  };
  const char* const parts = writes_gguf() ? parts_of_weights(after) : nullptr;
  if (!parts) return finish(after);
  CompressReport report = finish(multiplied_out(after));
  report.notes.push_back(std::string("a GGUF file has whole weights alone: ") + parts +
                         " multiplied out, so that it is no smaller than before; a folder keeps them");
  return report;
}

CompressReport Compression::finish(const Model& after,
                                   const std::function<std::int64_t(const std::string&)>& write) const {
  require_folder_name(impl_->to);
  impl_->out.require_empty();
  return impl_->finish(after, [&] { return ConvertReport{.bytes = write(impl_->out.folder())}; });
}

}  // namespace hone
