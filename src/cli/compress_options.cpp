#include "cli/compress_options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "cli/counted.hpp"
#include "cli/json_line.hpp"
#include "cli/terminal.hpp"
#include "hone/machine.hpp"

namespace hone::cli {
namespace {

constexpr double none = std::numeric_limits<double>::quiet_NaN();

std::vector<JsonLine> json_of(const std::vector<SparseLayer>& layers) {
  std::vector<JsonLine> lines;
  for (const SparseLayer& l : layers)
    lines.push_back(JsonLine()
                        .add("name", l.name)
                        .add("storage", l.storage)
                        .add("kept", l.kept)
                        .add("bytes", l.bytes)
                        .add("dense_bytes", l.dense_bytes)
                        .add("break_even", l.break_even)
                        .add("runs_sparse", l.runs_sparse));
  return lines;
}

// "model.layers.12.mlp.up_proj.weight": "model.layers.*.mlp.up_proj.weight".
std::string without_numbers(const std::string& name) {
  std::string kind;
  for (const char c : name) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit || (kind.size() > 1 && kind.back() != '.' && kind.back() != '*'))
      kind += c;
    else if (kind.back() != '*')
      kind += '*';
  }
  return kind;
}

// Weights of one kind and storage in a row.
std::string table_of(const std::vector<SparseLayer>& layers) {
  struct Row {
    std::int64_t count = 0, bytes = 0, dense_bytes = 0;
    double kept = 0, break_even = 0;
  };
  std::vector<std::pair<std::pair<std::string, std::string>, Row>> rows;
  for (const SparseLayer& l : layers) {
    const std::pair kind{without_numbers(l.name), l.storage};
    auto found = std::ranges::find(rows, kind, [](const auto& row) { return row.first; });
    if (found == rows.end()) found = rows.insert(found, {kind, {}});
    Row& row = found->second;
    ++row.count, row.bytes += l.bytes, row.dense_bytes += l.dense_bytes;
    row.kept += l.kept, row.break_even += l.break_even;
  }
  Table table({"weights", "storage", "number", "bytes", "dense", "kept", "break-even"});
  const auto mean = [](double sum, std::int64_t count) {
    return fmt::format("{:.1f} %", 100 * sum / static_cast<double>(count));
  };
  for (const auto& [kind, row] : rows)
    table.row({kind.first, kind.second, std::to_string(row.count),
               human_bytes(static_cast<double>(row.bytes)), human_bytes(static_cast<double>(row.dense_bytes)),
               mean(row.kept, row.count), mean(row.break_even, row.count)});
  return table.to_string();
}

std::string json_of(const CompressReport& r, const std::vector<SparseLayer>& layers,
                    const std::string& weights_hash) {
  const CompareReport* q = r.quality ? &*r.quality : nullptr;
  JsonLine line;
  line.add("bytes", r.bytes)
      .add("bits_a_weight", r.bits_a_weight)
      .add("perplexity_before", q ? q->before.perplexity : none)
      .add("perplexity_after", q ? q->after.perplexity : none)
      .add("kl", q ? q->kl : none)
      .add("flipped", q ? q->flipped : none)
      .add("seconds", r.seconds)
      .add("peak_bytes", r.peak_bytes);
  if (r.file_bytes > 0) line.add("file_bytes", r.file_bytes);
  line.add("zeros_before", r.zeros_before).add("zeros_after", r.zeros_after);
  if (r.forecast_bytes > 0) line.add("forecast_bytes", r.forecast_bytes);
  if (!weights_hash.empty()) line.add("weights_hash", weights_hash);
  if (!layers.empty()) line.add("layers", json_of(layers));
  if (!q) return line.text();
  const auto speed = [&](const char* before, const char* after, double Speed::*part) {
    line.add(before, (*r.speed_before).*part).add(after, (*r.speed_after).*part);
  };
  if (r.speed_before && r.speed_after) {
    speed("prefill_tokens_per_s_before", "prefill_tokens_per_s_after", &Speed::prefill);
    speed("decode_tokens_per_s_before", "decode_tokens_per_s_after", &Speed::decode);
  }
  const auto interval = [&](const char* key, const Predicted& p) {
    line.add(key, JsonLine().add("low", p.low).add("high", p.high));
  };
  interval("interval_before", q->before);
  interval("interval_after", q->after);
  return line.add("loss_increase", r.loss_increase()).add("tokens", q->tokens).add("seq", q->seq).text();
}

std::string perplexity(const Predicted& p) {
  if (!std::isfinite(p.low)) return fmt::format("{:.3f}", p.perplexity);
  return fmt::format("{:.3f} ({:.3f} to {:.3f})", p.perplexity, p.low, p.high);
}

std::string table_of(const std::string& out, const CompressReport& r) {
  std::string text;
  const auto row = [&](const char* what, const std::string& value) {
    text += fmt::format("{:<18}{}\n", what, value);
  };
  row("written", out);
  row("weights",
      fmt::format("{}, {:.2f} bits a weight", human_bytes(static_cast<double>(r.bytes)), r.bits_a_weight));
  row("zeros", fmt::format("{:.1f} % of the products' weights, {:.1f} % before", 100 * r.zeros_after,
                           100 * r.zeros_before));
  if (r.quality) {
    const CompareReport& q = *r.quality;
    row("perplexity before", perplexity(q.before));
    row("perplexity after", perplexity(q.after));
    row("loss", fmt::format("{:.4f} to {:.4f} nats a token, {:+.2f} %", q.before.loss, q.after.loss,
                            100 * r.loss_increase()));
    row("KL", fmt::format("{:.4f} nats a token", q.kl));
    row("flipped", fmt::format("{:.2f} % of the top tokens", 100 * q.flipped));
    row("measured on",
        fmt::format("{} tokens in windows of {}; in brackets 95 % confidence", q.tokens, q.seq));
  }
  if (r.speed_before && r.speed_after)
    row("speed",
        fmt::format("prefill {} to {}, decode {} to {}", human_rate(r.speed_before->prefill, "tok/s"),
                    human_rate(r.speed_after->prefill, "tok/s"), human_rate(r.speed_before->decode, "tok/s"),
                    human_rate(r.speed_after->decode, "tok/s")));
  const auto size = [](std::int64_t bytes) { return human_bytes(static_cast<double>(bytes)); };
  row("took", fmt::format("{:.1f} s, at most {} of memory", r.seconds, size(r.peak_bytes)) +
                  (r.forecast_bytes > 0 ? " of " + size(r.forecast_bytes) + " forecast" : ""));
  return text;
}

CompressionRow row_of(const std::string& name, std::int64_t bytes, double bits, const Predicted* p,
                      const std::optional<Speed>& speed) {
  CompressionRow row{.name = name, .bytes = static_cast<double>(bytes), .bits_a_weight = bits};
  if (p) row.perplexity = p->perplexity, row.low = p->low, row.high = p->high;
  if (speed) row.prefill_tokens_per_s = speed->prefill, row.decode_tokens_per_s = speed->decode;
  return row;
}

}  // namespace

std::string measured_by(const CompressReport& r) {
  if (!r.quality) return "Nothing was measured: there was no text.";
  return fmt::format(
      "Measured on {} tokens of text in windows of {}. KL (nats a token) and the share of "
      "flipped top tokens are against the first row.",
      r.quality->tokens, r.quality->seq);
}

CompressionRow before_row(const std::string& name, const CompressReport& r) {
  return row_of(name, r.bytes_before, r.bits_a_weight_before, r.quality ? &r.quality->before : nullptr,
                r.speed_before);
}

CompressionRow after_row(const std::string& name, const CompressReport& r) {
  CompressionRow row =
      row_of(name, r.bytes, r.bits_a_weight, r.quality ? &r.quality->after : nullptr, r.speed_after);
  if (r.quality) row.kl = r.quality->kl, row.flipped = r.quality->flipped;
  return row;
}

double share_from_text(const std::string& text, const std::string& option) {
  double number = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, number);
  const std::string_view rest(end, static_cast<std::size_t>(last - end));
  const bool in_percent = rest == "%" || rest == " %";
  if (error == std::errc() && std::isfinite(number) && (rest.empty() || in_percent))
    return in_percent ? number / 100 : number;
  throw Error(ErrorKind::usage,
              {.what = "not a share", .where = option, .expected = "3% or 0.03", .found = "'" + text + "'"});
}

void CompressArguments::add_to(Command& c, const std::string& learns) {
  c.add_option("in", in, "model folder or GGUF file; it is never changed")->required();
  c.add_option("out", out, "what to write: a GGUF file where the name ends in .gguf, else a folder")
      ->required();
  add_measuring_to(c, learns);
  c.add_size("--memory", options.memory_bytes,
             "largest resident size (1GiB, 700M): met by computing less at once, which changes no number");
}

void CompressArguments::fit(const Compression& compression, CalibrationOptions& sample, bool learns,
                            const Work& work) const {
  if (const Text* text = compression.text(); text && learns && calibration.empty()) {
    const std::int64_t seq = std::min(sample.seq, compression.model().context());
    if (const std::int64_t there = text->train_tokens() / seq; there > 0 && there < sample.windows)
      print_notes({fmt::format(
          "the text has {} windows of {} tokens, which are learned from: fewer than --windows {}", there, seq,
          sample.windows)});
  }
  compression.fit(sample, [&](const CalibrationOptions& some) {
    WorkMemory memory = work(some);
    if (storage != "dense") {  // from dense weights, which go then, and are there again where these are run
      memory.working = std::max(memory.working, 2 * memory.made);
      memory.expanded += memory.made;
    }
    return memory;
  });
}

void CompressArguments::add_folders_to(Command& c) {
  c.add_option("in", in, "model folder; it is never changed")->required();
  c.add_option("out", out, "folder to write: a new one, or one that is empty")->required();
  add_measuring_to(c, "");
  options.folders = true;
}

void CompressArguments::add_measuring_to(Command& c, const std::string& learns) {
  c.add_option("--data", options.data,
               learns.empty() ? "text whose last tenth measures the quality, where --eval-data is not given"
                              : "text: of " + learns + "; its last tenth measures without --eval-data");
  if (!learns.empty())
    c.add_option("--calibration", calibration,
                 "file for what --data says of the model: made where missing, else used (beside --data)");
  c.add_option("--tokenizer", options.tokenizer, "byte, char or a tokenizer.json, for a model that has none");
  c.add_option("--threads", options.threads, "0: all cores; changes no number")->capture_default_str();
  add_isa(c, options.isa);
  add_quality_to(c);
}

void CompressArguments::add_quality_to(Command& c) {
  c.add_option("--eval-data", options.eval_data,
               "text that both models are measured on (none: nothing is measured)");
  c.add_option("--max-eval-tokens", options.max_eval_tokens,
               "measure on so many tokens and no more (0: the whole text)")
      ->capture_default_str();
  c.add_option("--max-loss-increase", max_loss_increase,
               "write nothing, and end with 5, where the loss (in nats) rises by more: 3% or 0.03");
  c.add_option("--speed-tokens", options.speed_tokens,
               "where quality is measured, speed is too: a prompt of so many tokens (0: it is not)")
      ->capture_default_str()
      ->between(0, std::numeric_limits<std::int64_t>::max());
  c.add_option("--report", report_file,
               "HTML file: both models in a table, and their bytes against perplexity");
  c.add_flag("--json", json, "one JSON object on stdout");
  command = &c;
}

void CompressArguments::set(CalibrationOptions& sample, const std::string& what) const {
  sample.threads = options.threads;
  sample.isa = options.isa;
  sample.kept = calibration;
  sample.progress = counted(what);
}

void CompressArguments::note_without_effect(bool learns) const {
  if (options.data.empty() && options.eval_data.empty())
    command->note_without_effect({"--max-eval-tokens", "--speed-tokens", "--tokenizer"}, "without a text");
  if (learns) return;
  command->note_without_effect({"--windows", "--seq", "--calibration"},
                               "where nothing is learned from a text");
  if (!options.eval_data.empty())
    command->note_without_effect({"--data"}, "where nothing is learned from a text and --eval-data measures");
}

// Before minutes of work.
void CompressArguments::check_report() const {
  if (!report_file.empty()) require_report_file(report_file);
}

void CompressArguments::check_storage() const {
  require_storage(storage);
  if (storage != "dense" && out.ends_with(".gguf"))
    throw Error(ErrorKind::usage, {.what = "a GGUF file holds every element, zeros too",
                                   .where = "--storage " + storage,
                                   .expected = "a folder to write",
                                   .found = out});
  if (correction_rank > 0 && out.ends_with(".gguf"))
    throw Error(ErrorKind::usage, {.what = "a GGUF file has no corrections beside its weights",
                                   .where = "--correction-rank " + std::to_string(correction_rank),
                                   .expected = "a folder to write",
                                   .found = out});
}

Compression CompressArguments::open() const {
  leave_nothing_unfinished(json);
  check_report();
  check_storage();
  if (!calibration.empty()) require_calibration_file(calibration);
  CompressOptions o = options;
  o.on_report = [this](const CompressReport& report) { write_report(report, out); };
  o.progress = counted("comparing");
  if (!max_loss_increase.empty())
    o.max_loss_increase = share_from_text(max_loss_increase, "--max-loss-increase");
  Compression compression(in, out, o);
  print_notes(compression.notes());
  return compression;
}

void CompressArguments::write_report(const CompressReport& r, const std::string& to) const {
  if (!report_file.empty())
    write_compression_report(report_file, {.title = to + " beside " + in,
                                           .subtitle = cpu_name(),
                                           .command = "hone " + command->name() + " " + command->typed(),
                                           .rows = {before_row(in, r), after_row(to, r)},
                                           .note = measured_by(r)});
}

void CompressArguments::print(const CompressReport& r, const std::string& to,
                              const std::string& weights_hash) const {
  print_notes(r.notes);
  if (json)
    cli::print(json_of(r, layers, weights_hash));
  else
    print_text((layers.empty() ? "" : table_of(layers)) + table_of(to, r));
}

void CompressArguments::add_storage_to(Command& c) {
  c.add_option("--storage", storage,
               fmt::format("of matrices with zeros: {}", fmt::join(sparse_storages(), ", ")))
      ->capture_default_str();
}

void CompressArguments::add_corrections_to(Command& c) {
  c.add_option("--correction-rank", correction_rank,
               "rank of a product beside each weight, of what that has lost (0: none; --data weighs it)")
      ->capture_default_str();
  c.add_option("--correction-of", correction_of,
               "model to come back to: of a pruned IN the one before it was (default: IN)");
}

void CompressArguments::of_in(const std::function<void()>& work) const {
  try {
    work();
  } catch (const Error& e) {
    ErrorText text = e.text();
    for (const std::string& given : {in, out, options.data, options.eval_data, options.tokenizer, calibration,
                                     correction_of, report_file})
      if (!given.empty() && text.where.starts_with(given)) throw;
    if (e.kind() != ErrorKind::input) throw;
    text.where = text.where.empty() ? in : in + ": " + text.where;
    throw Error(e.kind(), text);
  }
}

CorrectionOptions CompressArguments::correction() const {
  CorrectionOptions o{.rank = correction_rank};
  if (!correction_of.empty()) o.of = hone::open(correction_of);
  return o;
}

Model CompressArguments::store(Model model) {
  if (storage == "dense") return model;
  Sparse sparse = store_sparse(model, storage);
  print_notes(sparse.notes);
  layers = std::move(sparse.layers);
  return std::move(sparse.model);
}

}  // namespace hone::cli
