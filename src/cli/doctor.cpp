#include <fmt/format.h>

#include "cli/command.hpp"
#include "cli/json_line.hpp"
#include "cli/terminal.hpp"
#include "cli/training_session.hpp"
#include "hone/machine.hpp"
#include "hone/tokenizer.hpp"
#include "hone/version.hpp"

namespace hone::cli {
namespace {

std::string sustained(const Spread& s, const char* unit) {
  return fmt::format("{:.0f} {} sustained (from {:.0f} to {:.0f})", s.median, unit, s.min, s.max);
}

}  // namespace

void add_doctor(Command& app) {
  auto* c =
      app.add_subcommand("doctor", "this machine: what hone uses of it and its limits", "  hone doctor");
  auto* json = new_kept<bool>();
  c->add_flag("--json", *json, "one JSON object on stdout");
  c->callback([=] {
    const MachineFacts m = machine_facts();
    if (*json) {
      print(JsonLine()
                .add("version", version())
                .add("cpu", m.cpu)
                .add("cores", m.cores)
                .add("memory_bytes", m.memory_bytes)
                .add("isa", m.isa)
                .add("f16c", m.f16c)
                .add("avx512_fp16", m.avx512_fp16)
                .add("f32_gflops", m.f32_gflops.median)
                .add("bf16_gflops", m.bf16_gflops.median)
                .add("int8_gops", m.int8_gops.median)
                .add("f32_gflops_spread", spread_json(m.f32_gflops))
                .add("bf16_gflops_spread", spread_json(m.bf16_gflops))
                .add("int8_gops_spread", spread_json(m.int8_gops))
                .add("read_gb_s", m.read_gb_s)
                .add("copy_gb_s", m.copy_gb_s)
                .add("unicode", unicode_version())
                .text());
      return;
    }
    Table table({"what", "here"});
    table.row({"hone", version()}).row({"CPU", m.cpu}).row({"cores", std::to_string(m.cores)});
    table.row({"memory", human_bytes(static_cast<double>(m.memory_bytes))}).row({"instruction set", m.isa});
    table.row({"fp16", std::string(m.f16c ? "converted (F16C)" : "converted in software") +
                           (m.avx512_fp16 ? "; the CPU computes in it (AVX-512 FP16), hone does not" : "")});
    table.row({"f32 multiply-adds", sustained(m.f32_gflops, "GFLOP/s")});
    table.row({"bf16 multiply-adds", sustained(m.bf16_gflops, "GFLOP/s")});
    table.row({"int8 multiply-adds", sustained(m.int8_gops, "GOP/s")});
    table.row({"memory read", fmt::format("{:.0f} GB/s", m.read_gb_s)})
        .row({"memory copy", fmt::format("{:.0f} GB/s", m.copy_gb_s)});
    table.row({"letters and numbers", std::string("as in Unicode ") + unicode_version()});
    print_text(table.to_string());
    if (const std::string note = precision_note(Precision::bf16, m.isa); !note.empty()) print_notes({note});
  });
}

}  // namespace hone::cli
