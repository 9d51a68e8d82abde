#include "file/weight_types.hpp"

#include <charconv>
#include <nlohmann/json.hpp>
#include <vector>

#include "file/json.hpp"
#include "hone/error.hpp"
#include "hone/nearest.hpp"
#include "ir/values.hpp"

namespace hone {
namespace {

constexpr const char *method_key = "quant_method", *method = "hone", *weights_key = "weights";

constexpr SparseKind kinds[] = {{"csr", kernel::SparseForm::csr, 1},
                                {"bitmap", kernel::SparseForm::bitmap, 1},
                                {"2:4", kernel::SparseForm::two_of_four, 1},
                                {"4x1", kernel::SparseForm::block, 4},
                                {"16x1", kernel::SparseForm::block, 16}};

std::vector<WeightType> all_types() {
  std::vector<WeightType> types;
  for (std::size_t i = 0; i < dtype_count; ++i) {
    const auto dtype = static_cast<DType>(i);
    if (is_blocks(dtype)) types.push_back({dtype});
    if (is_floating(dtype)) types.push_back({.dtype = dtype, .tensor_train = true});
    if (!has_sparse_values(dtype)) continue;
    for (const SparseKind& kind : kinds) types.push_back({dtype, &kind});
  }
  return types;
}

// The width behind the colon that ends a text; none where no number stands there.
std::optional<std::int64_t> width_in(std::string_view text) {
  std::int64_t width = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), width);
  if (error != std::errc() || end != text.data() + text.size() || width <= 0) return {};
  return width;
}

// "q4_g48"; none for another text.
std::optional<CodeGroups> groups_in(std::string_view type) {
  for (const int bits : {2, 3, 4, 8}) {
    const std::string begin = "q" + std::to_string(bits) + "_g";
    if (!type.starts_with(begin)) continue;
    if (const auto group = width_in(type.substr(begin.size()))) return CodeGroups{bits, *group};
  }
  return {};
}

WeightType weight_type(const std::string& type, const std::string& where) {
  std::vector<std::string> names;
  for (WeightType one : all_types()) {
    names.push_back(name(one));
    if (type == names.back()) return one;
    if (one.sparse || one.tensor_train || !type.starts_with(names.back() + ":")) continue;
    if (const auto width = width_in(std::string_view(type).substr(names.back().size() + 1))) {
      one.width = *width;
      return one;
    }
  }
  if (const auto groups = groups_in(type)) return {.groups = *groups};
  throw Error(ErrorKind::input, {.what = "no such type of quantized or sparse weights, or of cores",
                                 .where = where,
                                 .found = "\"" + type + "\"",
                                 .hint = "the nearest is " + nearest(type, names)});
}

}  // namespace

std::span<const SparseKind> sparse_kinds() { return kinds; }

std::string name(const WeightType& type) {
  const std::string dtype(name(type.dtype)), width = type.width > 0 ? ":" + std::to_string(type.width) : "";
  if (type.tensor_train) return std::string(tensor_train_name) + "/" + dtype;
  if (type.groups.bits > 0)
    return "q" + std::to_string(type.groups.bits) + "_g" + std::to_string(type.groups.group);
  return type.sparse ? type.sparse->name + ("/" + dtype) : dtype + width;
}

bool has_sparse_values(DType dtype) {
  return is_floating(dtype) || (is_blocks(dtype) && kernel::has_sparse_codes(element_of(dtype)));
}

WeightTypes take_weight_types(nlohmann::json& config, const std::string& where) {
  WeightTypes types;
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
        weight_type(json_string(weights, item.key().c_str(), inside), inside + ", " + item.key());
  config.erase(found);
  return types;
}

namespace {

template <class Json>
void add_types(Json& config, const WeightTypes& types) {
  if (types.empty()) return;
  Json weights = Json::object();
  for (const auto& [weight, type] : types) weights[weight] = name(type);
  config[quantization_key] = {{method_key, method}, {weights_key, std::move(weights)}};
}

}  // namespace

void add_weight_types(nlohmann::json& config, const WeightTypes& types) { add_types(config, types); }
void add_weight_types(nlohmann::ordered_json& config, const WeightTypes& types) { add_types(config, types); }

}  // namespace hone
