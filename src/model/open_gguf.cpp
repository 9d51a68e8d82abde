// Models from a GGUF file: its metadata are the config.json, its tensors the weights, where they lie.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "file/gguf.hpp"
#include "file/safetensors.hpp"
#include "hone/nearest.hpp"
#include "model/gguf_config.hpp"
#include "model/model_impl.hpp"

namespace hone {
namespace {

// What a weight's bytes lie in: the file, and rows that had to be put in another order.
struct Owner {
  GgufFile file;
  std::vector<std::vector<std::byte>> ordered{};
};

std::string where(const GgufFile& file, const GgufTensor& t) { return file.path() + ", tensor " + t.name; }

void require_fit(const GgufFile& file, const GgufTensor& t, const ParameterSpec& spec) {
  if (t.shape != spec.shape.sizes())
    throw Error(ErrorKind::input, {.what = "the tensor does not fit the metadata",
                                   .where = where(file, t),
                                   .expected = to_string(spec.shape),
                                   .found = type_text("", t.shape)});
  if (!t.type.dtype)
    throw Error(ErrorKind::input,
                {.what = "weights of this type cannot be read",
                 .where = where(file, t),
                 .expected = "F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K or Q6_K",
                 .found = std::string(t.type.name),
                 .hint = "take the model in one of these types"});
}

// Queries and keys with each head's pairs as halves.
std::span<const std::byte> in_halves(Owner& owner, const GgufTensor& t, std::int64_t head_dim) {
  const auto from = owner.file.bytes(t);
  const std::int64_t rows = t.shape.front();
  const std::size_t row = from.size() / static_cast<std::size_t>(rows);
  std::vector<std::byte>& to = owner.ordered.emplace_back(from.size());
  for (std::int64_t r = 0; r < rows; ++r) {
    const auto source = from.subspan(static_cast<std::size_t>(interleaved_row(r, head_dim)) * row, row);
    std::copy(source.begin(), source.end(),
              to.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(r) * row));
  }
  return to;
}

StoredWeight stored(const std::shared_ptr<Owner>& all, const GgufFamily& family, const GgufTensor& t,
                    const ParameterSpec& spec, std::int64_t head_dim) {
  Owner& owner = *all;
  require_fit(owner.file, t, spec);
  StoredWeight weight{.type = {spec.shape, *t.type.dtype}, .owner = all};
  weight.mapped = permuted(family, t.name) == Permuted::no || t.shape.front() % head_dim != 0;
  weight.bytes = weight.mapped ? owner.file.bytes(t) : in_halves(owner, t, head_dim);
  if (is_norm(t.name)) weight.add = -family.norm_offset;
  return weight;
}

// Tensors that belong to no weight: of rotations, which the config says, or of a model that is another one.
void require_no_surplus(const GgufFile& file, const GgufFamily& family, const Model::Impl& model) {
  std::vector<std::string> known;
  for (const ParameterSpec& spec : model.specs)
    if (const auto name = gguf_name(family, spec.name)) known.push_back(*name);
  std::sort(known.begin(), known.end());
  for (const GgufTensor& t : file.tensors()) {
    if (t.name.starts_with("rope_freqs.") || t.name.ends_with(".attn_rot_embd.weight") ||
        std::binary_search(known.begin(), known.end(), t.name))
      continue;
    throw Error(ErrorKind::input, {.what = "the model that the metadata describe has no such weight",
                                   .where = where(file, t),
                                   .expected = std::to_string(known.size()) + " tensors of a " + model.family,
                                   .found = "the nearest is " + nearest(t.name, known)});
  }
}

}  // namespace

Model open_gguf(const std::string& path, const ModelOptions& options) {
  auto owner = std::make_shared<Owner>(Owner{GgufFile(path)});
  const GgufFile& file = owner->file;
  if (const auto type = file.text("general.type", "model"); type != "model")
    throw Error(ErrorKind::input,
                {.what = type == "adapter" ? "this is a LoRA adapter, and no model" : "this is no model",
                 .where = path + ", key general.type",
                 .expected = "model",
                 .found = std::string(type),
                 .hint = type == "adapter" ? "MODEL --adapter DIR takes one in PEFT's format" : ""});
  if (file.integer("split.count", 1) > 1)
    throw Error(ErrorKind::input, {.what = "the model is split into several files",
                                   .where = path,
                                   .expected = "one file",
                                   .found = std::to_string(file.integer("split.count")),
                                   .hint = "llama-gguf-split --merge makes one of them"});
  const GgufFamily& family = gguf_family(file);
  std::vector<std::string> notes;
  const nlohmann::json config = config_of_gguf(file, notes);
  const Model model = from_json(config, options, path);
  std::map<std::string, StoredWeight> weights;
  std::int64_t beside = static_cast<std::int64_t>(file.size());
  for (const ParameterSpec& spec : model.impl().specs) {
    const GgufTensor& t = file.at(gguf_name(family, spec.name).value_or(spec.name));
    weights[spec.name] = stored(owner, family, t, spec, config["head_dim"].get<std::int64_t>());
    beside -= static_cast<std::int64_t>(t.bytes);
  }
  require_no_surplus(file, family, model.impl());
  auto impl = std::make_shared<Model::Impl>(model.impl());
  impl->notes.insert(impl->notes.end(), notes.begin(), notes.end());
  impl->store = WeightStore().with_stored(std::move(weights), path, beside);
  return Model(std::move(impl));
}

}  // namespace hone
