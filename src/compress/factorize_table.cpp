#include "compress/factorize_table.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "compress/coded_weights.hpp"
#include "compress/table_train.hpp"
#include "compress/weight_values.hpp"
#include "exec/job.hpp"
#include "kernel/tensor_train.hpp"
#include "model/model_impl.hpp"
#include "op/ops.hpp"
#include "store/tensor_train.hpp"

namespace hone {
namespace {

struct IdTable {
  std::string name;
  std::int64_t V = 0, C = 0;
  bool multiplies = false;  // it is the head too
};

// Those from which ids of the data take rows: not positions.
std::vector<IdTable> id_tables(const Model& model) {
  const Forward forward = model.impl().write({});
  const Program& p = forward.program;
  std::vector<IdTable> tables;
  std::set<std::int32_t> products;
  for (const Node& node : p.nodes) {
    if (node.op == &op::linear) products.insert(p.root(node.inputs[op::LinearInputs::weight]).value);
    if (node.op != &op::embedding) continue;
    const TensorDef& ids = p[p.root(node.inputs[op::EmbeddingInputs::ids])];
    const TensorDef& table = p[node.inputs[op::EmbeddingInputs::table]];
    if (ids.role != Role::input || ids.input.meaning != Meaning::ids || table.role != Role::parameter)
      continue;
    if (std::ranges::find(tables, table.name, &IdTable::name) == tables.end())
      tables.push_back({table.name, table.type.shape[0], table.type.shape[1]});
  }
  for (IdTable& table : tables) table.multiplies = products.contains(p.find(table.name).value);
  return tables;
}

std::string times(const std::vector<std::int64_t>& sizes) { return fmt::format("{}", fmt::join(sizes, "x")); }

[[noreturn]] void refuse(const char* where, const std::string& what, const std::string& expected,
                         const std::string& found) {
  throw Error(ErrorKind::usage, {.what = what, .where = where, .expected = expected, .found = found});
}

// Of sizes above 0; of those that are too many, some number above that of all tables.
std::int64_t product(const std::vector<std::int64_t>& sizes) {
  constexpr std::int64_t most = std::int64_t{1} << 40;
  std::int64_t all = 1;
  for (const std::int64_t size : sizes) all = size > most / all ? most : all * size;
  return all;
}

CoreSizes shape_of(const IdTable& table, const FactorizeOptions& o) {
  if (o.method == table_svd_method) return low_rank_sizes(table.V, table.C);
  CoreSizes shape = core_sizes(table.V, table.C);
  if (!o.rows.empty()) shape.rows = o.rows;
  if (!o.columns.empty()) shape.columns = o.columns;
  if (shape.rows.size() != shape.columns.size())
    refuse("rows", "a core has rows and columns", "as many of both",
           times(shape.rows) + " and " + times(shape.columns));
  if (shape.count() < 2 || shape.count() > kernel::most_cores)
    refuse("rows", "no train is of so many cores", "two or three", std::to_string(shape.count()));
  for (const std::vector<std::int64_t>* sizes : {&shape.rows, &shape.columns})
    if (std::ranges::min(*sizes) < 1) refuse("rows", "impossible size of a core", "above 0", times(*sizes));
  if (product(shape.rows) < table.V)
    refuse("rows", "the table has more rows", fmt::format("sizes whose product is {} or more", table.V),
           times(shape.rows));
  if (product(shape.rows) > 2 * table.V)
    refuse("rows", "most rows would be none of the table's",
           fmt::format("sizes whose product is {} to {}", table.V, 2 * table.V), times(shape.rows));
  if (product(shape.columns) != table.C)
    refuse("columns", "the table has other columns", fmt::format("sizes whose product is {}", table.C),
           times(shape.columns));
  return shape;
}

std::vector<std::int64_t> ranks_of(const TableSpectra& spectra, const CoreSizes& shape, const IdTable& table,
                                   const FactorizeOptions& o) {
  const std::vector<std::int64_t> most = spectra.most_ranks(), ones(most.size(), 1);
  if (o.ranks.empty()) {
    const auto all = static_cast<double>(table.V * table.C);
    if (const auto ranks = spectra.ranks_within(static_cast<std::int64_t>(o.keep * all))) return *ranks;
    refuse("keep", "so few numbers leave no rank between cores",
           fmt::format("{:.4f} or more", static_cast<double>(shape.numbers(ones)) / all + 5e-5),
           fmt::format("{}", o.keep));
  }
  if (o.ranks.size() != most.size())
    refuse("ranks", fmt::format("{} cores have a rank between each two", shape.count()),
           fmt::format("{} ranks", most.size()), times(o.ranks));
  for (std::size_t k = 0; k < most.size(); ++k) {
    const std::int64_t limit = k == 0 ? most[k] : std::min(most[k], o.ranks[k - 1] * shape.size(k));
    if (o.ranks[k] < 1 || o.ranks[k] > limit)
      refuse("ranks", fmt::format("impossible rank behind core {}", k), fmt::format("1 to {}", limit),
             std::to_string(o.ranks[k]));
  }
  return o.ranks;
}

// Multiply-adds, counted twice, of a head's token by these cores, from the last one to the first.
double head_flops(const CoreSizes& s, const std::vector<std::int64_t>& ranks) {
  double flops = 0, columns = 1, rows = 1;
  for (const std::int64_t c : s.columns) columns *= static_cast<double>(c);
  for (std::size_t k = s.count(); k-- > 0;) {
    const double left = k == 0 ? 1 : static_cast<double>(ranks[k - 1]),
                 right = k + 1 == s.count() ? 1 : static_cast<double>(ranks[k]);
    rows *= static_cast<double>(s.rows[k]);
    flops += 2 * columns * right * left * rows;
    columns /= static_cast<double>(s.columns[k]);
  }
  return flops;
}

class Factorizing {
 public:
  Factorizing(const Model& model, const FactorizeOptions& o)
      : model_(model), options_(o), types_(model.impl().store.stored_types()), done_{model} {}

  void add(const IdTable& table) {
    require_factors(model_, table.name);
    if (const auto trees = model_.impl().store.trees();
        trees.contains(table.name) && trees.at(table.name)->type.tensor_train)
      throw Error(ErrorKind::input, {.what = "the table is kept as cores already",
                                     .where = "weight " + table.name,
                                     .hint = "factorize the model that it was made of"});
    const CoreSizes shape = shape_of(table, options_);
    const std::vector<float> values = weight_values(model_, table.name);
    const TableSpectra spectra(values, table.V, table.C, shape);
    const std::vector<std::int64_t> ranks = ranks_of(spectra, shape, table, options_);
    const auto type = types_.find(table.name);
    const DType dtype = type == types_.end() ? DType::f32 : type->second;
    std::vector<StoredWeight> cores;
    for (const TableCore& core : spectra.cores(ranks))
      cores.push_back(weight_from({.shape = core.shape}, core.values, dtype));
    auto train = tensor_train({table.V, table.C}, dtype, std::move(cores));
    TableFactors factors{.table = table.name, .rows = shape.rows, .columns = shape.columns, .ranks = ranks};
    factors.kept = static_cast<double>(shape.numbers(ranks)) / static_cast<double>(table.V * table.C);
    std::vector<float> expanded(values.size());
    expand_rows(*train, 0, expanded);
    factors.lost = relative_error(values, expanded);
    note(table, shape, factors, values, *train);
    done_.tables.push_back(std::move(factors));
    made_[table.name] = stored_tree(std::move(train));
  }

  Factorized finish() {
    done_.model = with_weights(model_, model_.impl().store.with_stored(std::move(made_)));
    return std::move(done_);
  }

 private:
  template <class... Args>
  void say(fmt::format_string<Args...> text, Args&&... args) {
    done_.notes.push_back(fmt::format(text, std::forward<Args>(args)...));
  }

  void note(const IdTable& table, const CoreSizes& shape, const TableFactors& f,
            std::span<const float> values, const WeightTree& train) {
    say("{}: {} rows as {}, {} columns as {}, ranks {}; {:.1f} % of its numbers stay, {:.1f} % of its "
        "squares "
        "are lost",
        table.name, table.V, times(shape.rows), table.C, times(shape.columns), times(f.ranks), 100 * f.kept,
        100 * f.lost);
    note_others(table, f, values, train);
    if (table.multiplies) note_head(table, shape, f, train);
  }

  // Which bits lose less in as many bytes. Two factors mostly lose fewer squares than a train, and still cost
  // far more: of SmolLM2 at half the numbers 16.5 % and 25.1 %, perplexity 61,181 and 84.7.
  void note_others(const IdTable& table, const TableFactors& f, std::span<const float> values,
                   const WeightTree& train) {
    for (const int bits : {8, 4, 3, 2}) {
      const auto grid = grid_of(bits, table.C, {});
      const MatrixWeight matrix{table.name, table.V, table.C, true};
      if (!grid || coded_bytes(matrix, *grid) > train.bytes()) continue;
      ThreadPool pool(exec_options(options_.calibration.threads, options_.calibration.isa).threads);
      const double lost =
          relative_error(values, round_to_nearest(values, table.V, table.C, *grid, pool).values());
      if (lost < f.lost)
        say("{} bits lose less, {:.2f} % of its squares in {:.1f} MiB instead of {:.1f}: hone quantize "
            "--table-bits {}",
            bits, 100 * lost, mebibytes(coded_bytes(matrix, *grid)), mebibytes(train.bytes()), bits);
      return;
    }
  }

  void note_head(const IdTable& table, const CoreSizes& shape, const TableFactors& f,
                 const WeightTree& train) {
    const double times =
        head_flops(shape, f.ranks) / (2 * static_cast<double>(table.V) * static_cast<double>(table.C));
    if (core_index(train).is_low_rank())
      say("it is the head too, which multiplies by both factors: {:.2f} times the operations", times);
    else
      say("it is the head too, and expanded to {:.1f} MiB when it is read: by the cores each token would "
          "take "
          "{:.0f} times the operations",
          mebibytes(TensorType{train.shape, train.type.dtype}.bytes()), times);
  }

  static double mebibytes(std::int64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

  const Model& model_;
  const FactorizeOptions& options_;
  std::map<std::string, DType> types_;
  std::map<std::string, StoredWeight> made_;
  Factorized done_;
};

}  // namespace

Factorized factorize_tables(const Model& model, const FactorizeOptions& o) {
  const std::vector<IdTable> tables = id_tables(model);
  if (tables.empty())
    throw Error(ErrorKind::input, {.what = "the model has no table of ids", .where = o.method});
  Factorizing factorizing(model, o);
  for (const IdTable& table : tables) factorizing.add(table);
  return factorizing.finish();
}

}  // namespace hone
