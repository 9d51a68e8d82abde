// Models from folders: a config.json, and weights that must be that model's.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "file/format.hpp"
#include "file/gguf.hpp"
#include "file/json.hpp"
#include "file/mapped.hpp"
#include "model/adapter.hpp"
#include "model/model_impl.hpp"
#include "store/mapped_values.hpp"
#include "store/mapped_weights.hpp"

namespace hone {
namespace {

constexpr const char* tied_key = "tie_word_embeddings";

// Weights of the right names and shapes may still belong to another function: other heads, other activations.
// Another version of hone may print the same function otherwise, and is not compared.
void require_same_architecture(const nlohmann::json& saved, const nlohmann::json& given,
                               const std::string& where) {
  if (!saved.is_array() || saved.empty() || saved[0] != given[0]) return;
  for (std::size_t i = 1; i < std::max(saved.size(), given.size()); ++i) {
    const auto line = [i](const nlohmann::json& of) {
      return i < of.size() && of[i].is_string() ? of[i].get<std::string>() : "nothing more";
    };
    if (line(saved) != line(given))
      throw Error(ErrorKind::input, {.what = "the folder holds a model of another architecture",
                                     .where = where,
                                     .expected = line(given) + ", as the function has it",
                                     .found = line(saved),
                                     .hint = "open it with the function that it was saved from"});
  }
}

void require_folder(const std::string& folder) {
  if (is_file(folder)) refuse_file(folder, "a folder with config.json and model.safetensors, or a GGUF file");
  if (!is_file(folder + "/config.json")) refuse_folder(folder, "config.json");
}

// A tied model has its table once, under either of its names. A head that differs from the table is a head of
// its own, whatever config.json says: true is returned, and nothing changed.
bool has_own_head(NamedTensors& tensors, const Model::Impl& model) {
  const FamilyNames& names = *model.family_names;
  const auto head = tensors.find(names.head), table = tensors.find(names.table);
  if (head == tensors.end() || model.find(names.head)) return false;
  if (table != tensors.end() && !same_values(head->second, table->second)) return true;
  if (table == tensors.end()) tensors.emplace(names.table, head->second);
  tensors.erase(head);
  return false;
}

// A config that does not say whether the head is tied, beside files without one: it is. (Families differ in
// what they take for granted, and tools in whether they write it.)
bool lacks_head_unsaid(const NamedTensors& tensors, const Model::Impl& model, const nlohmann::json& config) {
  const FamilyNames& names = *model.family_names;
  return !config.contains(tied_key) && model.find(names.head) && !tensors.contains(names.head) &&
         tensors.contains(names.table);
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

// What the weights of a folder have a size for is not an option.
void require_own_sizes(const Model& model, const ModelOptions& options, const std::string& folder) {
  const auto require = [&](const char* what, std::int64_t own, std::int64_t asked) {
    if (asked != 0 && asked != own)
      throw Error(ErrorKind::usage,
                  {.what = std::string("the ") + what + " of a model folder is its weights'",
                   .where = folder,
                   .expected = std::to_string(own),
                   .found = std::to_string(asked)});
  };
  require("vocabulary", model.vocab_size(), options.vocab_size);
  require("context", model.context(), options.context);
}

// Weights of these files beside `own`: those in blocks or sparse, which stay where they lie.
WeightStore store_of(std::shared_ptr<const WeightFiles> files, NamedTensors tensors,
                     std::vector<ParameterSpec> specs, MappedWeights own) {
  std::erase_if(specs, [&](const ParameterSpec& spec) { return own.weights.contains(spec.name); });
  const std::string path = files->path();
  WeightStore store = WeightStore::mapped(std::move(files), std::move(tensors), specs);
  return own.weights.empty() ? store : store.with_stored(std::move(own.weights), path, own.beside_bytes);
}

Model with_files(const Model& model, std::shared_ptr<const WeightFiles> files, NamedTensors tensors,
                 const WeightTypes& types, const std::string& config_path) {
  const auto& specs = model.impl().specs;
  MappedWeights own = map_weights(tensors, types, specs, config_path);
  const auto unused = unused_names(tensors, *model.impl().family_names, specs);
  auto impl = std::make_shared<Model::Impl>(model.impl());
  impl->notes.insert(impl->notes.end(), files->notes().begin(), files->notes().end());
  if (!unused.empty())
    impl->notes.push_back(files->path() + ": tensors that this model does not use: " + joined(unused));
  impl->store = store_of(std::move(files), std::move(tensors), specs, std::move(own));
  return Model(std::move(impl));
}

}  // namespace

void refuse_file(const std::string& path, const std::string& expected) {
  const std::string_view format = known_format(read_head(path)).name;
  const auto slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash);
  throw Error(ErrorKind::input,
              {.what = "one file is not the model",
               .where = path,
               .expected = expected,
               .found = format.empty() ? "a file" : std::string(format),
               .hint = is_file(folder + "/config.json") ? "name its folder: " + folder : ""});
}

Model open(const std::string& folder, const ModelOptions& options) {
  if (is_adapter(folder)) return open_adapted(folder, options);
  if (is_gguf(folder)) {
    Model model = open_gguf(folder, {.tokenizer_size = options.tokenizer_size, .dropout = options.dropout});
    require_own_sizes(model, options, folder);
    return model;
  }
  require_folder(folder);
  const std::string where = folder + "/config.json";
  const ModelOptions open_options{.tokenizer_size = options.tokenizer_size,
                                  .dropout = options.dropout,
                                  .sequence_tokens = options.sequence_tokens};
  auto config = read_json(where);
  const auto types = take_weight_types(config, where);
  Model model = from_json(config, open_options, where);
  require_own_sizes(model, options, folder);
  const auto files = std::make_shared<const WeightFiles>(folder);
  NamedTensors tensors = named_tensors(*files, *model.impl().family_names, model.impl().specs);
  const auto tie = [&](bool tied, const std::string& why) {
    config[tied_key] = tied;
    auto other = std::make_shared<Model::Impl>(from_json(config, open_options, where).impl());
    other->notes.push_back(files->path() + why);
    model = Model(std::move(other));
  };
  const std::string& head = model.impl().family_names->head;
  if (has_own_head(tensors, model.impl()))
    tie(false, " has a head of its own, " + head +
                   ", though config.json ties it to the table of tokens: the head is used");
  else if (lacks_head_unsaid(tensors, model.impl(), config))
    tie(true,
        " has no " + head + ", and config.json does not say tie_word_embeddings: the table is the head");
  return with_files(model, files, std::move(tensors), types, where);
}

namespace {

// A folder that an architecture of one's own was saved to; `make` gives its model, of these sizes.
Model open_custom(const std::string& folder, const std::function<Model(std::int64_t, std::int64_t)>& make) {
  require_folder(folder);
  const std::string where = folder + "/config.json";
  auto config = read_json(where);
  const auto types = take_weight_types(config, where);
  const std::string type = json_string(config, "model_type", where);
  if (type != "custom")
    throw Error(ErrorKind::input, {.what = "the folder holds a model of another architecture",
                                   .where = where,
                                   .expected = "model_type custom",
                                   .found = type,
                                   .hint = "open it without an architecture"});
  const Model model =
      make(json_integer(config, "vocab_size", where), json_integer(config, "n_positions", where));
  const auto files = std::make_shared<const WeightFiles>(folder);
  const auto& specs = model.impl().specs;
  NamedTensors tensors = named_tensors(*files, {}, specs);
  MappedWeights own = map_weights(tensors, types, specs, where);
  WeightStore store = store_of(files, tensors, specs, std::move(own));
  require_same_architecture(config.value(architecture_key, nlohmann::json()),
                            nlohmann::json::parse(model.config_json()).at(architecture_key), where);
  for (const auto& [name, t] : tensors)
    if (!find_spec(specs, name))
      throw Error(ErrorKind::input, {.what = "the file holds a weight that the architecture lacks",
                                     .where = t.file->path(),
                                     .expected = "only the architecture's weights",
                                     .found = "tensor " + t.entry->name,
                                     .hint = "open it with the architecture that it was saved by"});
  return with_weights(model, std::move(store));
}

}  // namespace

Model open(const std::string& folder, Architecture architecture) {
  return open_custom(folder, [&](std::int64_t vocab_size, std::int64_t context) {
    return custom_model(std::move(architecture), {.vocab_size = vocab_size, .context = context});
  });
}

Model open(const std::string& folder, Network network, Objective objective, const ModelOptions& options) {
  return open_custom(folder, std::move(network), std::move(objective), options, {});
}

Model open_custom(const std::string& folder, Network network, Objective objective,
                  const ModelOptions& options, const std::vector<ForwardPass>& passes) {
  return open_custom(folder, [&](std::int64_t vocab_size, std::int64_t context) {
    ModelOptions saved = options;
    saved.vocab_size = vocab_size, saved.context = context;
    Model model = custom_model(std::move(network), std::move(objective), saved);
    for (const ForwardPass& pass : passes) model = with_pass(model, pass);
    return model;
  });
}

}  // namespace hone
