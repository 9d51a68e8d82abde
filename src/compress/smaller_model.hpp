// A model of the same family made of parts of another one.
//
//   SmallerModel smaller(model);
//   smaller.keep("model.layers.0.mlp.up_proj", {}, Staying{channels}, {});
//   smaller.keep("model.layers.0.mlp.down_proj", changed, {}, Staying{channels});
//   const Model made = smaller.finish(config, renamed);
#pragma once
#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "compress/model_parts.hpp"
#include "store/weight_store.hpp"

namespace hone {

// Which rows or columns stay: units of so many of them.
struct Staying {
  std::span<const std::int64_t> units;
  std::int64_t width = 1;
};

class SmallerModel {
 public:
  explicit SmallerModel(const Model& model);

  // Of a weight [out,in] the rows (outputs), with its bias, and the columns (inputs) that stay, of these
  // values or, where there are none, of its own; of a norm's vectors rows.
  void keep(const std::string& module, std::span<const float> weight, const std::optional<Staying>& rows,
            const std::optional<Staying>& columns);
  std::vector<float> read(const std::string& weight) const;  // f32 as programs keep it

  // The model that the config describes; `source` says which weight of the other one each of its weights is.
  // What was not changed lies where it lay.
  Model finish(const nlohmann::json& config, const std::function<std::string(const std::string&)>& source);

 private:
  void put(const ParameterSpec& spec, std::span<const float> values);
  DType type_of(const std::string& weight) const;

  const Model& model_;
  std::map<std::string, DType> types_;
  std::map<std::string, StoredWeight> made_;  // by their names in the other model
};

}  // namespace hone
