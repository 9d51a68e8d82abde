#include "cli/demo_compress.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <functional>

#include "cli/compress_options.hpp"
#include "cli/counted.hpp"
#include "cli/terminal.hpp"
#include "hone/examples.hpp"
#include "hone/factorize.hpp"
#include "hone/pack.hpp"
#include "hone/prune.hpp"
#include "hone/quantize.hpp"

namespace hone::cli {
namespace {

constexpr std::int64_t eval_tokens = 16384;
constexpr std::int64_t distill_share = 4;  // one step for so many of the training: some half a minute
constexpr std::int64_t most_student_layers = 2;
const CalibrationOptions sample{.windows = 32, .seq = 256};

CompressOptions options_of(const TrainingRun& run) {
  return {.data = run.data,
          .tokenizer = run.out,
          .max_eval_tokens = eval_tokens,
          .threads = run.plan.threads,
          .isa = run.plan.isa,
          .progress = counted("comparing")};
}

// Puts a smaller model into the folder and measures it.
using Make = std::function<CompressReport(const TrainingRun& run, const std::string& folder)>;

Make by(std::function<Model(const Compression&)> method) {
  return [method = std::move(method)](const TrainingRun& run, const std::string& folder) {
    const Compression work(run.out, folder, options_of(run));
    return work.finish(method(work));
  };
}

Make quantized(const QuantizeOptions& options) {
  return by([options](const Compression& c) { return quantize(c.model(), c.text(), options).model; });
}

Make pruned(const PruneOptions& options) {
  return by([options](const Compression& c) { return prune(c.model(), *c.text(), options).model; });
}

Make factorized(const FactorizeOptions& options) {
  return by([options](const Compression& c) { return factorize(c.model(), options, c.text()).model; });
}

CompressReport packed(const TrainingRun& run, const std::string& folder) {
  const Compression work(run.out, folder, options_of(run));
  return work.finish(work.model(), [&](const std::string& to) { return pack(run.out, to).bytes; });
}

// As many as a student takes, but fewer than the teacher has.
std::int64_t student_layers_of(const Model& teacher) {
  std::int64_t layers = most_student_layers;
  for (; layers > 1; --layers) try {
      student_layers(teacher, layers + 1);
      break;
    } catch (const Error&) {  // so many it has not
    }
  return layers;
}

// On the text that the teacher has learnt.
CompressReport distilled(const TrainingRun& trained, const std::string& folder) {
  const Model teacher = open(trained.out);
  TrainingRun run;
  run.data = trained.data;
  run.out = folder;
  run.plan = trained.plan;
  run.adamw = trained.adamw;
  run.adamw.lr /= 2;  // the student's layers have learnt already
  run.steps = std::max<std::int64_t>(1, trained.steps / distill_share);
  run.warmup = std::min<std::int64_t>(20, run.steps / 4);
  run.keep_checkpoints = 1;
  run.save_every = std::max<std::int64_t>(1, run.steps / 2);
  run.distill = DistillOptions{.teacher = trained.out, .layers = student_layers_of(teacher)};
  run.stop = trained.stop;
  run.on_step = [show = counted("distilling"), steps = run.steps](const StepEvent& e) {
    show(e.step, steps);
  };
  if (train(run).stopped)
    throw Error(ErrorKind::failed,
                {.what = "stopped while it distilled", .hint = "the same command goes on from there"});
  return measure(teacher, open(folder), options_of(trained));
}

struct Technique {
  std::string folder, name;
  Make make;
};

std::vector<Technique> techniques() {
  return {
      {"distilled", "distilled: fewer layers", distilled},
      {"pruned", "pruned: 1/4 of channels",
       pruned({.sparsity = 0.25, .pattern = "channels", .sample = sample})},
      {"sparse", "pruned: 1/2 of weights", pruned({.method = "sparsegpt", .sample = sample})},
      {"low-rank", "factorized: 70 % stay",
       factorized({.method = "whitened", .keep = 0.7, .calibration = sample})},
      {"packed", "packed, without loss", packed},
      {"int8", "quantized: 8 bits", quantized({.bits = 8})},
      {"int4", "quantized: 4 bits, gptq",
       quantized({.method = "gptq", .bits = 4, .table_bits = 4, .sample = sample})},
      {"int3", "quantized: 3 bits, gptq",
       quantized({.method = "gptq", .bits = 3, .table_bits = 4, .sample = sample})},
  };
}

class Workshop {
 public:
  Workshop(const TrainingRun& run, const std::string& weights_hash, bool json)
      : run_(run), json_(json), kept_(run.out + "/compressed.json", weights_hash) {
    if (kept_.of_other_weights())
      for (const Technique& t : techniques_) std::filesystem::remove_all(path_of(t.folder));
    kept_.write();
  }

  SmallerModels all() {
    for (const Technique& t : techniques_) try {
        one(t);
      } catch (const Error& e) {
        if (e.kind() == ErrorKind::failed) throw;
        message(fmt::format("note: {} is not here: {}", t.name, e.what()));
      }
    return std::move(shown_);
  }

 private:
  std::string path_of(const std::string& folder) const {
    return folder.empty() ? run_.out : run_.out + "/" + folder;
  }

  void one(const Technique& t) {
    if (!kept_.find(t.folder)) {
      if (run_.stop.stop_requested())
        throw Error(ErrorKind::failed, {.what = "stopped", .hint = "the same command goes on from there"});
      make(t);
    }
    if (shown_.all.empty()) show("");
    show(t.folder);
  }

  // A folder that no demo made is left alone, and refused by the method. What was begun and not measured is
  // made anew, but for the distillation, which takes longest and goes on.
  void make(const Technique& t) {
    message(fmt::format("demo: {}, in {}", t.name, path_of(t.folder)));
    if (kept_.were_there() && t.folder != techniques_.front().folder)
      std::filesystem::remove_all(path_of(t.folder));
    const CompressReport report = t.make(run_, path_of(t.folder));
    const std::string note = measured_by(report);
    if (!kept_.find("")) kept_.add({"", before_row("as it was trained", report), note});
    kept_.add({t.folder, after_row(t.name, report), note});
  }

  void show(const std::string& folder) {
    SmallerModel model = *kept_.find(folder);
    model.folder = path_of(folder);
    if (json_) print(json_of(model).add("event", "compressed").text());
    shown_.note = model.note;
    shown_.all.push_back(model);
  }

  const TrainingRun& run_;
  bool json_;
  const std::vector<Technique> techniques_ = techniques();
  KeptModels kept_;
  SmallerModels shown_;
};

}  // namespace

std::vector<CompressionRow> SmallerModels::rows() const {
  std::vector<CompressionRow> rows;
  for (const SmallerModel& m : all) rows.push_back(m.row);
  return rows;
}

std::vector<JsonLine> SmallerModels::json() const {
  std::vector<JsonLine> lines;
  for (const SmallerModel& m : all) lines.push_back(json_of(m));
  return lines;
}

SmallerModels compress_trained(const TrainingRun& run, const std::string& weights_hash, bool json) {
  if (run.lora || Examples::are_in(run.data) || open(run.out).reads_source()) return {};
  return Workshop(run, weights_hash, json).all();
}

}  // namespace hone::cli
