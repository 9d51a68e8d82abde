// Tables that are kept as tensor trains, read by their cores.
#include <algorithm>
#include <map>

#include "ir/rewrite.hpp"
#include "op/ops.hpp"
#include "pass/passes.hpp"

namespace hone {
namespace {

class Reading {
 public:
  Reading(Program& program, const CoreIndices& tables) : p_(program), edit_(program), tables_(tables) {}

  void run() {
    for (const auto& [name, train] : tables_) {
      const TensorId table = p_.find(name);
      if (!table || p_[table].role != Role::parameter || !takes_cores(table, train)) continue;
      const std::vector<TensorId> cores = parameters(table, train);
      for (std::size_t n = 0; n < edit_.size(); ++n)
        if (reads(edit_[n], table)) read_cores(n, train, cores);
    }
    edit_.finish();
  }

 private:
  static bool reads(const Node& node, TensorId table) {
    return std::ranges::find(node.inputs, table) != node.inputs.end();
  }

  // A product by a table of low rank is two small ones; by other cores it would take many times the
  // operations of the expanded table's, which is in memory then, for whoever takes rows of it too.
  bool takes_cores(TensorId table, const CoreIndex& train) const {
    if (edit_.viewed(table)) return false;
    return std::ranges::all_of(edit_.readers(table), [&](std::size_t n) {
      if (n >= edit_.size()) return false;
      const Node& node = edit_[n];
      if (node.op == &op::embedding) return true;
      return node.op == &op::linear && train.is_low_rank() &&
             node.inputs[op::LinearInputs::weight] == table &&
             !node.attributes.as<op::LinearAttributes>().rows;
    });
  }

  std::vector<TensorId> parameters(TensorId table, const CoreIndex& train) {
    const std::string source = p_[table].name;
    std::vector<TensorId> cores;
    for (const Shape& core : train.cores) {
      const Shape factor = cores.empty() ? Shape{core[0], core[3]} : Shape{core[1], core[2]};
      cores.push_back(add_parameter(p_, {.name = source + "." + core_name(cores.size()),
                                         .shape = train.is_low_rank() ? factor : core,
                                         .trained = false}));
    }
    return cores;
  }

  void read_cores(std::size_t n, const CoreIndex& train, const std::vector<TensorId>& cores) {
    if (edit_[n].op == &op::embedding) {
      std::vector<TensorId> inputs{edit_[n].inputs[op::EmbeddingInputs::ids]};
      inputs.insert(inputs.end(), cores.begin(), cores.end());
      inputs.resize(op::core_embedding.inputs.size());
      edit_[n].op = &op::core_embedding;
      edit_[n].inputs = std::move(inputs);
      edit_[n].attributes = op::CoreEmbeddingAttributes{train.dtype};
      return;
    }
    const std::string name = edit_[n].name + "." + core_name(1), scope = edit_[n].scope;
    const TensorId low = edit_.insert(n, op::linear, {edit_[n].inputs[op::LinearInputs::x], cores[1]},
                                      op::LinearAttributes{}, name)[0];
    edit_.inserted().scope = scope;
    edit_[n].inputs[op::LinearInputs::x] = low;
    edit_[n].inputs[op::LinearInputs::weight] = cores[0];
  }

  Program& p_;
  Rewrite edit_;
  const CoreIndices& tables_;
};

}  // namespace

void table_cores(Program& program, const CoreIndices& tables) { Reading(program, tables).run(); }

}  // namespace hone
