#include "hone/quantize.hpp"

#include <fmt/format.h>

#include "cli/command.hpp"
#include "cli/compress_options.hpp"
#include "cli/counted.hpp"
#include "cli/numbers.hpp"
#include "cli/terminal.hpp"

namespace hone::cli {
namespace {

struct Options {
  CompressArguments compress;
  QuantizeOptions quantize;
  std::string size, precision = "auto";
  bool symmetric = false;
};

// Zeros are left out of what is stored, so zero is a code.
void keep_zeros(Options& o) {
  if (o.compress.command->given("--symmetric")) o.quantize.symmetric = o.symmetric;
  if (o.compress.storage == "dense" || o.quantize.symmetric || o.quantize.bits == 8) return;
  o.quantize.symmetric = true;
  print_notes({"codes are around zero (--symmetric), so that zeros stay zeros for --storage"});
}

void note_without_effect(const Options& o) {
  const Command& c = *o.compress.command;
  const QuantizeOptions& q = o.quantize;
  if (!o.size.empty()) c.note_without_effect({"--bits", "--table-bits"}, "with --size, which finds the bits");
  if (q.method != "refined")
    c.note_without_effect({"--steps", "--batch", "--lr", "--alpha", "--precision"},
                          "without --method refined");
  o.compress.note_without_effect(needs_text(q) ||
                                 (o.compress.correction_rank > 0 && !o.compress.options.data.empty()));
}

Model quantized_of(const Compression& compression, const QuantizeOptions& options) {
  const Quantized done = quantize(compression.model(), compression.text(), options);
  print_notes(done.notes);
  return done.model;
}

void run(Options o) {
  if (!o.size.empty())
    o.quantize.size_bytes = o.compress.options.max_file_bytes = bytes_from_text(o.size, "--size");
  if (o.precision != "auto") o.quantize.refine.precision = precision_from_name(o.precision);
  note_without_effect(o);
  o.compress.set(o.quantize.sample, "quantizing");
  o.quantize.refine.progress = [show = counted("refining")](const RefineOptions::Step& s) {
    show(s.step, s.steps);
  };
  const Compression compression = o.compress.open();
  keep_zeros(o);
  o.quantize.correction = o.compress.correction();
  o.quantize.whole_groups = compression.writes_gguf();
  o.quantize.file_bytes = [&](const Model& model) { return compression.file_bytes(model); };
  o.compress.fit(compression, o.quantize.sample, needs_text(o.quantize) || o.compress.correction_rank > 0,
                 [&](const CalibrationOptions& sample) {
                   QuantizeOptions some = o.quantize;
                   some.sample = sample;
                   return quantize_memory(compression.model(), compression.text(), some);
                 });
  const Model made = o.compress.store(quantized_of(compression, o.quantize));  // which is not kept beside it
  o.compress.print(compression.finish(made));
}

}  // namespace

void add_quantize(Command& app) {
  auto* c = app.add_subcommand(
      "quantize", "weights in 2, 3, 4 or 8 bits",
      "  hone quantize SmolLM2-135M out/int4 --bits 4 --eval-data test.txt\n"
      "  hone quantize SmolLM2-135M out/int3 --bits 3 --method gptq --data train.txt --max-loss-increase 5%\n"
      "  hone quantize SmolLM2-135M out/80MB --size 80MB --method gptq --data train.txt --json\n"
      "  hone quantize out/half out/small --bits 4 --storage auto --correction-rank 16 --correction-of "
      "SmolLM2-135M");
  auto* o = new_kept<Options>();
  std::vector<std::string> learning = quantize_methods();
  std::erase_if(learning, [](const std::string& method) { return !needs_text({.method = method}); });
  o->compress.add_to(*c, fmt::format("{}, mixes, --smooth", fmt::join(learning, ", ")));
  QuantizeOptions& q = o->quantize;
  c->add_option("--method", q.method, fmt::format("{}", fmt::join(quantize_methods(), ", ")))
      ->capture_default_str();
  c->add_option("--bits", q.bits, "2, 3, 4 or 8; in between, as 4.25: a mix, more where it helps most")
      ->capture_default_str();
  c->add_option("--group", q.group,
                "weights of a row that share a scale (-1: all; multiples of 32 are fastest)")
      ->capture_default_str();
  c->add_flag("--symmetric", o->symmetric,
              "codes around zero (8 bits always are, and so are those of a pruned model, whose zeros stay)");
  c->add_option("--table-bits", q.table_bits, "of the table of tokens and the head; 0: they stay as they are")
      ->capture_default_str();
  c->add_option("--smooth", q.smooth,
                "0.5 as a rule: first move the ranges of inputs into weights (SmoothQuant; 0: no)")
      ->capture_default_str();
  c->add_option("--size", o->size,
                "of the files of weights, as 80MB (of a GGUF file all): a mix of bits that fits, tables too");
  c->add_option("--windows", q.sample.windows, "windows of the sample that it learns from")
      ->capture_default_str();
  c->add_option("--seq", q.sample.seq, "tokens of each")->capture_default_str();
  c->add_option("--steps", q.refine.steps, "of the method refined: its training")->capture_default_str();
  c->add_option("--batch", q.refine.batch, "windows of 256 tokens a step of that")->capture_default_str();
  c->add_option("--lr", q.refine.lr, "its learning rate")->capture_default_str();
  c->add_option("--alpha", q.refine.alpha, "the model's own share of its loss, beside the text's")
      ->capture_default_str();
  c->add_option("--precision", o->precision,
                "of that training: f32, bf16, fp16, or auto: bf16 where this CPU has products in it")
      ->capture_default_str();
  o->compress.add_storage_to(*c);
  o->compress.add_corrections_to(*c);
  c->callback([=] { o->compress.of_in([&] { run(*o); }); });
}

}  // namespace hone::cli
