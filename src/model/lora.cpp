#include "hone/lora.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "base/number.hpp"
#include "file/mapped.hpp"
#include "model/adapter.hpp"

namespace hone {
namespace {

constexpr const char* all_linear = "all-linear";

void check(const LoraOptions& o) {
  const auto require = [](bool good, const char* option, const char* expected, const std::string& found) {
    if (!good)
      throw Error(ErrorKind::usage,
                  {.what = "impossible value", .where = option, .expected = expected, .found = found});
  };
  require(o.rank >= 1 && o.rank <= most_lora_rank, "lora_rank", "1 to 65536", std::to_string(o.rank));
  const double alpha = o.alpha.value_or(1);
  require(std::isfinite(alpha) && alpha > 0, "lora_alpha", "above 0", to_text(static_cast<float>(alpha)));
  require(o.dropout >= 0 && o.dropout < 1, "lora_dropout", "0 <= lora_dropout < 1", to_text(o.dropout));
  require(!o.targets.empty(), "lora_targets", "modules, or all-linear", "none");
}

std::string last_part(const std::string& name) { return name.substr(name.rfind('.') + 1); }

std::string listed(const std::set<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

// Those that a target names; Error(usage) that lists what there is where it names none.
std::vector<LinearModule> targeted(const std::vector<LinearModule>& all,
                                   const std::vector<std::string>& targets) {
  if (targets == std::vector<std::string>{all_linear}) {
    std::vector<LinearModule> body;
    std::ranges::copy_if(all, std::back_inserter(body), [](const LinearModule& m) { return !m.head; });
    return body;
  }
  std::vector<LinearModule> found;
  std::ranges::copy_if(all, std::back_inserter(found), [&](const LinearModule& m) {
    return std::ranges::any_of(targets, [&](const std::string& t) { return is_named(m.name, t); });
  });
  for (const std::string& target : targets) {
    if (std::ranges::any_of(all, [&](const LinearModule& m) { return is_named(m.name, target); })) continue;
    std::set<std::string> ends;
    for (const LinearModule& m : all) ends.insert(last_part(m.name));
    throw Error(ErrorKind::usage, {.what = "no product of the model is called that",
                                   .where = "lora_targets",
                                   .expected = "all-linear, or some of " + listed(ends),
                                   .found = "'" + target + "'"});
  }
  return found;
}

// As PEFT writes them: by their last parts, or whole where others, which have no adapter, end like them.
std::vector<std::string> target_modules(const std::vector<LinearModule>& all,
                                        const std::vector<LinearModule>& adapted) {
  std::set<std::string> names;
  for (const LinearModule& m : adapted) {
    const std::string last = last_part(m.name);
    const auto chosen = [&](const LinearModule& other) {
      return std::ranges::any_of(adapted, [&](const LinearModule& a) { return a.name == other.name; });
    };
    const bool alike = std::ranges::all_of(
        all, [&](const LinearModule& other) { return !is_named(other.name, last) || chosen(other); });
    names.insert(alike ? last : m.name);
  }
  return {names.begin(), names.end()};
}

std::string config_of(const LoraOptions& o, double alpha, const std::vector<LinearModule>& all,
                      const std::vector<LinearModule>& adapted, bool language_model) {
  nlohmann::ordered_json config{
      {"peft_type", "LORA"}, {"auto_mapping", nullptr}, {"base_model_name_or_path", o.base},
      {"revision", nullptr}, {"inference_mode", true},  {"r", o.rank}};
  const bool whole = alpha == std::floor(alpha) && alpha < 1e15;
  config["lora_alpha"] = alpha;
  if (whole) config["lora_alpha"] = static_cast<std::int64_t>(alpha);  // as peft and its readers know it
  config["lora_dropout"] = as_written(o.dropout);
  config["target_modules"] = target_modules(all, adapted);
  config["fan_in_fan_out"] = std::ranges::any_of(adapted, &LinearModule::transposed);
  config["bias"] = "none";
  config["use_rslora"] = o.rslora;
  config["use_dora"] = false;
  config["modules_to_save"] = nullptr;
  config["init_lora_weights"] = true;
  config["layers_to_transform"] = nullptr;
  config["layers_pattern"] = nullptr;
  config["rank_pattern"] = nlohmann::ordered_json::object();
  config["alpha_pattern"] = nlohmann::ordered_json::object();
  if (language_model) config["task_type"] = "CAUSAL_LM";
  return config.dump(2) + "\n";
}

}  // namespace

bool is_named(const std::string& module, const std::string& target) {
  return module == target || module.ends_with("." + target);
}

float lora_scale(double alpha, std::int64_t rank, bool rslora) {
  const auto r = static_cast<double>(rank);
  return static_cast<float>(alpha / (rslora ? std::sqrt(r) : r));
}

std::vector<LinearModule> modules_of(const Model& model) {
  if (model.impl().adapter)
    throw Error(ErrorKind::usage, {.what = "the model has an adapter already",
                                   .hint = "train that one on, or merge it first: hone merge"});
  auto modules = linear_modules(model.impl().write({.batch = 1, .seq = 1}).program);
  const FamilyNames* names = model.impl().family_names;
  for (LinearModule& module : modules)
    module.head = module.head || (names && names->head == module.name + ".weight");
  return modules;
}

Model adapted(const Model& base, Adapter adapter) {
  const auto kept = std::make_shared<const Adapter>(std::move(adapter));
  auto impl = std::make_shared<Model::Impl>(with_pass(base, [kept](Program& p, const BuildOptions& o) {
                                              add_lora(p, kept->modules, o.training ? kept->dropout : 0);
                                            }).impl());
  impl->config = base.impl().config;  // of an architecture of one's own, the base's program
  impl->adapter = kept;
  impl->frozen_base = true;
  return Model(std::move(impl));
}

Model with_lora(const Model& base, const LoraOptions& o) {
  check(o);
  const auto all = modules_of(base);
  const auto chosen = targeted(all, o.targets);
  if (chosen.empty())
    throw Error(ErrorKind::usage,
                {.what = "the model has no product that an adapter could go with", .where = "lora_targets"});
  const double alpha = o.alpha.value_or(2 * static_cast<double>(o.rank));
  Adapter adapter{.config = config_of(o, alpha, all, chosen, base.vocab_size() > 0 && !base.reads_source()),
                  .dropout = o.dropout};
  for (const LinearModule& m : chosen)
    adapter.modules.push_back({m.name, o.rank, lora_scale(alpha, o.rank, o.rslora)});
  const Model model = adapted(base, std::move(adapter));
  const WeightStore initial = WeightStore::fresh(o.seed);
  std::map<std::string, std::vector<std::byte>> values;
  for (const ParameterSpec& spec : model.impl().saved(model.impl().specs)) {
    std::vector<std::byte>& bytes = values[spec.name];
    bytes.resize(static_cast<std::size_t>(spec.shape.elements()) * sizeof(float));
    initial.read(spec, bytes);
  }
  return with_weights(model, base.impl().store.with(std::move(values)));
}

std::int64_t adapter_parameters(const Model& model) {
  std::int64_t n = 0;
  if (model.impl().adapter)
    for (const ParameterSpec& spec : model.impl().saved(model.impl().specs)) n += spec.shape.elements();
  return n;
}

}  // namespace hone
