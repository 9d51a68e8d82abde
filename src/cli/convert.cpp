#include "hone/convert.hpp"

#include <fmt/format.h>

#include "cli/command.hpp"
#include "cli/json_line.hpp"
#include "cli/terminal.hpp"

namespace hone::cli {

void add_convert(Command& app) {
  auto* c =
      app.add_subcommand("convert", "a model from a folder to a GGUF file, or back",
                         "  hone convert SmolLM2-135M smollm2.gguf --type q8_0\n"
                         "  hone convert smollm2.gguf SmolLM2-135M --type bf16\n"
                         "  hone convert out/adapter adapter.gguf        (a LoRA adapter, for llama.cpp)");
  auto *in = new_kept<std::string>(), *out = new_kept<std::string>();
  auto* options = new_kept<ConvertOptions>();
  auto* json = new_kept<bool>();
  c->add_option("in", *in, "model folder or GGUF file")->required();
  c->add_option("out", *out, "what to write: a GGUF file where the name ends in .gguf, else a folder")
      ->required();
  c->add_option("--type", options->type,
                "of the weights: f32, f16, bf16, and in a GGUF file q8_0, q4_0, q4_1, q4_k, q6_k");
  c->add_option("--token-embedding-type", options->token_embedding_type,
                "of a GGUF file's table (default: --type, but of one that is the head too as below)");
  c->add_option("--output-tensor-type", options->output_tensor_type,
                "of its head (default: --type, but q6_k or q8_0 where that has four bits)");
  c->add_flag("--json", *json, "one JSON object on stdout");
  c->callback([=] {
    leave_nothing_unfinished(*json);
    const ConvertReport done = convert(*in, *out, *options);
    print_notes(done.notes);
    const std::string text =
        fmt::format("{}: {} tensors, {}", *out, done.tensors, human_bytes(static_cast<double>(done.bytes)));
    print(*json ? JsonLine().add("out", *out).add("tensors", done.tensors).add("bytes", done.bytes).text()
                : text);
  });
}

}  // namespace hone::cli
