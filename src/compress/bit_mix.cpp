#include "compress/bit_mix.hpp"

#include <array>
#include <cmath>
#include <numeric>

#include "compress/calibrate.hpp"
#include "compress/coded_weights.hpp"
#include "compress/weight_values.hpp"
#include "exec/job.hpp"
#include "model/gguf_weights.hpp"
#include "model/model_impl.hpp"
#include "model/model_output.hpp"

namespace hone {
namespace {

constexpr std::array all_bits{2, 3, 4, 8};

struct Candidate {
  int bits;
  Grid grid;
  std::int64_t bytes;  // in the file
  double error;        // relative, squared
};
struct Choices {
  bool table = false;
  std::int64_t elements = 0;
  std::vector<Candidate> candidates{};  // by bits
  std::size_t chosen = 0;
  // What a relative error counts: as much as there are numbers, or small matrices got all the bytes and large
  // ones two bits (SmolLM2 in 80 MB: perplexity 45.5 by errors alone); twice in a table, which is mostly the
  // head too.
  double weight() const { return static_cast<double>(elements) * (table ? 2 : 1); }
};

class Mixing {
 public:
  Mixing(const Model& model, const QuantizeOptions& o)
      : model_(model),
        options_(o),
        exec_(exec_options(o.sample.threads, o.sample.isa)),
        pool_(exec_.threads) {
    for (MatrixWeight& weight : matrices_of(model)) matrices_.emplace(weight.name, weight);
  }

  void look_at(const LayerMoments& layer) {
    for (const auto& [name, m] : layer.inputs) {
      const auto found = matrices_.find(name);
      if (found == matrices_.end()) continue;
      if (has_codes(found->second)) measure(found->second, m->squares());
    }
  }
  // A table that no product reads has only its own values to go by.
  void look_at_the_rest() {
    for (const auto& [name, weight] : matrices_) {
      if (choices_.contains(name)) continue;
      if (has_codes(weight)) measure(weight, std::vector<float>(static_cast<std::size_t>(weight.columns), 1));
    }
  }

  std::map<std::string, int> bits() {
    fix_tables();
    while (grow()) {
    }
    std::map<std::string, int> all;
    for (const auto& [name, weight] : matrices_)
      all[name] = choices_.contains(name) ? choices_[name].candidates[choices_[name].chosen].bits : 0;
    return all;
  }

 private:
  bool has_codes(const MatrixWeight& weight) const {
    return grid_of(fewest_bits(options_), weight.columns, groups_of(options_)).has_value();
  }
  void measure(const MatrixWeight& weight, std::span<const float> h) {
    const std::vector<float> w = weight_values(model_, weight.name);
    Choices& c = choices_[weight.name];
    c.table = weight.table, c.elements = weight.rows * weight.columns;
    for (const int bits : all_bits) {
      if (bits < fewest_bits(options_)) continue;
      const Grid grid = *grid_of(bits, weight.columns, groups_of(options_));
      const CodedMatrix q = round_to_nearest(w, weight.rows, weight.columns, grid, pool_);
      c.candidates.push_back({bits, grid, bytes_in_file(weight, grid), relative_error(w, q.values(), h)});
    }
  }

  // GGUF has a scale for each 32 of a row.
  std::int64_t bytes_in_file(const MatrixWeight& weight, const Grid& grid) const {
    if (!options_.whole_groups) return coded_bytes(weight, grid);
    const DType type = gguf_type_for(type_in_programs(grid, weight.columns), weight.name);
    return TensorType{{weight.rows, weight.columns}, type}.bytes();
  }

  bool by_size() const { return options_.size_bytes > 0; }
  // Without a size, tables have what is asked for them, and no part in the mix.
  void fix_tables() {
    if (by_size()) {
      least_bytes_ = file_bytes_of_least();
      if (least_bytes_ > options_.size_bytes)
        throw Error(ErrorKind::budget, {.what = "no mix of bits makes the model's files so small",
                                        .where = "size",
                                        .expected = "at least " + std::to_string(least_bytes_) + " bytes",
                                        .found = std::to_string(options_.size_bytes)});
      return;
    }
    for (auto& [name, c] : choices_)
      if (c.table)
        for (std::size_t i = 0; i < c.candidates.size(); ++i)
          if (c.candidates[i].bits == options_.table_bits) c.chosen = i;
  }

  // Of the model in the fewest bits: types alone, without values.
  std::int64_t file_bytes_of_least() const {
    std::map<std::string, StoredWeight> types;
    for (const auto& [name, weight] : matrices_)
      types[name] = choices_.contains(name)
                        ? without_values(weight, choices_.at(name).candidates[0].grid)
                        : StoredWeight{.type = {{weight.rows, weight.columns}, DType::bf16}};
    if (widens_others(options_))
      for (const ParameterSpec& spec : model_.impl().specs)
        if (!types.contains(spec.name) && spec.shape.rank() < 2)
          types[spec.name] = {.type = {spec.shape, DType::f32}};
    const Model least = with_weights(model_, model_.impl().store.with_stored(std::move(types)));
    return options_.file_bytes ? options_.file_bytes(least) : model_file_bytes(least, "", false);
  }

  // More bits may align a GGUF file's tensors otherwise, and have more digits in a folder's headers: in two
  // offsets and a shape.
  std::int64_t bytes() const {
    std::int64_t more = 0;
    for (const auto& [name, c] : choices_) more += c.candidates[c.chosen].bytes - c.candidates[0].bytes;
    const std::int64_t a_tensor = options_.whole_groups ? 31 : 3;
    return least_bytes_ + more + (more > 0 ? a_tensor * std::ssize(model_.impl().specs) + 8 : 0);
  }
  double product_bits() const {
    std::int64_t bits = 0, elements = 0;
    for (const auto& [name, c] : choices_)
      if (!c.table) bits += c.candidates[c.chosen].bits * c.elements, elements += c.elements;
    return static_cast<double>(bits) / static_cast<double>(std::max<std::int64_t>(1, elements));
  }
  bool fits() const {
    return by_size() ? bytes() <= options_.size_bytes : product_bits() <= options_.bits + 1e-9;
  }

  // More bits for the one that gains most a byte, of those where that still fits.
  bool grow() {
    Choices* best = nullptr;
    double most = 0;
    for (auto& [name, c] : choices_) {
      if ((c.table && !by_size()) || c.chosen + 1 == c.candidates.size()) continue;
      const Candidate &now = c.candidates[c.chosen], &next = c.candidates[c.chosen + 1];
      const double gain = c.weight() * (now.error - next.error) / static_cast<double>(next.bytes - now.bytes);
      ++c.chosen;
      if (fits() && gain > most) most = gain, best = &c;
      --c.chosen;
    }
    if (best) ++best->chosen;
    return best != nullptr;
  }

  const Model& model_;
  const QuantizeOptions& options_;
  ExecOptions exec_;
  ThreadPool pool_;
  std::map<std::string, MatrixWeight> matrices_;
  std::map<std::string, Choices> choices_;
  std::int64_t least_bytes_ = 0;  // of the files, in the fewest bits
};

}  // namespace

bool is_mix(const QuantizeOptions& o) {
  return o.size_bytes > 0 || (o.bits != 2 && o.bits != 3 && o.bits != 4 && o.bits != 8);
}

std::map<std::string, int> same_bits(const Model& model, const QuantizeOptions& o) {
  std::map<std::string, int> all;
  for (const MatrixWeight& weight : matrices_of(model))
    all[weight.name] = weight.table ? o.table_bits : static_cast<int>(o.bits);
  return all;
}

std::map<std::string, int> mixed_bits(const Model& model, const Text& text, const QuantizeOptions& o) {
  Mixing mixing(model, o);
  calibrate(model, text, o.sample, [&](const LayerMoments& layer) {
    mixing.look_at(layer);
    return NewWeights{};
  });
  mixing.look_at_the_rest();
  return mixing.bits();
}

}  // namespace hone
