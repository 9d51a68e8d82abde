// Adapters in PEFT's format (huggingface/peft, src/peft/tuners/lora/config.py and utils/save_and_load.py):
// adapter_config.json says how, the tensors of adapter_model.safetensors say where.
#include "model/adapter.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <regex>

#include "base/number.hpp"
#include "file/gguf.hpp"
#include "file/json.hpp"
#include "file/mapped.hpp"
#include "hone/nearest.hpp"
#include "ir/values.hpp"
#include "store/mapped_values.hpp"

namespace hone {
namespace {

using nlohmann::json;

constexpr const char* config_file = "adapter_config.json";
constexpr const char* weights_file = "adapter_model.safetensors";
constexpr const char* base_key = "base_model_name_or_path";

[[noreturn]] void refuse(const std::string& where, const std::string& what, const std::string& expected,
                         const std::string& found, const std::string& hint = {}) {
  throw Error(ErrorKind::input,
              {.what = what, .where = where, .expected = expected, .found = found, .hint = hint});
}

const json& key(const json& config, const char* name) {
  static const json none;
  const auto found = config.find(name);
  return found == config.end() ? none : *found;
}

bool is_set(const json& value) { return !value.is_null() && value != json(false) && !value.empty(); }

// What changes the function in a way that hone does not compute.
void refuse_other_kinds(const json& config, const std::string& where) {
  if (const std::string type = json_string(config, "peft_type", where); type != "LORA")
    refuse(where, "adapters of this kind are not supported", "peft_type LORA", type);
  if (is_set(key(config, "use_dora")))
    refuse(where, "DoRA is not supported, which scales each row of a weight", "use_dora false", "true",
           "merge_and_unload() of peft makes one model of both");
  if (const json& bias = key(config, "bias"); is_set(bias) && bias != "none")
    refuse(where, "an adapter that trains biases is not supported", "bias \"none\"", bias.dump());
  constexpr std::pair<const char*, const char*> others[] = {
      {"modules_to_save", "modules saved whole beside an adapter are not supported"},
      {"lora_bias", "biases of an adapter's own are not supported"},
      {"layer_replication", "an adapter that repeats layers is not supported"},
      {"target_parameters", "adapters of parameters that are no module's are not supported"},
      {"trainable_token_indices", "an adapter that trains single tokens is not supported"},
      {"alora_invocation_tokens", "an adapter that begins to act behind some tokens is not supported"},
      {"arrow_config", "adapters mixed by Arrow are not supported"},
      {"kasa_config", "KaSA is not supported"},
      {"monteclora_config", "MonteCLoRA is not supported"},
      {"use_qalora", "QALoRA is not supported"},
      {"use_bdlora", "BD-LoRA is not supported"}};
  for (const auto& [name, what] : others)
    if (const json& value = key(config, name); is_set(value))
      refuse(where, what, std::string(name) + " null or false", value.dump(),
             "merge_and_unload() of peft makes one model of both");
  const json& init = key(config, "init_lora_weights");
  const std::string kind = init.is_string() ? init.get<std::string>() : "";
  for (const char* changes_base : {"pissa", "olora", "loftq", "corda"})
    if (kind.starts_with(changes_base))
      refuse(where, "the adapter belongs to a base that its initialisation changed",
             "init_lora_weights true, gaussian or eva", kind,
             "save it in peft with path_initial_model_for_weight_conversion, which makes it one of the base");
}

double number(const json& value, const std::string& name, const std::string& where) {
  if (!value.is_number() || !std::isfinite(value.get<double>()))
    refuse(where, "a value is no number", name + " a number", value.is_null() ? "none" : value.dump());
  return value.get<double>();
}

// The value for a module: that of the first pattern that ends its name (peft's get_pattern_key), or `usual`.
double by_pattern(const json& patterns, const std::string& module, double usual, const std::string& name,
                  const std::string& where) {
  if (!patterns.is_object()) return usual;
  for (const auto& item : patterns.items()) {
    bool fits = is_named(module, item.key());
    try {
      fits = fits || std::regex_match(module, std::regex("(.*\\.)?(" + item.key() + ")"));
    } catch (const std::regex_error&) {
      refuse(where, "a pattern is no regular expression", name + " by patterns", item.key());
    }
    if (fits) return number(item.value(), name, where);
  }
  return usual;
}

// A module's two tensors.
struct Pair {
  const SafetensorsEntry *a = nullptr, *b = nullptr;
};

constexpr std::string_view prefix = "base_model.model.";

// A weight of the base that PEFT saved beside the adapter, as it does with tables and heads
// (save_embedding_layers): the base's own bits, which change nothing, or else the adapter is another base's.
bool is_of_base(const SafetensorsFile& file, const SafetensorsEntry& entry, const Model::Impl& base) {
  constexpr std::string_view inside = ".base_layer.";
  if (!entry.name.starts_with(prefix) || !base.family_names) return false;
  std::string name = entry.name.substr(prefix.size());
  if (const auto at = name.find(inside); at != std::string::npos) name.erase(at, inside.size() - 1);
  const ParameterSpec* spec = base.find(name);
  if (!spec && name == base.family_names->head) spec = base.find(base.family_names->table);  // a tied one
  if (!spec) return false;
  const MappedTensor saved{&file, &entry};
  std::vector<float> own(static_cast<std::size_t>(spec->shape.elements()));
  const auto types = base.store.stored_types();
  if (const auto type = types.find(spec->name); type != types.end() && is_blocks(type->second)) return true;
  const auto dtype = dtype_of_file(saved);
  std::vector<std::byte> expected(own.size() * (dtype ? static_cast<std::size_t>(size_bytes(*dtype)) : 0)),
      found(entry.bytes);
  if (expected.size() == found.size()) {
    base.store.read_file_layout(*spec, own);
    narrow(own, *dtype, expected);
    file.read(entry, found);
  }
  if (expected != found)
    refuse(file.path() + ", tensor " + entry.name,
           "the adapter was trained beside another weight than the base has", name + " of the base",
           "other values",
           "take the base that it was trained on; merge_and_unload() of peft makes one model of both");
  return true;
}

// "base_model.model.h.0.attn.c_attn.lora_A.weight" is A of module h.0.attn.c_attn.
std::map<std::string, Pair> pairs_in(const SafetensorsFile& file, const Model::Impl& base) {
  constexpr std::string_view a = ".lora_A.weight", b = ".lora_B.weight";
  std::map<std::string, Pair> pairs;
  for (const SafetensorsEntry& entry : file.entries()) {
    const std::string& name = entry.name;
    const bool is_a = name.ends_with(a);
    if (!is_a && !name.ends_with(b) && is_of_base(file, entry, base)) continue;
    if (!name.starts_with(prefix) || (!is_a && !name.ends_with(b)))
      refuse(file.path() + ", tensor " + name,
             name.find("lora_magnitude") != std::string::npos   ? "DoRA is not supported"
             : name.find("lora_embedding") != std::string::npos ? "adapters of embeddings are not supported"
                                                                : "no tensor of an adapter that hone knows",
             "base_model.model.MODULE.lora_A.weight and .lora_B.weight", name,
             "merge_and_unload() of peft makes one model of both");
    const std::string module = name.substr(prefix.size(), name.size() - prefix.size() - a.size());
    (is_a ? pairs[module].a : pairs[module].b) = &entry;
  }
  if (pairs.empty()) refuse(file.path(), "the adapter has no weights", "lora_A and lora_B", "no tensor");
  return pairs;
}

const LinearModule& module_named(const std::vector<LinearModule>& all, const std::string& name,
                                 const std::string& trunk, const std::string& where) {
  for (const std::string& known : {name, trunk + name})  // trained on the model without its head
    if (const auto found = std::ranges::find(all, known, &LinearModule::name); found != all.end())
      return *found;
  if (name == "lm_head")
    refuse(where, "an adapter of the head does not go with a model whose head is its table of tokens",
           "a model with a head of its own, or an adapter without lm_head", name);
  std::vector<std::string> names;
  for (const LinearModule& m : all) names.push_back(m.name);
  refuse(where, "the adapter is of another model: this one has no such module",
         "the nearest is " + nearest(name, names), name);
}

void require_shape(const SafetensorsFile& file, const SafetensorsEntry* entry, const std::string& name,
                   const std::vector<std::int64_t>& shape, const std::string& why) {
  if (!entry) refuse(file.path(), "a tensor of the adapter is missing", "tensor " + name, "none");
  if (entry->shape != shape)
    refuse(file.path() + ", tensor " + entry->name, "the adapter is of another model, or of another rank",
           type_text("", shape) + why, type_text("", entry->shape));
}

// Does the config name a module, as PEFT takes it: by names, an expression, or all; in some layers or in all?
class Targets {
 public:
  explicit Targets(const json& config) {
    const json& targets = key(config, "target_modules");
    if (targets.is_array())
      for (const json& t : targets)
        if (t.is_string()) names_.push_back(t.get<std::string>());
    if (targets.is_string()) expression_ = targets.get<std::string>();
    const json& layers = key(config, "layers_to_transform");
    for (const json& layer : layers.is_array() ? layers : json::array({layers}))
      if (layer.is_number_integer()) layers_.push_back(layer.get<std::int64_t>());
  }

  bool name(const LinearModule& module) const {
    const bool fits =
        expression_ == "all-linear" ? !module.head
        : expression_.empty()
            ? std::ranges::any_of(names_, [&](const std::string& t) { return is_named(module.name, t); })
            : matches(module.name, expression_);
    std::smatch layer;  // PEFT's own expression for a layer's number
    if (!fits || layers_.empty()) return fits;
    return std::regex_match(module.name, layer, std::regex(R"(.*\.[^.]*\.(\d+)\..*)")) &&
           std::ranges::find(layers_, std::stoll(layer[1].str())) != layers_.end();
  }

 private:
  static bool matches(const std::string& module, const std::string& expression) {
    try {
      return std::regex_match(module, std::regex(expression));
    } catch (const std::regex_error&) {
      return false;  // it says nothing that hone needs
    }
  }

  std::vector<std::string> names_;
  std::string expression_;
  std::vector<std::int64_t> layers_;
};

class Reading {
 public:
  Reading(const Model& base, const std::string& folder, std::optional<float> other_dropout = {})
      : base_(base),
        other_dropout_(other_dropout),
        where_(folder + "/" + config_file),
        config_(read_json(where_)),
        file_(open(folder)) {}

  Model run() {
    refuse_other_kinds(config_, where_);
    const auto all = modules_of(base_);
    const FamilyNames* names = base_.impl().family_names;
    const double r = number(key(config_, "r"), "r", where_),
                 alpha = number(key(config_, "lora_alpha"), "lora_alpha", where_);
    const bool rslora = is_set(key(config_, "use_rslora"));
    Adapter adapter{.config = config_.dump(2) + "\n", .dropout = other_dropout_.value_or(dropout())};
    for (const auto& [name, pair] : pairs_in(file_, base_.impl())) {
      const LinearModule& module = module_named(all, name, names ? names->trunk : "", file_.path());
      const std::int64_t rank = rank_of(name, r);
      require_shape(file_, pair.a, lora_a_name(name), {rank, module.in}, ", of rank and input");
      require_shape(file_, pair.b, lora_b_name(name), {module.out, rank}, ", of output and rank");
      adapter.modules.push_back(
          {module.name, rank,
           lora_scale(by_pattern(key(config_, "alpha_pattern"), name, alpha, "alpha_pattern", where_), rank,
                      rslora)});
      read(*pair.a, lora_a_name(module.name));
      read(*pair.b, lora_b_name(module.name));
    }
    const std::string note = note_of_missing(all, adapter.modules);
    Model made =
        with_weights(adapted(base_, std::move(adapter)), base_.impl().store.with(std::move(values_)));
    if (note.empty()) return made;
    auto impl = std::make_shared<Model::Impl>(made.impl());
    impl->notes.push_back(note);
    return Model(std::move(impl));
  }

 private:
  static SafetensorsFile open(const std::string& folder) {
    if (!is_file(folder + "/" + weights_file) && is_file(folder + "/adapter_model.bin"))
      refuse(folder, "the adapter's weights are a pickle, and hone opens none", weights_file,
             "adapter_model.bin", "peft's save_pretrained() writes safetensors");
    return SafetensorsFile(folder + "/" + weights_file);
  }

  // Which modules have an adapter is said by the tensors; that the config names others too is worth a line: a
  // file that was cut, or of fewer layers.
  std::string note_of_missing(const std::vector<LinearModule>& all,
                              const std::vector<LoraModule>& found) const {
    if (is_set(key(config_, "exclude_modules"))) return {};
    const Targets targets(config_);
    std::size_t named = 0;
    std::vector<std::string> missing;
    for (const LinearModule& module : all) {
      if (!targets.name(module)) continue;
      ++named;
      if (std::ranges::find(found, module.name, &LoraModule::name) == found.end())
        missing.push_back(module.name);
    }
    if (missing.empty()) return {};
    return where_ + ": target_modules names " + std::to_string(named) + " modules; without tensors in " +
           weights_file + ", and so without an adapter, " + std::to_string(missing.size()) +
           " of them: " + missing.front() + (missing.size() > 1 ? ", ..." : "");
  }

  float dropout() const {
    const json& value = key(config_, "lora_dropout");
    const double p = value.is_null() ? 0 : number(value, "lora_dropout", where_);
    if (!(p >= 0 && p < 1)) refuse(where_, "impossible dropout", "0 <= lora_dropout < 1", value.dump());
    return static_cast<float>(p);
  }

  std::int64_t rank_of(const std::string& module, double usual) const {
    const double r = by_pattern(key(config_, "rank_pattern"), module, usual, "rank_pattern", where_);
    if (!(r >= 1 && r <= static_cast<double>(most_lora_rank)) || r != std::floor(r))
      refuse(where_, "impossible rank", "r from 1 to " + std::to_string(most_lora_rank),
             to_text(static_cast<float>(r)));
    return static_cast<std::int64_t>(r);
  }

  void read(const SafetensorsEntry& entry, const std::string& name) {
    const MappedTensor tensor{&file_, &entry};
    ParameterSpec spec{.name = name, .shape = {entry.shape[0], entry.shape[1]}};
    require_fit(tensor, spec);
    std::vector<std::byte>& bytes = values_[name];
    bytes.resize(static_cast<std::size_t>(spec.shape.elements()) * sizeof(float));
    read_f32(tensor, 0, {reinterpret_cast<float*>(bytes.data()), bytes.size() / sizeof(float)});
  }

  const Model& base_;
  std::optional<float> other_dropout_;
  std::string where_;
  json config_;
  SafetensorsFile file_;
  std::map<std::string, std::vector<std::byte>> values_;
};

// As it is said, from the adapter's folder, or from where the program runs.
std::string base_of(const std::string& folder) {
  const std::string where = folder + "/" + config_file;
  const json config = read_json(where);
  const json& base = key(config, base_key);
  if (!base.is_string() || base.get<std::string>().empty())
    refuse(where, "the adapter does not say which model it is of", base_key, "none",
           "name it: MODEL --adapter " + folder);
  const auto name = base.get<std::string>();
  for (const std::string& path : {folder + "/" + name, name})
    if (std::error_code ignored; std::filesystem::exists(path, ignored)) return path;
  refuse(where, "the adapter's base is not where it says", "a model at " + name, "nothing there",
         "name it: MODEL --adapter " + folder);
}

}  // namespace

bool is_adapter(const std::string& folder) {
  return is_file(folder + "/" + config_file) && !is_file(folder + "/config.json");
}

Model with_adapter(const Model& base, const std::string& folder) {
  if (is_gguf(folder))
    refuse(folder, "adapters are not read from GGUF files",
           "a folder with " + std::string(config_file) + " and " + weights_file, "a GGUF file",
           "take the adapter in PEFT's format");
  if (!is_file(folder + "/" + config_file))
    refuse(folder, "not an adapter", std::string(config_file) + " and " + weights_file,
           is_folder(folder) ? "neither" : "no such folder");
  return Reading(base, folder).run();
}

Model open_adapted(const std::string& folder, const ModelOptions& options) {
  const std::string base = base_of(folder);
  if (is_adapter(base))
    refuse(folder + "/" + config_file, "the adapter's base is an adapter itself", "a model", base);
  return Reading(open(base, options), folder, options.dropout).run();
}

}  // namespace hone
