#include "model/low_rank.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "model/adapter.hpp"
#include "model/model_impl.hpp"

namespace hone {

Ranks take_ranks(nlohmann::json& config, const std::string& where, const char* key) {
  Ranks ranks;
  const auto found = config.find(key);
  if (found == config.end()) return ranks;
  if (!found->is_object())
    throw Error(ErrorKind::input, {.what = "the key is no object of ranks",
                                   .where = where + ", " + key,
                                   .expected = R"({"MODULE": rank, ..})",
                                   .found = found->dump()});
  for (const auto& [module, rank] : found->items()) {
    if (!rank.is_number_integer())
      throw Error(ErrorKind::input, {.what = "a rank is no whole number",
                                     .where = where + ", " + key + ", " + module,
                                     .found = rank.dump()});
    ranks[module] = rank.get<std::int64_t>();
  }
  config.erase(found);
  return ranks;
}

Ranks ranks_of(const Model& model, const char* key) {
  nlohmann::json config = nlohmann::json::parse(model.config_json());
  return take_ranks(config, "config.json", key);
}

namespace {

using RanksPass = void(Program&, const Ranks&);

Model with_ranks(const Model& model, const Ranks& ranks, const std::string& where, const char* key,
                 RanksPass* pass) {
  if (ranks.empty()) return model;
  const auto modules = modules_of(model);
  for (const auto& [name, rank] : ranks) {
    const auto module = std::ranges::find(modules, name, &LinearModule::name);
    if (module == modules.end())
      throw Error(
          ErrorKind::input,
          {.what = "no product of the model has this name", .where = where + ", " + key, .found = name});
    const std::int64_t most = std::min(module->in, module->out);
    if (rank < 1 || rank > most)
      throw Error(ErrorKind::input,
                  {.what = "impossible rank of a product",
                   .where = where + ", " + key + ", " + name,
                   .expected = "1 to " + std::to_string(most) + ", the weight's smaller side",
                   .found = std::to_string(rank)});
  }
  const Model made = with_pass(model, [ranks, pass](Program& p, const BuildOptions&) { pass(p, ranks); });
  auto impl = std::make_shared<Model::Impl>(made.impl());
  auto config = nlohmann::ordered_json::parse(impl->config);
  config[key] = ranks;
  impl->config = config.dump(2) + "\n";
  return Model(std::move(impl));
}

}  // namespace

Model with_ranks(const Model& model, const Ranks& ranks, const std::string& where) {
  return with_ranks(model, ranks, where, low_rank_key, factorize);
}
Model with_corrections(const Model& model, const Ranks& ranks, const std::string& where) {
  return with_ranks(model, ranks, where, corrections_key, correct);
}

std::set<std::string> correction_names(const Model& model) {
  std::set<std::string> names;
  for (const auto& ranked : ranks_of(model, corrections_key))
    names.insert({correction_u_name(ranked.first), correction_v_name(ranked.first)});
  return names;
}

void require_no_corrections(const Model& model) {
  if (ranks_of(model, corrections_key).empty()) return;
  throw Error(ErrorKind::input, {.what = "the model has corrections of what its weights have lost already",
                                 .where = corrections_key,
                                 .hint = "begin with the model that it was made of"});
}

Model with_corrections_trained(const Model& model) {
  const std::set<std::string> names = correction_names(model);
  if (names.empty())
    throw Error(ErrorKind::usage, {.what = "the model has no corrections that could be trained",
                                   .where = "train",
                                   .hint = "hone quantize and hone prune make them: --correction-rank"});
  auto impl = std::make_shared<Model::Impl>(
      with_pass(model, [names](Program& p, const BuildOptions&) { freeze(p, names); }).impl());
  impl->config = model.config_json();
  impl->frozen_base = true;
  return Model(std::move(impl));
}

namespace {

// More is added to each element of [N,K]: of U V.
void add_product(const Model& model, const std::string& u_name, const std::string& v_name,
                 std::span<float> to) {
  const Model::Impl& impl = model.impl();
  const ParameterSpec &us = impl.spec(u_name), &vs = impl.spec(v_name);
  std::vector<float> u(static_cast<std::size_t>(us.shape.elements())),
      v(static_cast<std::size_t>(vs.shape.elements()));
  impl.store.read_file_layout(us, u);
  impl.store.read_file_layout(vs, v);
  const auto rank = static_cast<std::size_t>(us.shape[1]), columns = static_cast<std::size_t>(vs.shape[1]);
  std::vector<double> row(columns);
  for (std::size_t n = 0; n < to.size() / columns; ++n) {
    const auto part = to.subspan(n * columns, columns);
    std::ranges::copy(part, row.begin());
    for (std::size_t r = 0; r < rank; ++r)
      for (std::size_t k = 0; k < columns; ++k)
        row[k] += static_cast<double>(u[n * rank + r]) * static_cast<double>(v[r * columns + k]);
    std::ranges::transform(row, part.begin(), [](double x) { return static_cast<float>(x); });
  }
}

// f32 [N,K] as a store has it.
StoredWeight as_stored(const ParameterSpec& spec, std::span<const float> values) {
  std::vector<std::byte> bytes(values.size_bytes());
  to_file_layout(spec, std::as_bytes(values), bytes);
  return made_weight({spec.shape, DType::f32}, std::move(bytes));
}

// The model without that key, each of its modules' weights as `add` leaves it, which begins with zeros.
Model without(const Model& model, const char* key,
              const std::function<void(const std::string& module, const ParameterSpec& spec,
                                       std::span<float> values)>& add) {
  nlohmann::json config = nlohmann::json::parse(model.config_json());
  const Ranks ranks = take_ranks(config, "config.json", key);
  if (ranks.empty()) return model;
  const Model whole = from_json(std::move(config), {}, "config.json");
  std::map<std::string, StoredWeight> made;
  for (const auto& ranked : ranks) {
    const ParameterSpec& spec = whole.impl().spec(ranked.first + ".weight");
    std::vector<float> values(static_cast<std::size_t>(spec.shape.elements()));
    add(ranked.first, spec, values);
    made[spec.name] = as_stored(spec, values);
  }
  return with_weights(whole, model.impl().store.with_stored(std::move(made)));
}

// Tables that are kept as cores.
Model expanded_tables(const Model& model) {
  std::map<std::string, StoredWeight> made;
  for (const auto& [name, tree] : model.impl().store.trees()) {
    if (!tree->type.tensor_train) continue;
    const TensorType type{tree->shape, tree->type.dtype};
    std::vector<std::byte> whole(static_cast<std::size_t>(type.bytes()));
    expand_tree(*tree, whole);
    made[name] = made_weight(type, std::move(whole));
  }
  return made.empty() ? model : with_weights(model, model.impl().store.with_stored(std::move(made)));
}

}  // namespace

Model multiplied_out(const Model& model) {
  const Model whole =
      without(model, corrections_key, [&](const std::string& module, const ParameterSpec& spec, auto values) {
        model.impl().store.read(spec, std::as_writable_bytes(values));
        add_product(model, correction_u_name(module), correction_v_name(module), values);
      });
  return expanded_tables(
      without(whole, low_rank_key, [&](const std::string& module, const ParameterSpec&, auto values) {
        add_product(whole, low_rank_u_name(module), low_rank_v_name(module), values);
      }));
}

}  // namespace hone
