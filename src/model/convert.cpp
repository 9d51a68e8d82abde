#include "hone/convert.hpp"

#include <algorithm>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "file/gguf_writer.hpp"
#include "file/mapped.hpp"
#include "file/weight_files.hpp"
#include "hone/nearest.hpp"
#include "ir/values.hpp"
#include "kernel/quantize.hpp"
#include "model/adapter.hpp"
#include "model/gguf_metadata.hpp"
#include "model/low_rank.hpp"
#include "model/model_impl.hpp"
#include "store/save_weights.hpp"
#include "text/gguf_tokenizer.hpp"

namespace hone {
namespace {

using Json = nlohmann::json;

struct TypeChoice {
  const char* name;
  DType dtype;
  bool in_folder;
  std::uint32_t file_type;  // llama.h, enum llama_ftype
};
constexpr TypeChoice types[] = {{"f32", DType::f32, true, 0},     {"f16", DType::f16, true, 1},
                                {"bf16", DType::bf16, true, 32},  {"q8_0", DType::q8_0, false, 7},
                                {"q4_0", DType::q4_0, false, 2},  {"q4_1", DType::q4_1, false, 3},
                                {"q4_k", DType::q4_k, false, 15}, {"q6_k", DType::q6_k, false, 18}};

bool is_gguf_name(const std::string& path) { return path.ends_with(".gguf"); }

const TypeChoice& chosen(const std::string& asked, bool gguf) {
  std::string name = asked.empty() ? (gguf ? "f16" : "f32") : asked;
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (name == "q4_k_m" || name == "q4_k_s") name = "q4_k";
  std::string known;
  std::vector<std::string> names;
  for (const TypeChoice& t : types) {
    if (!gguf && !t.in_folder) continue;
    if (name == t.name) return t;
    known += (known.empty() ? "" : ", ") + std::string(t.name);
    names.emplace_back(t.name);
  }
  throw Error(ErrorKind::usage, {.what = "no such type of weights is written",
                                 .where = "type",
                                 .expected = known,
                                 .found = asked,
                                 .hint = gguf ? "did you mean " + nearest(name, names) + "?"
                                              : "a folder has dense weights: name a .gguf file for others"});
}

// The type that a tensor gets. llama.cpp gives the head, or the table that is the head too, more bits.
DType type_of_tensor(const ParameterSpec& spec, const TypeChoice& asked, bool is_head,
                     std::map<std::string, int>& others) {
  if (spec.shape.rank() < 2) return DType::f32;
  const DType wanted = asked.dtype == DType::q4_k && is_head ? DType::q6_k : asked.dtype;
  const std::int64_t row = spec.shape.last();
  if (row % block_elements(wanted) == 0) return wanted;
  const DType instead = row % 32 != 0 ? DType::f16 : wanted == DType::q4_k ? DType::q5_0 : DType::q8_0;
  ++others[std::string(name(instead)) + " instead of " + std::string(name(wanted)) + ": rows of " +
           std::to_string(row) + " are no multiple of " + std::to_string(block_elements(wanted))];
  return instead;
}

// In the file's order of rows and with its norms.
class FileValues {
 public:
  FileValues(const Model& model, const GgufFamily& family, std::int64_t head_dim)
      : model_(model), family_(family), head_dim_(head_dim) {}

  std::span<const float> of(const ParameterSpec& spec, const std::string& gguf) {
    values_.resize(static_cast<std::size_t>(spec.shape.elements()));
    model_.impl().store.read_file_layout(spec, values_);
    model_.impl().store.require_finite(spec, values_);
    if (is_norm(gguf))
      for (float& x : values_) x += family_.norm_offset;
    if (permuted(family_, gguf) == Permuted::no || spec.shape[0] % head_dim_ != 0) return values_;
    ordered_.resize(values_.size());
    const std::size_t row = values_.size() / static_cast<std::size_t>(spec.shape[0]);
    for (std::int64_t r = 0; r < spec.shape[0]; ++r)
      std::copy_n(values_.data() + static_cast<std::size_t>(r) * row, row,
                  ordered_.data() + static_cast<std::size_t>(interleaved_row(r, head_dim_)) * row);
    return ordered_;
  }

 private:
  const Model& model_;
  const GgufFamily& family_;
  std::int64_t head_dim_;
  std::vector<float> values_, ordered_;
};

std::vector<std::byte> encoded(std::span<const float> values, DType dtype) {
  std::vector<std::byte> bytes(
      static_cast<std::size_t>(row_bytes(dtype, static_cast<std::int64_t>(values.size()))));
  if (is_blocks(dtype))
    kernel::quantize(element_of(dtype), values, bytes);
  else
    narrow(values, dtype, bytes);
  return bytes;
}

void write_general_keys(GgufWriter& out, const GgufFamily& family, const TypeChoice& type,
                        const std::string& from) {
  std::string title = from;
  while (title.ends_with('/')) title.pop_back();
  title.erase(0, title.rfind('/') + 1);
  out.key("general.architecture", family.architecture);
  out.key("general.type", "model");
  out.key("general.name", title);
  out.key("general.file_type", type.file_type);
  out.key("general.quantization_version", std::uint32_t{2});
}

// The tokenizer of the folder, or of the file, as it is there.
void write_tokenizer(GgufWriter& out, const std::string& from, const Json& config,
                     std::vector<std::string>& notes) {
  if (is_folder(from)) return write_tokenizer_keys(out, from, config, notes);
  const GgufFile file(from);
  for (const auto& [key, entry] : file.metadata())
    if (key.starts_with("tokenizer.")) out.key(key, entry);
}

ConvertReport to_gguf(const Model& model, const std::string& from, const std::string& to,
                      const TypeChoice& type) {
  const Json config = Json::parse(model.config_json());
  const GgufFamily* family = gguf_family_of_model_type(model.family());
  if (!family)
    throw Error(ErrorKind::input, {.what = "llama.cpp's files are written for some families only",
                                   .where = from,
                                   .expected = "llama, qwen2, qwen3 or gemma3_text",
                                   .found = model.family()});
  ConvertReport report;
  GgufWriter out(to);
  write_general_keys(out, *family, type, from);
  write_config_keys(out, *family, config, from);
  write_tokenizer(out, from, config, report.notes);
  const auto& specs = model.impl().specs;
  const FamilyNames& names = *model.impl().family_names;
  const bool tied = model.impl().find(names.head) == nullptr;
  std::map<std::string, int> others;
  const auto factors = rotation_factors(config);
  if (!factors.empty())
    out.tensor("rope_freqs.weight", DType::f32, {static_cast<std::int64_t>(factors.size())});
  std::vector<DType> dtypes;
  for (const ParameterSpec& spec : specs) {
    const bool is_head = spec.name == names.head || (tied && spec.name == names.table);
    dtypes.push_back(type_of_tensor(spec, type, is_head, others));
    out.tensor(gguf_name(*family, spec.name).value_or(spec.name), dtypes.back(), spec.shape.sizes());
    ++report.tensors;
    report.bytes += row_bytes(dtypes.back(), spec.shape.elements());
  }
  for (const auto& [what, count] : others)
    report.notes.push_back(std::to_string(count) + (count == 1 ? " tensor is " : " tensors are ") + what);
  if (!factors.empty()) out.write("rope_freqs.weight", std::as_bytes(std::span(factors)));
  FileValues values(model, *family, head_width(config));
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const std::string gguf = gguf_name(*family, specs[i].name).value_or(specs[i].name);
    out.write(gguf, encoded(values.of(specs[i], gguf), dtypes[i]));
  }
  out.commit();
  return report;
}

// A GGUF file's tokenizer, as a folder has it.
void write_tokenizer_files(const std::string& gguf, const std::string& to) {
  const GgufFile file(gguf);
  if (!file.has("tokenizer.ggml.tokens")) return;
  write_file(to + "/tokenizer.json", tokenizer_json_of(file));
  Json own = Json::object();
  if (file.has("tokenizer.chat_template")) own["chat_template"] = file.text("tokenizer.chat_template");
  write_file(to + "/tokenizer_config.json", own.dump(2) + "\n");
}

constexpr const char* beside_the_weights[] = {"tokenizer.json",
                                              "tokenizer_config.json",
                                              "special_tokens_map.json",
                                              "vocab.json",
                                              "merges.txt",
                                              "vocab.txt",
                                              "added_tokens.json",
                                              "tokenizer.model",
                                              "chat_template.jinja",
                                              "generation_config.json"};

}  // namespace

void copy_tokenizer(const std::string& from, const std::string& to) {
  if (is_gguf(from)) return write_tokenizer_files(from, to);
  for (const char* name : beside_the_weights) {
    const std::string file = from + "/" + name, there = to + "/" + name;
    if (is_file(file) && !is_file(there)) write_file(there, read_file(file));
  }
}

namespace {

// The types of a model's weights in a folder: their own where they are floating, else f32.
std::vector<ParameterSpec> kept_types(const Model& model) {
  std::vector<ParameterSpec> specs = model.impl().specs;
  const auto types = model.impl().store.stored_types();
  for (ParameterSpec& spec : specs)
    if (const auto type = types.find(spec.name); type != types.end() && is_floating(type->second))
      spec.dtype = type->second;
  return specs;
}

// What config.json calls the type that most of the bytes are in.
const char* config_type(const std::vector<ParameterSpec>& specs) {
  std::map<DType, std::int64_t> bytes;
  for (const ParameterSpec& spec : specs) bytes[spec.dtype] += row_bytes(spec.dtype, spec.shape.elements());
  const DType most = std::ranges::max_element(bytes, {}, [](const auto& b) { return b.second; })->first;
  return most == DType::f32 ? "float32" : most == DType::f16 ? "float16" : "bfloat16";
}

// `specs`: the model's weights, in the types that they get.
ConvertReport to_folder(const Model& model, const std::string& from, const std::string& to,
                        const std::vector<ParameterSpec>& specs) {
  ConvertReport report;
  make_folders(to);
  for (const ParameterSpec& spec : specs) {
    ++report.tensors;
    report.bytes += row_bytes(spec.dtype, spec.shape.elements());
  }
  std::vector<float> wide;
  std::vector<std::byte> narrowed;
  const WeightReader read = [&](const ParameterSpec& spec) -> std::span<const std::byte> {
    wide.resize(static_cast<std::size_t>(spec.shape.elements()));
    model.impl().store.read_file_layout(*model.impl().find(spec.name), wide);
    narrowed = encoded(wide, spec.dtype);
    return narrowed;
  };
  save_weights(to, specs, read, SaveOptions{}.max_shard_bytes);
  Json config = Json::parse(model.config_json());
  config.erase("torch_dtype");  // the key's old name
  config["dtype"] = config_type(specs);
  copy_tokenizer(from, to);
  write_file(to + "/config.json", config.dump(2) + "\n");
  return report;
}

}  // namespace

void require_no_model(const std::string& to) {
  const std::string found = is_folder(to) ? model_file_in(to) : is_file(to) ? "a file" : "";
  if (found.empty()) return;
  throw Error(ErrorKind::usage,
              {.what = is_folder(to) ? "the folder holds a model, which would be replaced"
                                     : "there is a file of that name, which would be replaced",
               .where = to,
               .expected = "no folder or file, or a folder without a model",
               .found = found});
}

ConvertReport write_model(const Model& model, const std::string& from, const std::string& to) {
  if (is_gguf_name(to)) return to_gguf(multiplied_out(model), from, to, chosen("", true));
  const MadeFolders made(to);
  return to_folder(model, from, to, kept_types(model));
}

ConvertReport convert(const std::string& from, const std::string& to, const ConvertOptions& options) {
  const bool gguf = is_gguf_name(to);
  const TypeChoice& type = chosen(options.type, gguf);
  const Model model = multiplied_out(open(from));
  if (model.impl().adapter && !gguf)
    throw Error(ErrorKind::usage, {.what = "an adapter becomes a GGUF file, or one model with its base",
                                   .where = from,
                                   .hint = "name OUT.gguf, or see hone merge"});
  if (model.impl().adapter) return adapter_to_gguf(model, to);
  std::vector<ParameterSpec> specs = model.impl().specs;
  for (ParameterSpec& spec : specs) spec.dtype = type.dtype;
  ConvertReport report = gguf ? to_gguf(model, from, to, type) : to_folder(model, from, to, specs);
  report.notes.insert(report.notes.begin(), model.notes().begin(), model.notes().end());
  return report;
}

}  // namespace hone
