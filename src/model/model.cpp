#include "hone/model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/float_mode.hpp"
#include "file/format.hpp"
#include "file/gguf.hpp"
#include "file/json.hpp"
#include "file/mapped.hpp"
#include "file/weight_types.hpp"
#include "hone/nearest.hpp"
#include "hone/version.hpp"
#include "model/families.hpp"
#include "model/low_rank.hpp"
#include "model/model_impl.hpp"
#include "op/inputs.hpp"
#include "op/ops.hpp"
#include "store/save_weights.hpp"

namespace hone {
namespace {

// A table that is read by ids has a row for each that there may be.
void check_tables(const Program& p) {
  for (const Node& n : p.nodes) {
    if (n.op != &op::embedding) continue;
    const TensorDef &ids = p[n.inputs[op::EmbeddingInputs::ids]],
                    &table = p[n.inputs[op::EmbeddingInputs::table]];
    if (table.type.shape[0] >= ids.input.below) continue;
    throw Error(ErrorKind::input,
                {.what = "the table has too few rows",
                 .where = table.name,
                 .expected = std::to_string(ids.input.below) + " or more, for " + ids.name.substr(1),
                 .found = to_string(table.type.shape)});
  }
}

void check_logits(const Program& p, const Model::Impl& model) {
  const TensorId id = p.output("logits");
  if (!id) return;
  const TensorDef& logits = p[id];
  if (logits.type.shape.last() < model.vocab_size)
    throw Error(ErrorKind::input,
                {.what = "fewer logits than ids",
                 .where = logits.name,
                 .expected = std::to_string(model.vocab_size) + " or more, ModelOptions::vocab_size",
                 .found = to_string(logits.type.shape)});
}

// Another shape, or training, must not mean other weights: what is trained, saved and read is decided once.
void require_same_weights(const std::vector<ParameterSpec>& first, const std::vector<ParameterSpec>& now) {
  const auto refuse = [](const std::string& name, const std::string& expected, const std::string& found) {
    throw Error(ErrorKind::input,
                {.what = "the architecture's weights are not those of its first call",
                 .where = name,
                 .expected = expected,
                 .found = found,
                 .hint = "no weight may depend on the batch, the sequence or a call's number"});
  };
  for (const ParameterSpec& spec : now) {
    const ParameterSpec* was = find_spec(first, spec.name);
    if (!was) refuse(spec.name, "no such weight", to_string(spec.shape));
    if (was->shape != spec.shape) refuse(spec.name, to_string(was->shape), to_string(spec.shape));
  }
  for (const ParameterSpec& spec : first)
    if (!find_spec(now, spec.name)) refuse(spec.name, to_string(spec.shape), "no such weight");
}

Forward with_own_passes(const Model::Impl& model, Forward forward, const BuildOptions& options) {
  for (const ForwardPass& pass : model.passes) {
    pass(forward.program, options);
    verify(forward.program);
  }
  std::vector<ParameterSpec> own = forward.program.parameters();
  std::erase_if(own, [](const ParameterSpec& spec) { return spec.of_objective; });
  if (!model.specs.empty()) require_same_weights(model.specs, own);
  return forward;
}

// The weights, by a first call of the architecture, with which later ones must agree; returns the program
// that the call wrote.
Program fill_specs(Model::Impl& model) {
  model.specs.clear();
  Program p = model.write({.batch = 1, .seq = 1}).program;
  check_tables(p);
  check_logits(p, model);
  std::vector<ParameterSpec> specs = p.parameters();
  remove_dead(p);
  for (const ParameterSpec& spec : specs)
    if (!p.find(spec.name))
      throw Error(ErrorKind::input, {.what = "a weight that no output depends on",
                                     .where = spec.name,
                                     .hint = "use it, or leave it out of the architecture"});
  model.specs = std::move(specs);
  return p;
}

// What config.json says of an architecture of one's own: the program of one token, line by line, under the
// version of hone that printed it.
nlohmann::json described(const Program& p) {
  nlohmann::json lines{std::string("hone ") + version()};
  std::istringstream text(print(p));
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

const Family& family_of(const nlohmann::json& config, const std::string& where) {
  const std::string type = json_string(config, "model_type", where);
  std::string names;
  for (const Family& f : families()) {
    if (type == f.name) return f;
    names += (names.empty() ? "" : ", ") + std::string(f.name);
  }
  throw Error(ErrorKind::input, {.what = "this family of models is not supported",
                                 .where = where,
                                 .expected = "model_type " + names,
                                 .found = type});
}

// Which member of SequenceTokens a key is.
constexpr std::pair<const char*, std::optional<std::int32_t> SequenceTokens::*> sequence_keys[] = {
    {"bos_token_id", &SequenceTokens::begin},
    {"eos_token_id", &SequenceTokens::end},
    {"pad_token_id", &SequenceTokens::padding}};

}  // namespace

SequenceTokens sequence_tokens_of(const nlohmann::json& config) {
  SequenceTokens tokens;
  for (const auto& [key, member] : sequence_keys)
    if (const auto found = config.find(key); found != config.end() && found->is_number_integer())
      tokens.*member = found->get<std::int32_t>();
  return tokens;
}

void add_sequence_tokens(nlohmann::json& config, const SequenceTokens& tokens) {
  const SequenceTokens own = sequence_tokens_of(config);
  for (const auto& [key, member] : sequence_keys)
    if (tokens.*member && !(own.*member)) config[key] = *(tokens.*member);
}

namespace {

Model of_family(nlohmann::json config, const ModelOptions& options, const std::string& where) {
  const Family& family = family_of(config, where);
  if (!config.contains("vocab_size") && options.tokenizer_size) config["vocab_size"] = options.tokenizer_size;
  add_sequence_tokens(config, options.sequence_tokens);
  FamilyModel made = family.make(config, options, where);
  auto impl = std::make_shared<Model::Impl>();
  impl->family = family.name;
  impl->config = config.dump(2) + "\n";
  impl->vocab_size = made.vocab_size;
  impl->context = made.context;
  impl->sizes = options.sizes;
  impl->network = std::move(made.network);
  impl->objective = std::move(made.objective);
  impl->notes = std::move(made.notes);
  impl->family_names = &family.names;
  fill_specs(*impl);
  impl->store = WeightStore::fresh(options.seed);
  return Model(std::move(impl));
}

}  // namespace

Model from_json(nlohmann::json config, const ModelOptions& options, const std::string& where) {
  const FloatModeGuard guard;
  const Ranks ranks = take_ranks(config, where), corrections = take_ranks(config, where, corrections_key);
  const Model model = with_ranks(of_family(std::move(config), options, where), ranks, where);
  return with_corrections(model, corrections, where);
}

namespace {

// config.json of an architecture of one's own; fills in the weights.
void describe_custom(Model::Impl& model) {
  const nlohmann::ordered_json config{{"model_type", "custom"},
                                      {"vocab_size", model.vocab_size},
                                      {"n_positions", model.context},
                                      {architecture_key, described(fill_specs(model))}};
  model.config = config.dump(2) + "\n";
}

}  // namespace

Model custom_model(Architecture architecture, const ModelOptions& o) {
  if (o.vocab_size <= 0 || o.context <= 0)
    throw Error(ErrorKind::usage,
                {.what = "a model of one's own needs its vocabulary and context",
                 .expected = "ModelOptions::vocab_size and context above 0",
                 .found = std::to_string(o.vocab_size) + " and " + std::to_string(o.context)});
  return custom_model(language_model(std::move(architecture)), next_token(), o);
}

Model custom_model(Network network, Objective objective, const ModelOptions& o) {
  if (!network || !objective)
    throw Error(ErrorKind::usage, {.what = "the architecture or its objective is empty",
                                   .expected = "functions over a Builder",
                                   .found = "none"});
  auto impl = std::make_shared<Model::Impl>();
  impl->family = "custom";
  impl->vocab_size = o.vocab_size;
  impl->context = o.context;
  impl->sizes = o.sizes;
  impl->network = std::move(network);
  impl->objective = std::move(objective);
  describe_custom(*impl);
  impl->store = WeightStore::fresh(o.seed);
  return Model(std::move(impl));
}

Forward Model::Impl::write(BuildOptions options) const {
  options.vocab_size = vocab_size, options.context = context;
  for (const auto& [name, most] : sizes) options.sizes.try_emplace(name, most);
  return with_own_passes(*this, write_forward(network, options), options);
}

Forward Model::Impl::write(const Objective& of, BuildOptions options,
                           const std::vector<std::string>& keep_outputs) const {
  options.vocab_size = vocab_size, options.context = context;
  for (const auto& [name, most] : sizes) options.sizes.try_emplace(name, most);
  return with_own_passes(*this, write_forward(network, of, options, keep_outputs), options);
}

Model with_pass(const Model& model, ForwardPass pass) {
  auto impl = std::make_shared<Model::Impl>(model.impl());
  impl->passes.push_back(std::move(pass));
  if (impl->family == "custom")
    describe_custom(*impl);
  else
    fill_specs(*impl);
  return Model(std::move(impl));
}

bool Model::reads_source() const {
  const Program p = impl_->write({.batch = 1, .seq = 1}).program;
  return static_cast<bool>(p.input("$source"));
}

std::vector<ParameterSpec> Model::Impl::saved(const std::vector<ParameterSpec>& all) const {
  std::vector<ParameterSpec> saved;
  for (const ParameterSpec& spec : all)
    if (!adapter || spec.trained) saved.push_back(spec);
  return saved;
}

const ParameterSpec* Model::Impl::find(const std::string& name) const { return find_spec(specs, name); }

const ParameterSpec& Model::Impl::spec(const std::string& name) const {
  if (const ParameterSpec* found = find(name)) return *found;
  std::vector<std::string> names;
  for (const ParameterSpec& s : specs) names.push_back(s.name);
  throw Error(ErrorKind::usage, {.what = "the model has no weight '" + name + "'",
                                 .hint = "the nearest is '" + nearest(name, names) + "'"});
}

Model with_weights(const Model& model, WeightStore store) {
  auto impl = std::make_shared<Model::Impl>(model.impl());
  impl->store = std::move(store);
  return Model(std::move(impl));
}

Model::Model(Architecture architecture, const ModelOptions& options)
    : Model(custom_model(std::move(architecture), options)) {}
Model::Model(Network network, Objective objective, const ModelOptions& options)
    : Model(custom_model(std::move(network), std::move(objective), options)) {}

const std::string& Model::family() const { return impl_->family; }
std::int64_t Model::vocab_size() const { return impl_->vocab_size; }
std::int64_t Model::context() const { return impl_->context; }
std::string Model::config_json() const { return impl_->config; }
SequenceTokens Model::sequence_tokens() const {
  return sequence_tokens_of(nlohmann::json::parse(impl_->config));
}
const std::vector<std::string>& Model::notes() const { return impl_->notes; }

std::int64_t Model::parameters() const {
  std::int64_t n = 0;
  for (const ParameterSpec& s : impl_->specs) n += s.shape.elements();
  return n;
}

std::vector<WeightInfo> Model::weights() const {
  std::vector<WeightInfo> all;
  for (const ParameterSpec& s : impl_->specs) all.push_back({s.name, file_shape(s).sizes()});
  return all;
}

std::int64_t Model::size(const std::string& name) const { return impl_->spec(name).shape.elements(); }

void Model::read(const std::string& name, std::span<float> values) const {
  const ParameterSpec& spec = impl_->spec(name);
  if (static_cast<std::int64_t>(values.size()) != spec.shape.elements())
    throw Error(ErrorKind::usage, {.what = "the span does not fit the weight",
                                   .where = name,
                                   .expected = std::to_string(spec.shape.elements()) + " values",
                                   .found = std::to_string(values.size())});
  impl_->store.read_file_layout(spec, values);
}

std::vector<std::string> preset_names() {
  std::vector<std::string> names;
  for (const Preset& p : presets()) names.emplace_back(p.name);
  return names;
}

Model preset(const std::string& name, const ModelOptions& options) {
  for (const Preset& p : presets())
    if (name == p.name) return from_json(nlohmann::json::parse(p.config), options, "preset " + name);
  const std::vector<std::string> names = preset_names();
  throw Error(ErrorKind::usage,
              {.what = "no preset '" + name + "'",
               .where = "model",
               .expected = fmt::format("a model folder, a config.json, or {}", fmt::join(names, ", ")),
               .hint = "did you mean '" + nearest(name, names) + "'?"});
}

Model from_config(const std::string& path, const ModelOptions& options) {
  if (known_format(read_head(path)).name == safetensors_name)
    refuse_file(path, "a model folder, or a config.json");
  auto config = read_json(path);
  take_weight_types(config, path);  // the weights are fresh ones
  return from_json(std::move(config), options, path);
}

Model find_model(const std::string& what, const ModelOptions& options) {
  if (is_folder(what)) return open(what, options);
  if (is_gguf(what)) return open(what, options);
  if (is_file(what)) return from_config(what, options);
  for (const Preset& p : presets())
    if (what == p.name) return preset(what, options);
  if (what.find('/') == std::string::npos && what.find('.') == std::string::npos)
    return preset(what, options);
  throw Error(
      ErrorKind::input,
      {.what = "no such model", .where = what, .expected = "a preset, a config.json or a model folder"});
}

}  // namespace hone
