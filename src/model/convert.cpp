#include "hone/convert.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "file/gguf_writer.hpp"
#include "file/mapped.hpp"
#include "file/weight_files.hpp"
#include "file/weight_types.hpp"
#include "hone/nearest.hpp"
#include "model/adapter.hpp"
#include "model/companions.hpp"
#include "model/gguf_metadata.hpp"
#include "model/gguf_weights.hpp"
#include "model/low_rank.hpp"
#include "model/model_impl.hpp"
#include "model/model_output.hpp"
#include "store/save_weights.hpp"

namespace hone {
namespace {

using Json = nlohmann::json;

// What is written: which types one may ask for, and how llama.h's enum llama_ftype calls a file that is
// mostly of one.
struct TypeChoice {
  DType dtype;
  std::uint32_t file_type;
  bool is_asked = true, in_folder = false;
};
constexpr TypeChoice types[] = {{DType::f32, 0, true, true},
                                {DType::f16, 1, true, true},
                                {DType::bf16, 32, true, true},
                                {DType::q8_0, 7},
                                {DType::q4_0, 2},
                                {DType::q4_1, 3},
                                {DType::q4_k, 15},
                                {DType::q6_k, 18},
                                {DType::q5_0, 8, false},
                                {DType::q5_1, 9, false},
                                {DType::q2_k, 10, false},
                                {DType::q3_k, 12, false},
                                {DType::q5_k, 17, false}};

// `option`: which one asks, for messages.
const TypeChoice& chosen(const std::string& asked, bool gguf, const char* option = "type") {
  std::string asked_name = asked.empty() ? (gguf ? "f16" : "f32") : asked;
  std::transform(asked_name.begin(), asked_name.end(), asked_name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (asked_name == "q4_k_m" || asked_name == "q4_k_s") asked_name = "q4_k";
  std::string known;
  std::vector<std::string> names;
  for (const TypeChoice& t : types) {
    if (!t.is_asked || (!gguf && !t.in_folder)) continue;
    if (asked_name == name(t.dtype)) return t;
    names.emplace_back(name(t.dtype));
    known += (known.empty() ? "" : ", ") + names.back();
  }
  throw Error(ErrorKind::usage, {.what = "no such type of weights is written",
                                 .where = option,
                                 .expected = known,
                                 .found = asked,
                                 .hint = gguf ? "did you mean " + nearest(asked_name, names) + "?"
                                              : "a folder has dense weights: name a .gguf file for others"});
}

// What a GGUF file's tensors get, where they do not keep what they have: all of them, the table, the head.
struct AskedTypes {
  std::optional<DType> all, table, head;
};

AskedTypes asked_types(const ConvertOptions& o, std::optional<DType> all) {
  const auto own = [](const std::string& type, const char* option) {
    return type.empty() ? std::optional<DType>() : chosen(type, true, option).dtype;
  };
  return {all, own(o.token_embedding_type, "token_embedding_type"),
          own(o.output_tensor_type, "output_tensor_type")};
}

// GGUF's rows are whole blocks: K-quants have blocks of 256, the others of 32.
DType type_for_rows(std::int64_t row, DType wanted) {
  if (row % block_elements(wanted) == 0) return wanted;
  return row % 32 != 0 ? DType::f16 : wanted == DType::q4_k ? DType::q5_0 : DType::q8_0;
}

// The types of a model's tensors, and what a person should hear of those that get another than was asked for.
class TensorTypes {
 public:
  TensorTypes(const Model& model, const AskedTypes& asked)
      : names_(*model.impl().family_names), tied_(model.impl().find(names_.head) == nullptr), asked_(asked) {
    const std::vector<ParameterSpec> kept = asked.all ? model.impl().specs : kept_weights(model);
    for (const ParameterSpec& spec : kept) all_.push_back(type_of(spec));
  }

  const std::vector<DType>& all() const { return all_; }
  std::vector<std::string> notes() const {
    std::vector<std::string> notes = finer_;
    if (tied_ && asked_.table && asked_.head && asked_.table != asked_.head)
      notes.push_back(
          "without effect where the table is the head too: --output-tensor-type, beside "
          "--token-embedding-type");
    for (const auto& [what, count] : others_)
      notes.push_back(std::to_string(count) + (count == 1 ? " tensor is " : " tensors are ") + what);
    return notes;
  }

 private:
  DType type_of(const ParameterSpec& spec) {
    if (spec.shape.rank() < 2) return DType::f32;
    const bool table = spec.name == names_.table, head = spec.name == names_.head || (tied_ && table);
    const auto& own = table && asked_.table ? asked_.table : head ? asked_.head : std::optional<DType>();
    if (own) return fitted(spec, *own);
    if (!asked_.all) return fitted(spec, gguf_type_for(spec.dtype, spec.name));
    return head ? of_head(spec, *asked_.all, table) : fitted(spec, *asked_.all);
  }

  // llama.cpp gives the head, or the table that is the head too, more bits (llama-quant.cpp): what it gets
  // wrong, every token's probabilities have.
  DType of_head(const ParameterSpec& spec, DType asked, bool is_table) {
    const bool coarse = is_blocks(asked) && asked != DType::q8_0 && asked != DType::q6_k;
    if (!coarse) return fitted(spec, asked);
    const DType finer = type_for_rows(spec.shape.last(), DType::q6_k);
    finer_.push_back(std::string(is_table ? "the table, which is the head too, is " : "the head is ") +
                     std::string(name(finer)) + " instead of " + std::string(name(asked)) +
                     ", as in llama.cpp (" + (is_table ? "--token-embedding-type" : "--output-tensor-type") +
                     " " + std::string(name(asked)) + " has it so)");
    return finer;
  }

  DType fitted(const ParameterSpec& spec, DType wanted) {
    const std::int64_t row = spec.shape.last();
    const DType type = type_for_rows(row, wanted);
    if (type != wanted)
      ++others_[std::string(name(type)) + " instead of " + std::string(name(wanted)) + ": rows of " +
                std::to_string(row) + " are no multiple of " + std::to_string(block_elements(wanted))];
    return type;
  }

  const FamilyNames& names_;
  bool tied_;
  AskedTypes asked_;
  std::vector<DType> all_{};
  std::vector<std::string> finer_{};
  std::map<std::string, int> others_{};
};

void write_general_keys(GgufWriter& out, const GgufFamily& family, DType type, const std::string& from) {
  std::string title = from;
  while (title.ends_with('/')) title.pop_back();
  title.erase(0, title.rfind('/') + 1);
  out.key("general.architecture", family.architecture);
  out.key("general.type", "model");
  out.key("general.name", title);
  out.key("general.file_type", std::ranges::find(types, type, &TypeChoice::dtype)->file_type);
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

// The one that most numbers are in.
DType most_used(const Model& model, const std::vector<DType>& dtypes) {
  std::map<DType, std::int64_t> elements;
  for (std::size_t i = 0; i < dtypes.size(); ++i)
    elements[dtypes[i]] += model.impl().specs[i].shape.elements();
  return std::ranges::max_element(elements, {}, [](const auto& e) { return e.second; })->first;
}

const GgufFamily& gguf_family_of(const Model& model, const std::string& from) {
  const GgufFamily* family = gguf_family_of_model_type(model.family());
  if (!family)
    throw Error(ErrorKind::input, {.what = "llama.cpp's files are written for some families only",
                                   .where = from,
                                   .expected = "llama, qwen2, qwen3 or gemma3_text",
                                   .found = model.family()});
  return *family;
}

// A GGUF file as it is declared before its bytes are written.
class GgufModel {
 public:
  GgufModel(const Model& model, const std::string& from, AtomicFile* file)
      : model_(model),
        config_(Json::parse(model.config_json())),
        family_(gguf_family_of(model, from)),
        from_(from),
        out_(file) {}

  void declare(const AskedTypes& asked) {
    const TensorTypes given(model_, asked);
    dtypes_ = given.all();
    write_general_keys(out_, family_, asked.all ? *asked.all : most_used(model_, dtypes_), from_);
    declare_keys();
    const std::vector<std::string> others = given.notes();
    report_.notes.insert(report_.notes.end(), others.begin(), others.end());
    factors_ = rotation_factors(config_);
    if (!factors_.empty()) out_.tensor(rotations, DType::f32, {static_cast<std::int64_t>(factors_.size())});
    const auto& specs = model_.impl().specs;
    for (std::size_t i = 0; i < specs.size(); ++i) {
      out_.tensor(name_of(specs[i]), dtypes_[i], specs[i].shape.sizes());
      ++report_.tensors;
      report_.bytes += TensorType{specs[i].shape, dtypes_[i]}.bytes();
    }
  }
  // Those that a model may have no words for.
  void declare_keys() {
    write_config_keys(out_, family_, config_, from_);
    write_tokenizer(out_, from_, config_, report_.notes);
  }
  std::int64_t bytes() const { return static_cast<std::int64_t>(out_.bytes()); }

  ConvertReport write() {
    if (!factors_.empty()) out_.write(rotations, std::as_bytes(std::span(factors_)));
    GgufWeights weights(model_, family_, head_width(config_));
    const auto& specs = model_.impl().specs;
    for (std::size_t i = 0; i < specs.size(); ++i)
      out_.write(name_of(specs[i]), weights.of(specs[i], name_of(specs[i]), dtypes_[i]));
    out_.finish();
    note_lost_zeros(weights.zeros());
    return std::move(report_);
  }

 private:
  void note_lost_zeros(const GgufWeights::Zeros& zeros) {
    if (zeros.before < pruned_from * zeros.all || zeros.after >= 0.99 * zeros.before) return;
    report_.notes.push_back(
        fmt::format("{:.1f} % of the products' weights are zero, and {:.1f} % in the file: codes with a "
                    "minimum need not have a "
                    "zero (those of q4_0 and q8_0 have one, and hone quantize keeps zeros)",
                    100 * zeros.before / zeros.all, 100 * zeros.after / zeros.all));
  }
  static constexpr const char* rotations = "rope_freqs.weight";
  std::string name_of(const ParameterSpec& spec) const {
    return gguf_name(family_, spec.name).value_or(spec.name);
  }

  const Model model_;
  Json config_;
  const GgufFamily& family_;
  std::string from_;
  GgufWriter out_;
  std::vector<DType> dtypes_{};
  std::vector<float> factors_{};
  ConvertReport report_{};
};

ConvertReport to_gguf(const Model& model, const std::string& from, AtomicFile& to, const AskedTypes& asked) {
  GgufModel file(model, from, &to);
  file.declare(asked);
  return file.write();
}

// The type that most of the bytes are in, blocks apart.
DType main_type(const std::vector<ParameterSpec>& specs) {
  std::map<DType, std::int64_t> bytes{{DType::f32, 0}};
  for (const ParameterSpec& spec : specs)
    if (is_floating(spec.dtype)) bytes[spec.dtype] += TensorType{spec.shape, spec.dtype}.bytes();
  return std::ranges::max_element(bytes, {}, [](const auto& b) { return b.second; })->first;
}
const char* config_type(DType type) {  // as config.json calls it
  return type == DType::f32 ? "float32" : type == DType::f16 ? "float16" : "bfloat16";
}

// `specs`: the model's weights, in the types that they get; `filed`: the same, or components of those that
// stay sparse.
ConvertReport to_folder(const Model& model, const std::string& from, const std::string& to,
                        const std::vector<ParameterSpec>& specs, const std::vector<ParameterSpec>& filed) {
  ConvertReport report;
  for (const ParameterSpec& spec : filed) {
    ++report.tensors;
    report.bytes += TensorType{spec.shape, spec.dtype}.bytes();
  }
  std::vector<std::byte> bytes;
  const WeightReader read = [&](const ParameterSpec& spec) -> std::span<const std::byte> {
    bytes.resize(static_cast<std::size_t>(TensorType{spec.shape, spec.dtype}.bytes()));
    model.impl().store.read_as_filed(spec, bytes);
    return bytes;
  };
  save_weights(to, filed, read, SaveOptions{}.max_shard_bytes);
  Json config = Json::parse(model.config_json());
  config.erase("torch_dtype");  // the key's old name
  config["dtype"] = config_type(main_type(specs));
  add_weight_types(config, weight_types_of(model, filed));
  report.notes = copy_tokenizer(from, to);
  write_file(to + "/config.json", config.dump(2) + "\n");
  return report;
}

}  // namespace

namespace {

// bf16 stays what it is; f32 is written as llama.cpp's own conversion does. Blocks keep their codes.
AskedTypes kept_types(const Model& model) {
  if (has_blocks(model)) return {};
  const DType most = main_type(stored_weights(model));
  return {.all = most == DType::f32 ? DType::f16 : most};
}

}  // namespace

ConvertReport write_model(const Model& model, const std::string& from, ModelOutput& out) {
  const std::vector<ParameterSpec> specs = stored_weights(model);
  if (!out.is_gguf()) return to_folder(model, from, out.folder(), specs, filed_weights(model, specs));
  require_whole_weights(model, from);
  ConvertReport report = to_gguf(model, from, out.file(), kept_types(model));
  if (!has_blocks(model) && main_type(specs) == DType::f32)
    report.notes.push_back("the file's matrices are in f16, as llama.cpp has them; the model is in f32");
  return report;
}

std::int64_t model_file_bytes(const Model& model, const std::string& from, bool gguf) {
  if (!gguf) return saved_bytes(filed_weights(model, stored_weights(model)), SaveOptions{}.max_shard_bytes);
  GgufModel file(model, from, nullptr);
  file.declare(kept_types(model));
  return file.bytes();
}

void require_gguf(const Model& model, const std::string& from) {
  GgufModel(model, from, nullptr).declare_keys();
  require_whole_weights(model, from);
}

const char* parts_of_weights(const Model& model) {
  if (!ranks_of(model).empty()) return "products of low rank";
  if (!ranks_of(model, corrections_key).empty()) return "corrections of low rank";
  const WeightTrees trees = model.impl().store.trees();
  const bool train =
      std::ranges::any_of(trees, [](const auto& named) { return named.second->type.tensor_train; });
  return train ? "a table as a tensor train" : nullptr;
}

void require_whole_weights(const Model& model, const std::string& where) {
  if (const char* const found = parts_of_weights(model))
    throw Error(ErrorKind::usage,
                {.what = "a GGUF file has whole weights alone, in which nothing of these would be saved",
                 .where = where,
                 .expected = "a folder to write",
                 .found = found,
                 .hint = "hone convert multiplies them out"});
}

ConvertReport convert(const std::string& from, const std::string& to, const ConvertOptions& options) {
  const bool gguf = is_gguf_name(to);
  const TypeChoice& type = chosen(options.type, gguf);
  if (!gguf && !(options.token_embedding_type + options.output_tensor_type).empty())
    throw Error(ErrorKind::usage,
                {.what = "a folder has all its matrices in one type",
                 .where = options.output_tensor_type.empty() ? "token_embedding_type" : "output_tensor_type",
                 .hint = "name a .gguf file, or --type alone"});
  ModelOutput out(from, to);
  const Model opened = open(from);
  if (opened.impl().adapter && !gguf)
    throw Error(ErrorKind::usage, {.what = "an adapter becomes a GGUF file, or one model with its base",
                                   .where = from,
                                   .hint = "name OUT.gguf, or see hone merge"});
  if (opened.impl().adapter) {
    ConvertReport report = adapter_to_gguf(opened, out.file());
    out.publish();
    if (options.token_embedding_type + options.output_tensor_type != "" ||
        (type.dtype != DType::f32 && !options.type.empty()))
      report.notes.emplace_back("an adapter's file is in f32, whatever types are asked for");
    return report;
  }
  const Model model = multiplied_out(opened);
  if (!gguf) require_readable_tokenizer(from);
  std::vector<ParameterSpec> specs = model.impl().specs;
  for (ParameterSpec& spec : specs) spec.dtype = type.dtype;
  const bool keeps = options.type.empty() && has_blocks(model) && ranks_of(opened, corrections_key).empty();
  const AskedTypes asked = asked_types(options, keeps ? std::nullopt : std::optional(type.dtype));
  ConvertReport report =
      gguf ? to_gguf(model, from, out.file(), asked) : to_folder(model, from, out.folder(), specs, specs);
  out.publish();
  report.notes.insert(report.notes.begin(), model.notes().begin(), model.notes().end());
  return report;
}

}  // namespace hone
