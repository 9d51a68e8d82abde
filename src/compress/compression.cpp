#include <chrono>
#include <cmath>
#include <filesystem>
#include <limits>

#include "base/number.hpp"
#include "file/atomic.hpp"
#include "file/mapped.hpp"
#include "hone/compress.hpp"
#include "machine/memory.hpp"
#include "model/model_impl.hpp"

namespace hone {
namespace {

using Clock = std::chrono::steady_clock;

void require_other_place(const std::string& in, const std::string& out) {
  std::error_code failed;
  if (in != out && !std::filesystem::equivalent(in, out, failed)) return;
  throw Error(ErrorKind::usage, {.what = "the model itself is never changed",
                                 .where = out,
                                 .expected = "another folder or file to write to",
                                 .found = "the one that is read"});
}

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
                                   .hint = "give eval_data, or data, whose last tenth is held out"});
}

Model opened(const std::string& in) {
  Model model = open(in);
  if (!model.impl().adapter) return model;
  throw Error(ErrorKind::input, {.what = "an adapter is compressed with its base, as one model",
                                 .where = in,
                                 .hint = "hone merge makes one of them"});
}

// In per cent, two digits.
std::string percent(double share) {
  return to_text(static_cast<float>(std::round(share * 1e4) / 100)) + " %";
}

}  // namespace

struct Compression::Impl {
  Impl(const std::string& from, const std::string& to, const CompressOptions& o)
      : in(from), out(to), options(o), begun(Clock::now()), model(opened(from)), notes(model.notes()) {
    learned = text_of(o.data);
    measured = text_of(o.eval_data);
  }

  std::optional<Text> text_of(const std::string& path) {
    if (path.empty()) return {};
    Text text(path, {.tokenizer = options.tokenizer.empty() ? in : options.tokenizer});
    notes.insert(notes.end(), text.notes().begin(), text.notes().end());
    return text;
  }

  // None where there is no text.
  std::optional<CompareReport> quality_of(const Model& after) const {
    const std::optional<Text>& text = measured ? measured : learned;
    if (!text) return {};
    return compare(model, after, *text,
                   {.threads = options.threads,
                    .isa = options.isa,
                    .max_tokens = options.max_eval_tokens,
                    .held_out_only = !measured,
                    .progress = options.progress});
  }

  void require_quality(const CompressReport& report) const {
    if (!report.quality) return;
    if (!std::isfinite(report.quality->after.loss))
      throw Error(
          ErrorKind::quality,
          {.what = "the compressed model's loss is not finite", .where = out, .hint = "nothing was written"});
    if (!options.max_loss_increase || report.loss_increase() <= *options.max_loss_increase) return;
    throw Error(ErrorKind::quality, {.what = "the loss rises more than it may, and nothing was written",
                                     .where = out,
                                     .expected = "at most " + percent(*options.max_loss_increase),
                                     .found = percent(report.loss_increase()),
                                     .hint = "compress less, or allow more"});
  }

  // All of it, or where the folder is new nothing.
  std::int64_t written(const std::function<std::int64_t()>& write) const {
    const bool is_new = !is_folder(out);
    try {
      return write();
    } catch (...) {
      if (is_new) remove_folder(out);
      throw;
    }
  }

  std::string in, out;
  CompressOptions options;
  Clock::time_point begun;
  Model model;
  std::vector<std::string> notes;
  std::optional<Text> learned, measured;
};

double CompressReport::loss_increase() const {
  if (!quality) return std::numeric_limits<double>::quiet_NaN();
  return (quality->after.loss - quality->before.loss) / quality->before.loss;
}

Compression::Compression(const std::string& in, const std::string& out, const CompressOptions& options) {
  check(options);
  require_other_place(in, out);
  require_no_model(out);
  impl_ = std::make_unique<const Impl>(in, out, options);
}
Compression::Compression(Compression&&) noexcept = default;
Compression::~Compression() = default;

const Model& Compression::model() const { return impl_->model; }
const std::vector<std::string>& Compression::notes() const { return impl_->notes; }

const Text* Compression::text() const { return impl_->learned ? &*impl_->learned : nullptr; }

CompressReport Compression::finish(const Model& after) const {
  ConvertReport written;
  CompressReport report = finish(after, [&] {
    written = write_model(after, impl_->in, impl_->out);
    return written.bytes;
  });
  report.notes.insert(report.notes.end(), written.notes.begin(), written.notes.end());
  return report;
}

CompressReport Compression::finish(const Model& after, const std::function<std::int64_t()>& write) const {
  CompressReport report{.quality = impl_->quality_of(after)};
  if (!report.quality)
    report.notes.emplace_back("no text was given to measure by, so nothing is known of the model's quality");
  impl_->require_quality(report);
  report.bytes = impl_->written(write);
  report.bits_a_weight = 8 * static_cast<double>(report.bytes) / static_cast<double>(after.parameters());
  report.seconds = std::chrono::duration<double>(Clock::now() - impl_->begun).count();
  report.peak_bytes = peak_rss_bytes();
  return report;
}

}  // namespace hone
