#include <algorithm>
#include <optional>

#include "kernel/element.hpp"
#include "op/ops.hpp"
#include "pass/passes.hpp"

namespace hone {
namespace {

// The nodes that touch the logits of one loss. Backward's are missing in a program that only evaluates;
// `keep` is there where the caller asked for the logits.
struct Head {
  std::size_t product, loss;
  std::optional<std::size_t> keep, loss_gradient, input_gradient, weight_gradient;
};

bool reads(const Node& node, TensorId id) {
  return std::find(node.inputs.begin(), node.inputs.end(), id) != node.inputs.end();
}

// The head whose loss is node n, or none where something else needs its logits whole.
std::optional<Head> head_of(const Program& p, std::size_t n) {
  Head head{.product = p.nodes.size(), .loss = n};
  const TensorId logits = p.nodes[n].inputs[0];
  if (std::find(p.outputs.begin(), p.outputs.end(), logits) != p.outputs.end()) return {};
  TensorId d_logits;
  for (std::size_t m = 0; m < p.nodes.size(); ++m) {
    const Node& node = p.nodes[m];
    if (node.op == &op::linear && node.outputs[0] == logits) {
      head.product = m;
    } else if (node.op == &op::keep && node.inputs[0] == logits && !head.keep) {
      head.keep = m;
    } else if (node.op == &op::cross_entropy_gradient && node.inputs[0] == logits) {
      head.loss_gradient = m;
      d_logits = node.outputs[0];
    } else if (m != n && reads(node, logits)) {
      return {};
    }
    if (!d_logits || node.inputs.empty() || node.inputs[0] != d_logits) continue;
    if (node.op == &op::linear_input_gradient) head.input_gradient = m;
    if (node.op == &op::linear_weight_gradient) head.weight_gradient = m;
  }
  if (head.product == p.nodes.size()) return {};
  return head;
}

std::optional<Head> find_head(const Program& p) {
  for (std::size_t n = 0; n < p.nodes.size(); ++n)
    if (p.nodes[n].op == &op::cross_entropy)
      if (const auto head = head_of(p, n)) return head;
  return {};
}

class Chunker {
 public:
  Chunker(Program& p, const Head& head, std::int64_t rows) : p_(p), head_(head) {
    const Shape& x = p[p.nodes[head.product].inputs[0]].type.shape;
    positions_ = x[x.rank() - 2];
    sequences_ = x.rows() / positions_;
    step_ = std::min(positions_,
                     kernel::piece_positions);  // of one sequence; a smaller part would split a sum's leaf
    together_ = std::max<std::int64_t>(1, positions_ == step_ ? rows / positions_ : 1);  // whole sequences
  }

  void run() {
    const std::vector<Node> old = std::move(p_.nodes);
    p_.nodes.clear();
    for (std::size_t n = 0; n < old.size(); ++n) {
      if (n == head_.loss) write_chunks(old);
      if (n != head_.product && n != head_.keep && n != head_.loss && n != head_.loss_gradient &&
          n != head_.input_gradient && n != head_.weight_gradient)
        p_.nodes.push_back(old[n]);
    }
  }

 private:
  // Rows [first, first + count) of a tensor over [sequences, positions, ...], as a view of some sequences.
  TensorId rows(TensorId of, std::int64_t first, std::int64_t sequences, std::int64_t positions) {
    const TensorDef t = p_[of];
    const bool wide = t.type.shape.rank() == 3;
    const std::int64_t width = wide ? t.type.shape.last() : 1;
    Shape shape{sequences, positions};
    if (wide) shape.push_back(width);
    return add_view(p_, of, shape, contiguous_strides(shape), first * width,
                    t.name + "+" + std::to_string(first));
  }
  // Makes `made` a part of `whole` instead of a tensor of its own.
  void place(TensorId made, TensorId whole, std::int64_t first) {
    TensorDef& t = p_[made];
    t.alias = Alias::view;
    t.base = p_.root(whole);
    t.offset = p_[whole].offset + first * (t.type.shape.rank() == 3 ? t.type.shape.last() : 1);
  }

  void write_chunks(const std::vector<Node>& old) {
    if (head_.weight_gradient) sum_ = old[*head_.weight_gradient].inputs[2];
    if (head_.keep) kept_ = old[*head_.keep].inputs[1];
    for (std::int64_t b = 0; b < sequences_; b += together_) {
      const std::int64_t sequences = std::min(together_, sequences_ - b);
      for (std::int64_t t = 0; t < positions_; t += step_)
        write_chunk(old, b * positions_ + t, sequences, std::min(step_, positions_ - t));
    }
    if (!head_.weight_gradient) return;  // whoever reads the sum reads the last of its versions
    const TensorId last = old[*head_.weight_gradient].outputs[0];
    p_.nodes.back().outputs[0] = last;
    p_[last].previous = p_.nodes.back().inputs[2];
  }

  void write_chunk(const std::vector<Node>& old, std::int64_t first, std::int64_t sequences,
                   std::int64_t positions) {
    const Node &product = old[head_.product], &loss = old[head_.loss];
    auto inputs = product.inputs;
    inputs[0] = rows(product.inputs[0], first, sequences, positions);
    const TensorId logits = emit(p_, *product.op, inputs, product.attributes, product.name)[0];
    if (head_.keep) {
      const Node& node = old[*head_.keep];
      kept_ = emit(p_, *node.op, {logits, kept_, node.inputs[2]}, op::KeepAttributes{.first = first},
                   node.name)[0];
    }
    const TensorId labels = rows(loss.inputs[1], first, sequences, positions);
    const auto losses = emit(p_, *loss.op, {logits, labels, loss.inputs[2]}, loss.attributes, loss.name);
    place(losses[0], loss.outputs[0], first);
    if (!head_.loss_gradient) return;
    const TensorId d_logits =
        emit(p_, op::cross_entropy_gradient, {logits, labels, losses[1], loss.inputs[2]}, {}, loss.name)[0];
    if (head_.input_gradient) {
      const Node& node = old[*head_.input_gradient];
      const TensorId dx = emit(p_, *node.op, {d_logits, node.inputs[1]}, node.attributes, node.name)[0];
      place(dx, node.outputs[0], first);
    }
    if (head_.weight_gradient) {
      const Node& node = old[*head_.weight_gradient];
      auto attributes = node.attributes.as<op::SumAttributes>();
      attributes.begun = attributes.begun || first > 0;
      sum_ = emit(p_, *node.op, {d_logits, inputs[0], sum_, node.inputs[3]}, attributes, node.name)[0];
    }
  }

  Program& p_;
  const Head head_;
  std::int64_t sequences_, positions_, step_, together_;
  TensorId sum_, kept_;
};

}  // namespace

void chunk_loss(Program& p, const ChunkOptions& options) {
  const auto head = find_head(p);
  if (!head) return;
  const Node& product = p.nodes[head->product];
  const bool bias = product.attributes.as<op::LinearAttributes>().bias;
  const bool whole = p[product.outputs[0]].type.bytes() <= options.above_bytes;
  if (bias || whole || !p.contiguous(product.inputs[0])) return;
  Chunker(p, *head, options.rows).run();
}

}  // namespace hone
