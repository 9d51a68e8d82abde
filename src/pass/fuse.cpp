#include "ir/rewrite.hpp"
#include "op/ops.hpp"
#include "pass/passes.hpp"

namespace hone {
namespace {

class Fuser {
 public:
  explicit Fuser(Program& p) : p_(p), edit_(p) {}

  void run() {
    for (std::size_t n = 0; n < edit_.size(); ++n) {
      if (edit_.removed(n)) continue;
      narrow_inputs(n);
      fold_cast(n);
      join_activation(n);
      join_addend(n);
      join_slope(n);
    }
    edit_.finish();
  }

 private:
  static std::size_t place(int input) { return static_cast<std::size_t>(input); }

  // Who takes a narrow type as if it had been widened reads that itself.
  void narrow_inputs(std::size_t n) {
    for (std::size_t i = 0; i < edit_[n].op->inputs.size(); ++i) {
      if (!edit_[n].op->inputs[i].widens) continue;
      const TensorId wide = edit_[n].inputs[i];
      const auto cast = wide ? edit_.maker(wide) : std::nullopt;
      if (!cast || edit_[*cast].op != &op::cast || edit_.only_reader(wide, *edit_[n].op) != n) continue;
      const TensorId narrow = edit_[*cast].inputs[0];
      if (p_[narrow].type.dtype == DType::f32 || !p_.contiguous(narrow)) continue;
      edit_.take_input(n, i, narrow, *cast);
      edit_.remove(*cast);
    }
  }

  void fold_cast(std::size_t n) {
    Node& node = edit_[n];
    if (!node.op->foldable_cast) return;
    const auto cast = edit_.only_reader(node.outputs[0], op::cast);
    if (!cast) return;
    node.op->set_type(node.attributes, p_[edit_[*cast].outputs[0]].type.dtype);
    edit_.take_output(n, *cast, 0);
  }

  void join_activation(std::size_t n) {
    Node& node = edit_[n];
    const Fusion& fusion = node.op->fusion;
    if (!fusion.activate || fusion.slope_of >= 0 || !p_.contiguous(node.outputs[0])) return;
    for (const std::size_t reader : edit_.readers(node.outputs[0])) {
      if (reader >= edit_.size() || edit_[reader].op != &op::activation || edit_.removed(reader)) continue;
      if (fusion.activate(node, edit_[reader].attributes)) edit_.take_output(n, reader, 1);
      return;
    }
  }

  // A sum with the node's only output becomes part of the node, where the op takes an addend.
  void join_addend(std::size_t n) {
    Node& node = edit_[n];
    const int addend = node.op->fusion.addend;
    const bool activated =
        node.op->fusion.activate && node.outputs.size() > 1;  // what it activates has no addend
    if (addend < 0 || node.inputs[place(addend)] || activated) return;
    const auto add = edit_.only_reader(node.outputs[0], op::add);
    if (!add || !plain_f32(edit_[*add].outputs[0])) return;
    const auto& terms = edit_[*add].inputs;
    const TensorId other = terms[0] == node.outputs[0] ? terms[1] : terms[0];
    if (!plain_f32(other) || !edit_.there_before(other, n)) return;
    edit_.take_input(n, place(addend), other, *add);
    edit_.take_output(n, *add, 0);
  }

  void join_slope(std::size_t n) {
    Node& node = edit_[n];
    const Fusion& fusion = node.op->fusion;
    if (fusion.slope_of < 0) return;
    const auto slope = edit_.only_reader(node.outputs[0], op::activation_gradient);
    if (!slope || edit_[*slope].inputs[0] != node.outputs[0]) return;
    const TensorId pre = edit_[*slope].inputs[1];
    if (!p_.contiguous(pre) || !p_.contiguous(edit_[*slope].outputs[0])) return;
    if (!fusion.activate(node, edit_[*slope].attributes)) return;
    edit_.take_input(n, place(fusion.slope_of), pre, *slope);
    edit_.take_output(n, *slope, 0);
  }

  bool plain_f32(TensorId id) const { return p_[id].type.dtype == DType::f32 && p_.contiguous(id); }

  Program& p_;
  Rewrite edit_;
};

}  // namespace

void fuse(Program& program) { Fuser(program).run(); }

}  // namespace hone
