#include "hone/factorize.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/number.hpp"
#include "compress/calibrate.hpp"
#include "compress/factorize_table.hpp"
#include "compress/factors.hpp"
#include "compress/weight_values.hpp"
#include "compress/work_memory.hpp"
#include "hone/nearest.hpp"
#include "ir/values.hpp"
#include "model/adapter.hpp"
#include "model/low_rank.hpp"

namespace hone {
namespace {

constexpr const char *plain = "svd", *whitened = "whitened";

bool of_tables(const std::string& method) { return method == train_method || method == table_svd_method; }

void check(const Model& model, const FactorizeOptions& o, const Text* text) {
  const auto methods = factorize_methods();
  if (std::ranges::find(methods, o.method) == methods.end())
    throw Error(ErrorKind::usage, {.what = "no method '" + o.method + "'",
                                   .where = "method",
                                   .hint = "did you mean '" + nearest(o.method, methods) + "'?"});
  if (!(o.keep > 0 && o.keep <= 1))
    throw Error(
        ErrorKind::usage,
        {.what = "impossible value", .where = "keep", .expected = "0 < keep <= 1", .found = to_text(o.keep)});
  if (needs_text(o) && !text)
    throw Error(ErrorKind::usage,
                {.what = "whitened learns from a text", .where = "data", .expected = "a file or folder"});
  const bool sizes = !o.rows.empty() || !o.columns.empty();
  if ((sizes && o.method != train_method) || (!o.ranks.empty() && !of_tables(o.method)))
    throw Error(ErrorKind::usage,
                {.what = sizes ? "rows and columns are of a table's cores" : "ranks are of a table",
                 .where = "method",
                 .expected = sizes ? "tensor-train" : "tensor-train or table-svd",
                 .found = o.method});
  if (of_tables(o.method)) return;
  require_no_corrections(model);
  if (!ranks_of(model).empty())
    throw Error(ErrorKind::input, {.what = "the model has factors already",
                                   .where = low_rank_key,
                                   .hint = "factorize the model that it was made of"});
}

// A product and what it can be made of: factors of the largest rank that is worth it.
struct Product {
  std::string module;
  std::int64_t rows = 0, columns = 0;
  std::vector<double> gains{};  // the share of the squared error that each rank takes away, falling
  std::vector<float> u{}, v{};  // [rows,r], [r,columns], of the largest rank
  std::int64_t most() const { return static_cast<std::int64_t>(gains.size()); }
  std::int64_t numbers() const { return rows * columns; }
  std::int64_t numbers_a_rank() const { return rows + columns; }
};

std::vector<double> read_weight(const Model& model, const ParameterSpec& spec) {
  require_factors(model, spec.name);
  const std::vector<float> values = weight_values(model, spec.name);
  return {values.begin(), values.end()};
}

// moments: null for the plain decomposition.
Product decomposed(const Model& model, const LinearModule& module, const Moments* moments) {
  Product p{.module = module.name, .rows = module.out, .columns = module.in};
  const std::vector<double> w = read_weight(model, model.impl().spec(module.name + ".weight"));
  const std::int64_t worth = std::min({p.rows, p.columns, (p.numbers() - 1) / p.numbers_a_rank()});
  Factors f = factors_of(w, p.rows, p.columns, moments, worth);
  p.gains = std::move(f.gains), p.u = std::move(f.u), p.v = std::move(f.v);
  return p;
}

std::vector<Product> all_decomposed(const Model& model, const FactorizeOptions& o, const Text* text) {
  std::vector<LinearModule> modules;
  for (const LinearModule& module : modules_of(model))
    if (!module.head) modules.push_back(module);
  std::vector<Product> products;
  if (o.method == plain) {
    for (const LinearModule& module : modules) products.push_back(decomposed(model, module, nullptr));
    return products;
  }
  calibrate(model, *text, o.calibration, [&](const LayerMoments& layer) {
    for (const LinearModule& module : modules)
      if (const auto moments = layer.inputs.find(module.name + ".weight"); moments != layer.inputs.end())
        products.push_back(decomposed(model, module, moments->second.get()));
    return NewWeights{};
  });
  return products;
}

// The ranks of all products within `keep` of their numbers. One that takes each rank that is worth it stays
// whole.
std::vector<std::int64_t> ranks_within(const std::vector<Product>& products, double keep) {
  struct Rank {
    double value;  // by number
    std::size_t product;
  };
  std::int64_t all = 0;
  std::vector<Rank> order;
  std::vector<std::int64_t> ranks(products.size(), 0);
  for (std::size_t i = 0; i < products.size(); ++i) {
    all += products[i].numbers();
    for (const double gain : products[i].gains)
      order.push_back({gain / static_cast<double>(products[i].numbers_a_rank()), i});
  }
  std::ranges::stable_sort(order, [](const Rank& a, const Rank& b) { return a.value > b.value; });
  auto left = static_cast<std::int64_t>(keep * static_cast<double>(all));
  // What one more rank takes: the last one makes the product whole.
  const auto price = [&](std::size_t product) {
    const Product& p = products[product];
    return ranks[product] + 1 < p.most() ? p.numbers_a_rank()
                                         : p.numbers() - ranks[product] * p.numbers_a_rank();
  };
  const auto give = [&](std::size_t product) {
    left -= price(product);
    ++ranks[product];
  };
  for (std::size_t i = 0; i < products.size(); ++i) give(i);  // each has one
  const double least = keep - static_cast<double>(left) / static_cast<double>(all);
  if (left < 0)
    throw Error(ErrorKind::usage, {.what = "so few numbers leave no rank to some product",
                                   .where = "keep",
                                   .expected = fmt::format("{:.4f} or more", least + 5e-5),  // rounded up
                                   .found = to_text(keep)});
  std::vector<std::int64_t> seen(products.size(), 0);
  for (const Rank& rank : order) {
    if (seen[rank.product]++ == 0 || left < price(rank.product)) continue;  // the first it has
    give(rank.product);
  }
  return ranks;
}

// The first `rank` columns of [rows,most].
std::vector<float> first_columns(std::span<const float> m, std::int64_t most, std::int64_t rank) {
  std::vector<float> part;
  for (std::size_t row = 0; row < m.size(); row += static_cast<std::size_t>(most))
    part.insert(part.end(), m.begin() + static_cast<std::ptrdiff_t>(row),
                m.begin() + static_cast<std::ptrdiff_t>(row) + rank);
  return part;
}

}  // namespace

bool needs_text(const FactorizeOptions& o) { return o.method == whitened; }

std::vector<std::string> factorize_methods() { return {plain, whitened, train_method, table_svd_method}; }

void require_factors(const Model& model, const std::string& weight) {
  require_floating(model, weight,
                   {"the model is quantized, and its codes have no factors",
                    "factorize the model that it was made of, and quantize the result"});
}

Factorized factorize(const Model& model, const FactorizeOptions& o, const Text* text) {
  check(model, o, text);
  if (o.keep == 1 && o.ranks.empty()) return {model};
  if (of_tables(o.method)) return factorize_tables(model, o);
  const std::vector<Product> products = all_decomposed(model, o, text);
  const std::vector<std::int64_t> ranks = ranks_within(products, o.keep);
  const auto types = model.impl().store.stored_types();
  Factorized done{model};
  std::map<std::string, StoredWeight> made;
  std::int64_t all = 0, kept = 0;
  for (std::size_t i = 0; i < products.size(); ++i) {
    const Product& p = products[i];
    const std::int64_t r = ranks[i];
    all += p.numbers();
    kept += r < p.most() ? r * p.numbers_a_rank() : p.numbers();
    if (r >= p.most()) continue;
    const auto type = types.find(p.module + ".weight");
    const DType dtype = type == types.end() ? DType::f32 : type->second;
    done.ranks[p.module] = r;
    made[low_rank_u_name(p.module)] =
        weight_from({.shape = {p.rows, r}}, first_columns(p.u, p.most(), r), dtype);
    made[low_rank_v_name(p.module)] = weight_from(
        {.shape = {r, p.columns}}, std::span(p.v).first(static_cast<std::size_t>(r * p.columns)), dtype);
  }
  if (all > 0) done.kept = static_cast<double>(kept) / static_cast<double>(all);
  const Model factored = with_ranks(model, done.ranks, "factorize");
  done.model = with_weights(factored, factored.impl().store.with_stored(std::move(made)));
  return done;
}

WorkMemory factorize_memory(const Model& model, const FactorizeOptions& o, const Text* text) {
  check(model, o, text);
  return factorize_work(model, o, text);
}

}  // namespace hone
