// A student that begins as some of its teacher's layers.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "hone/distill.hpp"
#include "model/low_rank.hpp"
#include "model/model_impl.hpp"

namespace hone {
namespace {

// What families call the number of their layers.
constexpr const char* layer_keys[] = {"num_hidden_layers", "n_layer"};

[[noreturn]] void refuse(const std::string& expected, const std::string& found,
                         const char* where = "teacher") {
  throw Error(ErrorKind::usage, {.what = "no student can be made of the teacher's layers",
                                 .where = where,
                                 .expected = expected,
                                 .found = found});
}

const char* layer_key(const nlohmann::json& config, const Model& teacher) {
  for (const char* key : layer_keys)
    if (config.contains(key) && config[key].is_number_integer()) return key;
  refuse("a decoder, whose config counts its layers", "the family " + teacher.family());
}

// Where kinds of layers follow from their numbers, the student's are told one by one: they keep their kind.
void keep_kinds(nlohmann::json& config, const Model& teacher, const std::vector<std::int64_t>& from) {
  nlohmann::json kinds = config.value("layer_types", nlohmann::json());
  if (kinds.is_null() && teacher.family() == "gemma3_text") {
    const std::int64_t pattern =
        config.value("sliding_window_pattern", config.value("_sliding_window_pattern", std::int64_t{6}));
    for (std::int64_t i = 0; i <= from.back(); ++i)
      kinds.push_back((i + 1) % pattern ? "sliding_attention" : "full_attention");
  }
  if (!kinds.is_array()) return;
  nlohmann::json kept;
  for (const std::int64_t layer : from) kept.push_back(kinds.at(static_cast<std::size_t>(layer)));
  config["layer_types"] = std::move(kept);
}

// "h.2.attn" of the teacher for the student's "h.1.attn": the first number of a name is the layer's.
std::string teachers_name(const std::string& name, const std::vector<std::int64_t>& from) {
  for (std::size_t at = 0; at < name.size();) {
    const std::size_t end = std::min(name.find('.', at), name.size());
    const std::string part = name.substr(at, end - at);
    const bool number =
        !part.empty() && std::ranges::all_of(part, [](char c) { return c >= '0' && c <= '9'; });
    if (number)
      return name.substr(0, at) + std::to_string(from[static_cast<std::size_t>(std::stoul(part))]) +
             name.substr(end);
    at = end + 1;
  }
  return name;
}

}  // namespace

std::vector<std::int64_t> student_layers(const Model& teacher, std::int64_t layers) {
  const nlohmann::json config = nlohmann::json::parse(teacher.config_json());
  const auto all = config[layer_key(config, teacher)].get<std::int64_t>();
  if (layers < 1 || layers > all)
    refuse("1 to " + std::to_string(all) + " of them", std::to_string(layers), "student");
  std::vector<std::int64_t> from;
  for (std::int64_t i = 0; i < layers; ++i)  // to the nearest, halves up
    from.push_back(layers == 1 ? 0 : (2 * i * (all - 1) + layers - 1) / (2 * (layers - 1)));
  return from;
}

Model student_of(const Model& teacher, const StudentOptions& options) {
  if (teacher.impl().adapter) refuse("a model without an adapter", "one that has an adapter");
  const Model dense = multiplied_out(teacher);
  const Model::Impl& whole = dense.impl();
  if (!whole.family_names) refuse("a model of a family", "an architecture of one's own");
  nlohmann::json config = nlohmann::json::parse(dense.config_json());
  const std::vector<std::int64_t> from = student_layers(teacher, options.layers);
  keep_kinds(config, teacher, from);
  config[layer_key(config, teacher)] = options.layers;
  const Model fresh = from_json(std::move(config), {.dropout = options.dropout}, "the student's config");
  std::map<std::string, std::string> names;
  for (const ParameterSpec& spec : fresh.impl().specs) names[spec.name] = teachers_name(spec.name, from);
  return with_weights(fresh, whole.store.renamed(names));
}

}  // namespace hone
