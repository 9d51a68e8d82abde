// An adapter as llama.cpp loads it (src/llama-adapter.cpp; convert_lora_to_gguf.py): tensors
// blk.N.attn_q.weight.lora_a [r,in] and .lora_b [out,r], and one alpha; a product's weight is then
// W + alpha / r B A.
#include <nlohmann/json.hpp>

#include "file/gguf_writer.hpp"
#include "model/adapter.hpp"
#include "model/gguf_metadata.hpp"

namespace hone {
namespace {

struct Written {
  std::string name;  // of the weight, in GGUF
  std::vector<float> a, b;
  const LoraModule* module;
};

std::vector<float> values_of(const Model::Impl& model, const std::string& name) {
  const ParameterSpec& spec = *model.find(name);
  std::vector<float> values(static_cast<std::size_t>(spec.shape.elements()));
  model.store.read_file_layout(spec, values);
  return values;
}

// Queries and keys have the rows of each head in another order where the family's files do.
void order_rows(std::vector<float>& b, std::int64_t rank, std::int64_t head_dim) {
  const auto width = static_cast<std::size_t>(rank);
  const auto rows = static_cast<std::int64_t>(b.size()) / rank;
  if (rows % head_dim != 0) return;
  const std::vector<float> halves = b;
  for (std::int64_t r = 0; r < rows; ++r)
    std::copy_n(halves.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(r) * width), width,
                b.begin() + static_cast<std::ptrdiff_t>(
                                static_cast<std::size_t>(interleaved_row(r, head_dim)) * width));
}

Written written(const Model::Impl& model, const GgufFamily& family, const LoraModule& module, float alpha,
                std::int64_t head_dim) {
  const auto name = gguf_name(family, module.name + ".weight");
  if (!name)
    throw Error(ErrorKind::input, {.what = "llama.cpp's family has no such product", .where = module.name});
  Written w{*name, values_of(model, lora_a_name(module.name)), values_of(model, lora_b_name(module.name)),
            &module};
  if (permuted(family, *name) != Permuted::no) order_rows(w.b, module.rank, head_dim);
  // The file has one alpha: what another one, or the root of a rank, makes of the scale goes into B.
  const float more = module.scale * static_cast<float>(module.rank) / alpha;
  if (more != 1.0f)
    for (float& x : w.b) x *= more;
  return w;
}

}  // namespace

ConvertReport adapter_to_gguf(const Model& model, AtomicFile& to) {
  const Model::Impl& impl = model.impl();
  const GgufFamily* family = gguf_family_of_model_type(model.family());
  if (!family)
    throw Error(ErrorKind::input, {.what = "llama.cpp's files are written for some families only",
                                   .where = "the adapter's base",
                                   .expected = "llama, qwen2, qwen3 or gemma3_text",
                                   .found = model.family()});
  const auto& modules = impl.adapter->modules;
  const float alpha = modules.front().scale * static_cast<float>(modules.front().rank);
  const std::int64_t head_dim = head_width(nlohmann::json::parse(model.config_json()));
  GgufWriter out(&to);
  out.key("general.architecture", family->architecture);
  out.key("general.type", "adapter");
  out.key("adapter.type", "lora");
  out.key("adapter.lora.alpha", alpha);
  ConvertReport report;
  std::vector<Written> all;
  for (const LoraModule& module : modules) {
    all.push_back(written(impl, *family, module, alpha, head_dim));
    const Written& w = all.back();
    const auto in = static_cast<std::int64_t>(w.a.size()) / module.rank,
               rows = static_cast<std::int64_t>(w.b.size()) / module.rank;
    out.tensor(w.name + ".lora_a", DType::f32, {module.rank, in});
    out.tensor(w.name + ".lora_b", DType::f32, {rows, module.rank});
    report.tensors += 2;
    report.bytes += static_cast<std::int64_t>((w.a.size() + w.b.size()) * sizeof(float));
  }
  for (const Written& w : all) {
    out.write(w.name + ".lora_a", std::as_bytes(std::span(w.a)));
    out.write(w.name + ".lora_b", std::as_bytes(std::span(w.b)));
  }
  out.finish();
  return report;
}

}  // namespace hone
