#include "hone/quantize.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/float_mode.hpp"
#include "base/number.hpp"
#include "compress/awq.hpp"
#include "compress/bit_mix.hpp"
#include "compress/coded_weights.hpp"
#include "compress/corrections.hpp"
#include "compress/gptq.hpp"
#include "compress/hqq.hpp"
#include "compress/refine.hpp"
#include "compress/weight_values.hpp"
#include "compress/work_memory.hpp"
#include "exec/job.hpp"
#include "hone/nearest.hpp"
#include "model/model_impl.hpp"
#include "train/pruned_matrices.hpp"

namespace hone {
namespace {

// What a method makes of a product's weight `w`, [rows, moments.width]. Where none has been learned, for a
// method that learns nothing, the moments have their width and no more.
struct Method {
  const char* name;
  bool learns = false;  // from a text
  bool scales_channels = false;
  bool refines = false;
  bool moves_minima = false;  // and no more: codes about zero are rtn's
  CodedMatrix (*round)(std::span<const float> w, std::int64_t rows, const Moments& moments, const Grid& grid,
                       Isa isa, ThreadPool& pool) = nullptr;
};

CodedMatrix round_by_size(std::span<const float> w, std::int64_t rows, const Moments& m, const Grid& grid,
                          Isa, ThreadPool& pool) {
  CodedMatrix q = lines_of(w, rows, m.width, grid, LineSearch::least_error, pool, m.squares());
  round_to_lines(w, q, pool);
  return q;
}
CodedMatrix round_plainly(std::span<const float> w, std::int64_t rows, const Moments& m, const Grid& grid,
                          Isa, ThreadPool& pool) {
  return round_to_nearest(w, rows, m.width, grid, pool);
}
CodedMatrix round_by_hqq(std::span<const float> w, std::int64_t rows, const Moments& m, const Grid& grid, Isa,
                         ThreadPool& pool) {
  return hqq(w, rows, m.width, grid, {}, pool);
}
CodedMatrix round_by_gptq(std::span<const float> w, std::int64_t rows, const Moments& m, const Grid& grid,
                          Isa isa, ThreadPool& pool) {
  return gptq(w, rows, m, grid, {}, isa, pool);
}

constexpr Method methods[] = {
    {.name = "rtn", .round = round_plainly},
    {.name = "hqq", .moves_minima = true, .round = round_by_hqq},
    {.name = "gptq", .learns = true, .round = round_by_gptq},
    {.name = "awq", .learns = true, .scales_channels = true, .round = round_by_size},
    {.name = "refined", .learns = true, .refines = true, .round = round_by_gptq}};

const Method& method_named(const std::string& name) {
  for (const Method& m : methods)
    if (name == m.name) return m;
  throw Error(ErrorKind::usage, {.what = "no such method of quantization",
                                 .where = "method",
                                 .expected = fmt::format("{}", fmt::join(quantize_methods(), ", ")),
                                 .found = name,
                                 .hint = "did you mean " + nearest(name, quantize_methods()) + "?"});
}

void check_corrections(const QuantizeOptions& o) {
  const auto wrong = [&](const char* expected, const std::string& found) {
    throw Error(
        ErrorKind::usage,
        {.what = "no corrections of this", .where = "correction_rank", .expected = expected, .found = found});
  };
  const Method& method = method_named(o.method);
  if (method.refines)
    wrong("another method: this one trains the codes, and corrections are trained behind them", o.method);
  if (method.scales_channels && o.correction.of)
    wrong("another method: this one scales channels, so that another model's weights are not its aim",
          o.method);
  if (o.size_bytes > 0) wrong("bits: a size is of codes alone", "size_bytes " + std::to_string(o.size_bytes));
}

void check(const Model& model, const Text* text, const QuantizeOptions& o) {
  const auto wrong = [](const char* where, const std::string& expected, const std::string& found) {
    throw Error(ErrorKind::usage,
                {.what = "impossible value", .where = where, .expected = expected, .found = found});
  };
  if (o.group < 1 && o.group != whole_row)
    wrong("group", "1 or more, or -1 for a whole row", std::to_string(o.group));
  if (o.whole_groups && o.group % 32 != 0 && o.group != whole_row)
    wrong("group", "a multiple of 32 for a GGUF file, or -1 for a whole row", std::to_string(o.group));
  if (!(o.bits >= 2 && o.bits <= 8)) wrong("bits", "2 to 8", to_text(o.bits));
  if (o.bits < fewest_bits(o)) wrong("bits", "4 to 8 for a GGUF file: a folder has fewer", to_text(o.bits));
  const int t = o.table_bits;
  if (t != 0 && t != 2 && t != 3 && t != 4 && t != 8)
    wrong("table_bits", "0, 2, 3, 4 or 8", std::to_string(t));
  if (t != 0 && t < fewest_bits(o)) wrong("table_bits", "0, 4 or 8 for a GGUF file", std::to_string(t));
  if (o.size_bytes < 0) wrong("size_bytes", "0 or more", std::to_string(o.size_bytes));
  require_floating(model, {"the model is quantized already, and rounding twice loses twice"});
  if (!(o.smooth >= 0 && o.smooth <= 1)) wrong("smooth", "0 to 1", to_text(o.smooth));
  const bool smooths = o.smooth > 0;
  if (needs_text(o) && !text)
    throw Error(ErrorKind::usage,
                {.what = smooths     ? "how far a channel reaches is what a text says"
                         : is_mix(o) ? "a mix of bits is chosen by what a text says of each layer"
                                     : "the method " + o.method + " learns from a text",
                 .where = "data",
                 .expected = "a file or folder"});
  if (o.correction.rank > 0) check_corrections(o);
}

class Quantizing {
 public:
  Quantizing(const Model& model, const QuantizeOptions& o, std::map<std::string, int> bits)
      : model_(model),
        options_(o),
        method_(method_named(o.method)),
        exec_(exec_options(o.sample.threads, o.sample.isa)),
        pool_(exec_.threads),
        bits_(std::move(bits)),
        corrections_(model, o.correction) {
    for (MatrixWeight& weight : matrices_of(model)) {
      const std::string name = weight.name;
      matrices_.emplace(name, std::move(weight));
    }
  }

  // Products of a layer, each once.
  NewWeights layer(const LayerMoments& layer) {
    NewWeights changed;
    std::map<std::string, std::shared_ptr<const Moments>> moments = layer.inputs;
    if (method_.scales_channels) scale_channels(layer, moments, changed);
    for (const auto& [name, m] : moments) {
      const auto grid = grid_for(name);
      if (!grid) continue;
      const std::vector<float> w = changed.contains(name) ? changed[name] : weight_values(model_, name);
      const CodedMatrix q = method_.round(w, matrices_.at(name).rows, *m, *grid, exec_.isa, pool_);
      check(name, w, q);
      std::vector<float> values = q.values();
      corrections_.add(name, w, values, m.get());
      changed[name] = std::move(values);
      if (method_.refines && !matrices_.at(name).table)
        codes_.insert_or_assign(name, q);
      else
        made_.insert_or_assign(name, packed(q));
    }
    return changed;
  }

  void refine_codes(const Text& text) {
    if (!method_.refines) return;
    const Refined refined =
        refine(model_, text, std::move(codes_), options_.refine, options_.sample,
               options_.symmetric.value_or(false) && share_of_zeros(model_) >= pruned_from);
    for (const auto& [name, q] : refined.codes) made_.insert_or_assign(name, packed(q));
    for (const auto& [name, values] : refined.others)
      made_.insert_or_assign(name, in_type(name, values, DType::f32));
  }

  // What no layer has had: of a method that needs none, all.
  Quantized finish() {
    for (const auto& [name, weight] : matrices_) {
      if (made_.contains(name) || stays(weight)) continue;
      if (const auto grid = grid_for(name)) {
        const std::vector<float> w = weight_values(model_, name);
        const CodedMatrix q = unseen(weight, w, *grid);
        check(name, w, q);
        if (corrections_.wanted()) {
          std::vector<float> values = q.values();
          corrections_.add(name, w, values, nullptr);
        }
        made_.insert_or_assign(name, packed(q));
      } else {
        made_.insert_or_assign(name, in_type(name, weight_values(model_, name), DType::bf16));
      }
    }
    const Model made = with_weights(model_, model_.impl().store.with_stored(std::move(made_)));
    return {corrections_.added_to(made), notes()};
  }

 private:
  void check(const std::string& name, std::span<const float> w, const CodedMatrix& q) {
    require_scales(name, q);
    if (const std::int64_t groups = vanished_groups(w, q); groups > 0) vanished_[name] = groups;
  }

  // A table in no codes is what it was.
  bool stays(const MatrixWeight& weight) const {
    return weight.table && options_.table_bits == 0 && options_.size_bytes == 0;
  }

  // Of a weight whose input nothing has been learned of.
  CodedMatrix unseen(const MatrixWeight& weight, std::span<const float> w, const Grid& grid) {
    if (!method_.learns)
      return method_.round(w, weight.rows, {.width = weight.columns}, grid, exec_.isa, pool_);
    CodedMatrix q = lines_of(w, weight.rows, weight.columns, grid,
                             weight.table ? LineSearch::least_error : LineSearch::whole_range, pool_);
    round_to_lines(w, q, pool_);
    return q;
  }

  std::optional<Grid> grid_for(const std::string& name) {
    const auto found = matrices_.find(name);
    if (found == matrices_.end()) return {};
    const MatrixWeight& weight = found->second;
    const int bits = bits_.at(name);
    if (bits == 0) return {};
    const auto grid = grid_of(bits, weight.columns, groups_of(options_));
    if (!grid)
      narrow_.insert(weight.columns);
    else if (type_in_programs(*grid, weight.columns) == DType::f32)
      expanded_.insert(grid->group);
    else if (options_.group > 0 && weight.columns % options_.group != 0)
      other_.insert({weight.columns, grid->group});
    return grid;
  }

  StoredWeight in_type(const std::string& name, std::span<const float> values, DType type) const {
    return weight_from(model_.impl().spec(name), values, type);
  }

  // AWQ: inputs that can be divided by scales, and what reads them multiplied.
  void scale_channels(const LayerMoments& layer,
                      std::map<std::string, std::shared_ptr<const Moments>>& moments, NewWeights& changed) {
    const auto current = [&](const std::string& name) -> std::vector<float>& {
      if (!changed.contains(name)) changed[name] = weight_values(model_, name);
      return changed[name];
    };
    for (const InputMaker& maker : input_makers(layer)) {
      std::optional<Grid> grid;
      bool all = true;
      for (const std::string& name : maker.products)
        all = all && (grid = grid_for(name)) && !matrices_.at(name).table;
      if (!all) continue;
      const Moments& m = *moments.at(maker.products.front());
      std::vector<std::span<const float>> weights;
      for (const std::string& name : maker.products) weights.push_back(current(name));
      const std::vector<float> s = channel_scales(m, weights, *grid, exec_.isa, pool_);
      const auto finer = std::make_shared<const Moments>(divided(m, s));
      for (const std::string& name : maker.products) {
        moments[name] = finer;
        multiply_columns(current(name), s);
      }
      for (const std::string& name : maker.divided) divide_rows(current(name), s, maker.offset);
      for (const std::string& name : maker.divided)
        if (!matrices_.contains(name)) made_.insert_or_assign(name, in_type(name, changed[name], DType::f32));
    }
  }
  // Of rows that the group does not divide.
  std::string note_of_rows(std::int64_t columns, std::int64_t group) const {
    const std::int64_t rest = columns % group;
    const std::string how = is_block(group)
                                ? fmt::format("groups of {} there{}", group,
                                              rest == 0 ? "" : ", the last one of each row filled up")
                            : rest == 0 ? "each is one group"
                                        : fmt::format("the last group of each has {}", rest);
    return fmt::format("rows of {} are no multiple of {}: {}", columns, options_.group, how);
  }

  std::vector<std::string> notes() const {
    std::vector<std::string> lines = corrections_.notes();
    if (method_.moves_minima && (options_.symmetric.value_or(false) || options_.bits == 8))
      lines.push_back(options_.method + " moves minima, and codes around zero have none: they are rtn's");
    for (const auto& [name, tree] : model_.impl().store.trees())
      if (tree->type.tensor_train) lines.push_back(name + " is kept as cores, which stay as they are");
    for (const auto& [name, groups] : vanished_)
      lines.push_back(fmt::format("{}: {} groups have become zero, for their scales lie below what f16 holds",
                                  name, groups));
    for (const auto& [columns, group] : other_) lines.push_back(note_of_rows(columns, group));
    if (!expanded_.empty())
      lines.push_back(
          fmt::format("groups of {}: products compute from codes in multiples of 32, and read these as f32",
                      fmt::join(expanded_, ", ")));
    for (const std::int64_t columns : narrow_)
      lines.push_back("rows of " + std::to_string(columns) +
                      " are no multiple of 32, as GGUF's are: these stay in bf16");
    if (std::ranges::all_of(matrices_, [&](const auto& m) { return narrow_.contains(m.second.columns); }))
      lines.emplace_back("so nothing is quantized: a folder has groups for rows of any width");
    return lines;
  }

  const Model& model_;
  const QuantizeOptions& options_;
  const Method& method_;
  ExecOptions exec_;
  ThreadPool pool_;
  std::map<std::string, int> bits_;  // of each matrix; 0: bf16
  Corrections corrections_;
  std::map<std::string, MatrixWeight> matrices_;
  std::map<std::string, StoredWeight> made_;
  CodedWeights codes_;  // that are to be refined
  std::set<std::pair<std::int64_t, std::int64_t>>
      other_;                                     // widths that the group does not divide, and groups
  std::map<std::string, std::int64_t> vanished_;  // groups that have become zero
  std::set<std::int64_t> expanded_;               // groups that no blocks are made of
  std::set<std::int64_t> narrow_;                 // widths that have none
};

}  // namespace

std::vector<std::string> quantize_methods() {
  std::vector<std::string> names;
  for (const Method& m : methods) names.emplace_back(m.name);
  return names;
}
bool widens_others(const QuantizeOptions& o) {
  const Method& method = method_named(o.method);
  return method.scales_channels || method.refines;
}
bool needs_text(const QuantizeOptions& o) {
  return method_named(o.method).learns || is_mix(o) || o.smooth > 0;
}

namespace {

Quantized quantized(const Model& model, const Text* text, const QuantizeOptions& o) {
  if (o.smooth > 0) {
    QuantizeOptions rest = o;
    rest.smooth = 0, rest.sample.kept.clear();  // what was measured is the given model's
    return quantized(smooth(model, *text, {o.smooth, o.sample}), text, rest);
  }
  Quantizing quantizing(model, o, is_mix(o) ? mixed_bits(model, *text, o) : same_bits(model, o));
  if (method_named(o.method).learns || (text && o.correction.rank > 0))
    calibrate(model, *text, o.sample, [&](const LayerMoments& layer) { return quantizing.layer(layer); });
  if (text) quantizing.refine_codes(*text);
  return quantizing.finish();
}

// The share of zeros for whose sake codes are around zero; 0: they are as was asked, or need not be.
double zeros_kept(const Model& model, const QuantizeOptions& o) {
  if (o.symmetric || (o.bits == 8 && o.size_bytes == 0)) return 0;
  const double share = share_of_zeros(model);
  return share >= pruned_from ? share : 0;
}

}  // namespace

Quantized quantize(const Model& model, const Text* text, const QuantizeOptions& given) {
  const FloatModeGuard guard;
  check(model, text, given);
  QuantizeOptions o = given;
  const double zeros = zeros_kept(model, o);
  if (zeros > 0) o.symmetric = true;
  Quantized done = quantized(model, text, o);
  if (zeros > 0)
    done.notes.push_back(
        fmt::format("{:.1f} % of the products' weights are zero, and stay so: codes are around zero "
                    "(--symmetric)",
                    100 * zeros));
  return done;
}

WorkMemory quantize_memory(const Model& model, const Text* text, const QuantizeOptions& o) {
  const FloatModeGuard guard;
  check(model, text, o);
  return quantize_work(model, text, o);
}

}  // namespace hone
