#include "file/block_types.hpp"

#include <nlohmann/json.hpp>
#include <vector>

#include "file/json.hpp"
#include "hone/error.hpp"
#include "hone/nearest.hpp"

namespace hone {
namespace {

constexpr const char *method_key = "quant_method", *method = "hone", *weights_key = "weights";

DType block_type(const std::string& type, const std::string& where) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < dtype_count; ++i) {
    const auto dtype = static_cast<DType>(i);
    if (!is_blocks(dtype)) continue;
    if (type == name(dtype)) return dtype;
    names.emplace_back(name(dtype));
  }
  throw Error(ErrorKind::input, {.what = "no such type of quantized weights",
                                 .where = where,
                                 .found = "\"" + type + "\"",
                                 .hint = "the nearest is " + nearest(type, names)});
}

}  // namespace

BlockTypes take_block_types(nlohmann::json& config, const std::string& where) {
  BlockTypes types;
  const auto found = config.find(quantization_key);
  if (found == config.end() || !found->is_object() || found->value(method_key, nlohmann::json()) != method)
    return types;
  const std::string inside = where + ", " + quantization_key;
  const nlohmann::json& weights = json_member(*found, weights_key, inside);
  if (!weights.is_object())
    throw Error(ErrorKind::input,
                {.what = "\"weights\" is not an object that names a type for each weight", .where = inside});
  for (const auto& item : weights.items())
    types[item.key()] =
        block_type(json_string(weights, item.key().c_str(), inside), inside + ", " + item.key());
  config.erase(found);
  return types;
}

namespace {

template <class Json>
void add_types(Json& config, const BlockTypes& types) {
  if (types.empty()) return;
  Json weights = Json::object();
  for (const auto& [weight, dtype] : types) weights[weight] = std::string(name(dtype));
  config[quantization_key] = {{method_key, method}, {weights_key, std::move(weights)}};
}

}  // namespace

void add_block_types(nlohmann::json& config, const BlockTypes& types) { add_types(config, types); }
void add_block_types(nlohmann::ordered_json& config, const BlockTypes& types) { add_types(config, types); }

}  // namespace hone
