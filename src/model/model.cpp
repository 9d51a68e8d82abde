#include "hone/model.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/float_mode.hpp"
#include "file/atomic.hpp"
#include "file/format.hpp"
#include "file/json.hpp"
#include "file/mapped.hpp"
#include "hone/nearest.hpp"
#include "hone/version.hpp"
#include "model/families.hpp"
#include "model/model_impl.hpp"
#include "op/inputs.hpp"
#include "op/ops.hpp"

namespace hone {
namespace {

// A table that is read by token, or by position, has a row for each that there may be.
void check_tables(const Program& p, const Model::Impl& model) {
  const auto check = [&](const Node& n, const char* ids, std::int64_t most, const char* option) {
    const TensorDef& table = p[n.inputs[1]];
    if (n.op != &op::embedding || p[n.inputs[0]].name != ids || table.type.shape[0] >= most) return;
    throw Error(ErrorKind::input, {.what = "the table has too few rows",
                                   .where = table.name,
                                   .expected = std::to_string(most) + " or more, ModelOptions::" + option,
                                   .found = to_string(table.type.shape)});
  };
  for (const Node& n : p.nodes) {
    if (n.inputs.size() < 2) continue;
    check(n, input::tokens, model.vocab_size, "vocab_size");
    check(n, input::positions, model.context, "context");
  }
  const TensorDef& logits = p[p.outputs.at(0)];
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

// The weights, by a first call of the architecture, with which later ones must agree; returns the program
// that the call wrote.
Program fill_specs(Model::Impl& model) {
  Forward forward = write_forward(model.architecture, {.batch = 1, .seq = 1});
  check_tables(forward.program, model);
  remove_dead(forward.program);
  for (const ParameterSpec& spec : forward.parameters)
    if (!forward.program.find(spec.name))
      throw Error(ErrorKind::input, {.what = "a weight that the logits do not depend on",
                                     .where = spec.name,
                                     .hint = "use it, or leave it out of the architecture"});
  model.specs = std::move(forward.parameters);
  model.architecture = [first = model.specs, write = std::move(model.architecture)](Builder& b,
                                                                                    Tensor tokens) {
    const Tensor logits = write(b, tokens);
    require_same_weights(first, tokens.builder()->parameters);
    return logits;
  };
  return std::move(forward.program);
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

}  // namespace

Model from_json(nlohmann::json config, const ModelOptions& options, const std::string& where) {
  const FloatModeGuard guard;
  const Family& family = family_of(config, where);
  if (!config.contains("vocab_size") && options.tokenizer_size) config["vocab_size"] = options.tokenizer_size;
  FamilyModel made = family.make(config, options, where);
  auto impl = std::make_shared<Model::Impl>();
  impl->family = family.name;
  impl->config = config.dump(2) + "\n";
  impl->vocab_size = made.vocab_size;
  impl->context = made.context;
  impl->architecture = std::move(made.architecture);
  impl->notes = std::move(made.notes);
  impl->family_names = &family.names;
  fill_specs(*impl);
  impl->store = WeightStore::fresh(options.seed);
  return Model(std::move(impl));
}

Model custom_model(Architecture architecture, std::int64_t vocab_size, std::int64_t context,
                   std::uint64_t seed) {
  if (vocab_size <= 0 || context <= 0)
    throw Error(ErrorKind::usage, {.what = "a model of one's own needs its vocabulary and context",
                                   .expected = "ModelOptions::vocab_size and context above 0",
                                   .found = std::to_string(vocab_size) + " and " + std::to_string(context)});
  if (!architecture)
    throw Error(ErrorKind::usage, {.what = "the architecture is empty",
                                   .expected = "a function Tensor(Builder&, Tensor tokens)",
                                   .found = "none"});
  auto impl = std::make_shared<Model::Impl>();
  impl->family = "custom";
  impl->vocab_size = vocab_size;
  impl->context = context;
  impl->architecture = std::move(architecture);
  const nlohmann::ordered_json config{{"model_type", "custom"},
                                      {"vocab_size", vocab_size},
                                      {"n_positions", context},
                                      {architecture_key, described(fill_specs(*impl))}};
  impl->config = config.dump(2) + "\n";
  impl->store = WeightStore::fresh(seed);
  return Model(std::move(impl));
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
    : Model(custom_model(std::move(architecture), options.vocab_size, options.context, options.seed)) {}

const std::string& Model::family() const { return impl_->family; }
std::int64_t Model::vocab_size() const { return impl_->vocab_size; }
std::int64_t Model::context() const { return impl_->context; }
std::string Model::config_json() const { return impl_->config; }
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

namespace {
WeightReader reader_of(const Model::Impl& model, std::vector<float>& buffer) {
  return [&model, &buffer](const ParameterSpec& spec) -> std::span<const float> {
    buffer.resize(static_cast<std::size_t>(spec.shape.elements()));
    model.store.read_file_layout(spec, buffer);
    return buffer;
  };
}
}  // namespace

std::string Model::weights_hash() const {
  std::vector<float> buffer;
  return hash_weights(impl_->specs, reader_of(*impl_, buffer));
}

void Model::save(const std::string& folder) const {
  make_folders(folder);
  std::vector<float> buffer;
  write_weights(folder + "/model.safetensors", impl_->specs, reader_of(*impl_, buffer));
  write_file(folder + "/config.json", impl_->config);
}

Model preset(const std::string& name, const ModelOptions& options) {
  std::vector<std::string> names;
  for (const Preset& p : presets()) {
    if (name == p.name) return from_json(nlohmann::json::parse(p.config), options, "preset " + name);
    names.emplace_back(p.name);
  }
  throw Error(ErrorKind::usage, {.what = "no preset '" + name + "'",
                                 .where = "model",
                                 .hint = "did you mean '" + nearest(name, names) + "'?"});
}

Model from_config(const std::string& path, const ModelOptions& options) {
  if (known_format(MappedFile(path).text()).name == safetensors_name)
    refuse_file(path, "a model folder, or a config.json");
  return from_json(read_json(path), options, path);
}

Model find_model(const std::string& what, const ModelOptions& options) {
  if (is_folder(what)) return open(what, options);
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
