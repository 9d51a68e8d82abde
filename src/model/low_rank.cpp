#include "model/low_rank.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "model/adapter.hpp"
#include "model/model_impl.hpp"

namespace hone {

Ranks take_ranks(nlohmann::json& config, const std::string& where) {
  Ranks ranks;
  const auto found = config.find(low_rank_key);
  if (found == config.end()) return ranks;
  if (!found->is_object())
    throw Error(ErrorKind::input, {.what = "the key is no object of ranks",
                                   .where = where + ", " + low_rank_key,
                                   .expected = R"({"MODULE": rank, ..})",
                                   .found = found->dump()});
  for (const auto& [module, rank] : found->items()) {
    if (!rank.is_number_integer())
      throw Error(ErrorKind::input, {.what = "a rank is no whole number",
                                     .where = where + ", " + low_rank_key + ", " + module,
                                     .found = rank.dump()});
    ranks[module] = rank.get<std::int64_t>();
  }
  config.erase(found);
  return ranks;
}

Ranks ranks_of(const Model& model) {
  nlohmann::json config = nlohmann::json::parse(model.config_json());
  return take_ranks(config, "config.json");
}

Model with_ranks(const Model& model, const Ranks& ranks, const std::string& where) {
  if (ranks.empty()) return model;
  const auto modules = modules_of(model);
  for (const auto& [name, rank] : ranks) {
    const auto module = std::ranges::find(modules, name, &LinearModule::name);
    if (module == modules.end())
      throw Error(ErrorKind::input, {.what = "no product of the model has this name",
                                     .where = where + ", " + low_rank_key,
                                     .found = name});
    const std::int64_t most = std::min(module->in, module->out);
    if (rank < 1 || rank > most)
      throw Error(ErrorKind::input,
                  {.what = "impossible rank of a product",
                   .where = where + ", " + low_rank_key + ", " + name,
                   .expected = "1 to " + std::to_string(most) + ", the weight's smaller side",
                   .found = std::to_string(rank)});
  }
  const Model made = with_pass(model, [ranks](Program& p, const BuildOptions&) { factorize(p, ranks); });
  auto impl = std::make_shared<Model::Impl>(made.impl());
  auto config = nlohmann::ordered_json::parse(impl->config);
  config[low_rank_key] = ranks;
  impl->config = config.dump(2) + "\n";
  return Model(std::move(impl));
}

namespace {

// U V [N,K], in the file's layout of the whole weight.
std::vector<std::byte> product(const Model& model, const std::string& module, const ParameterSpec& whole) {
  const Model::Impl& impl = model.impl();
  const ParameterSpec &us = impl.spec(low_rank_u_name(module)), &vs = impl.spec(low_rank_v_name(module));
  std::vector<float> u(static_cast<std::size_t>(us.shape.elements())),
      v(static_cast<std::size_t>(vs.shape.elements()));
  impl.store.read_file_layout(us, u);
  impl.store.read_file_layout(vs, v);
  const auto rank = static_cast<std::size_t>(us.shape[1]), columns = static_cast<std::size_t>(vs.shape[1]);
  std::vector<float> w(static_cast<std::size_t>(whole.shape.elements()));
  std::vector<double> row(columns);
  for (std::size_t n = 0; n < w.size() / columns; ++n) {
    std::ranges::fill(row, 0.0);
    for (std::size_t r = 0; r < rank; ++r)
      for (std::size_t k = 0; k < columns; ++k)
        row[k] += static_cast<double>(u[n * rank + r]) * static_cast<double>(v[r * columns + k]);
    std::ranges::transform(row, w.begin() + static_cast<std::ptrdiff_t>(n * columns),
                           [](double x) { return static_cast<float>(x); });
  }
  std::vector<std::byte> bytes(w.size() * sizeof(float));
  to_file_layout(whole, std::as_bytes(std::span(w)), bytes);
  return bytes;
}

}  // namespace

Model multiplied_out(const Model& model) {
  nlohmann::json config = nlohmann::json::parse(model.config_json());
  const Ranks ranks = take_ranks(config, "config.json");
  if (ranks.empty()) return model;
  const Model whole = from_json(std::move(config), {}, "config.json");
  std::map<std::string, std::vector<std::byte>> values;
  for (const auto& ranked : ranks) {
    const std::string name = ranked.first + ".weight";
    values[name] = product(model, ranked.first, whole.impl().spec(name));
  }
  return with_weights(whole, model.impl().store.with(std::move(values)));
}

}  // namespace hone
