#include <algorithm>
#include <map>
#include <optional>

#include "ir/rewrite.hpp"
#include "kernel/element.hpp"
#include "op/ops.hpp"
#include "pass/passes.hpp"

namespace hone {
namespace {

using Product = op::LinearInputs;
using InputGradient = op::LinearInputGradientInputs;
using Keep = op::KeepInputs;

// The nodes that touch the logits of one loss, or of what else is of logits. Backward's are missing in a
// program that only evaluates; `keep` is there where the caller asked for the logits, `hit` where it asked
// what they predict, `cap` where the model limits them softly.
struct Head {
  std::size_t product, loss;
  std::optional<std::size_t> cap, keep, hit, loss_gradient, cap_gradient, input_gradient;
  std::vector<std::size_t> sums;  // gradients of the weight and of the bias
};

std::size_t place(const Node& node, const char* input) { return *node.op->find_input(input); }

// The product that the loss of node n is of, maybe through a soft limit; none where it is another node's.
std::optional<Head> product_of(const Rewrite& edit, std::size_t n) {
  TensorId logits = edit[n].inputs[0];
  auto maker = edit.maker(logits);
  std::optional<std::size_t> cap;
  if (maker && edit[*maker].op == &op::softcap && edit.readers(edit[*maker].inputs[0]).size() == 1) {
    cap = maker;
    logits = edit[*cap].inputs[0];
    maker = edit.maker(logits);
  }
  if (!maker || edit[*maker].op != &op::linear || edit[*maker].outputs[0] != logits) return {};
  return Head{.product = *maker, .loss = n, .cap = cap};
}

bool reads_an_output(const Node& reader, const Node& of) {
  return std::ranges::any_of(of.outputs, [&](TensorId made) {
    return std::ranges::find(reader.inputs, made) != reader.inputs.end();
  });
}

// The head whose loss is node n, or none where something else needs its logits whole.
std::optional<Head> head_of(const Rewrite& edit, std::size_t n) {
  const TensorId logits = edit[n].inputs[0];
  auto found = product_of(edit, n);
  if (!found) return {};
  Head& head = *found;
  for (const std::size_t m : edit.readers(logits)) {
    if (m == n) continue;
    if (m == edit.size()) return {};  // an output of the program
    const OpRecord* op = edit[m].op;
    if (op == &op::keep && !head.keep)
      head.keep = m;
    else if (op == &op::hit && !head.hit)
      head.hit = m;
    else if (reads_an_output(edit[m], edit[n]) && !head.loss_gradient)
      head.loss_gradient = m;
    else if (op == &op::softcap_gradient && head.cap)
      head.cap_gradient = m;
    else
      return {};
  }
  if (!head.loss_gradient) return found;
  TensorId d_logits = edit[*head.loss_gradient].outputs[0];
  if (head.cap_gradient) {
    if (edit.readers(d_logits) != std::vector{*head.cap_gradient}) return {};
    d_logits = edit[*head.cap_gradient].outputs[0];
  }
  for (const std::size_t m : edit.readers(d_logits)) {
    if (m == edit.size()) return {};
    const OpRecord* op = edit[m].op;
    if (op == &op::linear_input_gradient)
      head.input_gradient = m;
    else if (op == &op::linear_weight_gradient || op == &op::column_sum)
      head.sums.push_back(m);
    else
      return {};
  }
  return found;
}

class Chunker {
 public:
  Chunker(Program& p, Rewrite& edit, const Head& head, std::int64_t rows) : p_(p), edit_(edit), head_(head) {
    const Shape& x = p[edit[head.product].inputs[Product::x]].type.shape;
    sequences_ = x[0];
    positions_ = x[1];
    step_ = std::min(positions_,
                     kernel::piece_positions);  // of one sequence; a smaller part would split a sum's leaf
    together_ = std::max<std::int64_t>(1, positions_ == step_ ? rows / positions_ : 1);  // whole sequences
  }

  void run() {
    for (const std::size_t n : head_.sums) sums_.push_back(edit_[n].inputs[place(edit_[n], "sum")]);
    if (head_.keep) kept_ = edit_[*head_.keep].inputs[Keep::kept];
    for (std::int64_t b = 0; b < sequences_; b += together_) {
      const std::int64_t sequences = std::min(together_, sequences_ - b);
      for (std::int64_t t = 0; t < positions_; t += step_)
        write_chunk(b * positions_ + t, sequences, std::min(step_, positions_ - t));
    }
    for (const auto& n : {std::optional(head_.product), head_.cap, std::optional(head_.loss), head_.keep,
                          head_.hit, head_.loss_gradient, head_.cap_gradient, head_.input_gradient})
      if (n) edit_.remove(*n);
    for (const std::size_t n : head_.sums) edit_.remove(n);
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
  void put(TensorId made, TensorId whole, std::int64_t first) {
    TensorDef& t = p_[made];
    t.alias = Alias::view;
    t.base = p_.root(whole);
    t.offset = p_[whole].offset + first * (t.type.shape.rank() == 3 ? t.type.shape.last() : 1);
  }

  TensorId write(const Node& like, std::vector<TensorId> inputs, const Attributes& attributes) {
    return edit_.insert_like(head_.loss, like, std::move(inputs), attributes)[0];
  }

  // What a node of the whole reads, as this chunk has it: what the chunk made, rows of what comes from
  // elsewhere, scalars as they are.
  std::vector<TensorId> inputs_of(const Node& node, std::int64_t first, std::int64_t sequences,
                                  std::int64_t positions) {
    std::vector<TensorId> inputs = node.inputs;
    for (TensorId& input : inputs) {
      const auto [piece, is_new] = pieces_.try_emplace(input.value, input);
      if (is_new && p_[input].type.shape.rank() >= 2)
        piece->second = rows(input, first, sequences, positions);
      input = piece->second;
    }
    return inputs;
  }
  // Is it read by others than backward's node of this loss?
  bool wanted_whole(TensorId made) const {
    return std::ranges::any_of(edit_.readers(made), [&](std::size_t m) { return m != head_.loss_gradient; });
  }

  void write_chunk(std::int64_t first, std::int64_t sequences, std::int64_t positions) {
    const Node product = edit_[head_.product], loss = edit_[head_.loss];
    auto inputs = product.inputs;
    const TensorId x = rows(inputs[Product::x], first, sequences, positions);
    inputs[Product::x] = x;
    TensorId logits = write(product, inputs, product.attributes);
    if (head_.cap) {
      const Node node = edit_[*head_.cap];
      logits = write(node, {logits}, node.attributes);
    }
    if (head_.keep) {
      const Node& node = edit_[*head_.keep];
      kept_ = write(node, {logits, kept_, node.inputs[Keep::step]}, op::KeepAttributes{.first = first});
    }
    pieces_ = {{loss.inputs[0].value, logits}};
    const auto made =
        edit_.insert_like(head_.loss, loss, inputs_of(loss, first, sequences, positions), loss.attributes);
    for (std::size_t i = 0; i < made.size(); ++i) {
      pieces_[loss.outputs[i].value] = made[i];
      if (wanted_whole(loss.outputs[i])) put(made[i], loss.outputs[i], first);
    }
    if (head_.hit) {
      const Node node = edit_[*head_.hit];
      put(write(node, inputs_of(node, first, sequences, positions), node.attributes), node.outputs[0], first);
    }
    if (head_.loss_gradient) write_gradients(logits, x, first, sequences, positions);
  }

  void write_gradients(TensorId logits, TensorId x, std::int64_t first, std::int64_t sequences,
                       std::int64_t positions) {
    const Node loss_gradient = edit_[*head_.loss_gradient];
    TensorId d_logits =
        write(loss_gradient, inputs_of(loss_gradient, first, sequences, positions), loss_gradient.attributes);
    if (head_.cap_gradient) {
      const Node node = edit_[*head_.cap_gradient];
      d_logits = write(node, {d_logits, logits}, node.attributes);
    }
    if (head_.input_gradient) {
      const Node node = edit_[*head_.input_gradient];
      auto inputs = node.inputs;
      inputs[InputGradient::dy] = d_logits;
      TensorId& pre = inputs[InputGradient::pre];  // where an activation stands in front of the head
      const Shape chunk = p_[x].type.shape;
      if (pre) pre = rows(pre, first, chunk[0], chunk[1]);
      const TensorId dx = write(node, inputs, node.attributes);
      put(dx, node.outputs[0], first);
    }
    for (std::size_t i = 0; i < head_.sums.size(); ++i) add_to_sum(i, d_logits, x, first);
  }

  // Whoever reads a sum reads the last of its versions.
  void add_to_sum(std::size_t i, TensorId d_logits, TensorId x, std::int64_t first) {
    const Node node = edit_[head_.sums[i]];
    const std::size_t sum = place(node, "sum");
    Attributes attributes = node.attributes;
    if (first > 0) node.op->continue_sums(attributes);
    auto inputs = node.inputs;
    inputs[place(node, "dy")] = d_logits;
    inputs[sum] = sums_[i];
    if (const auto of = node.op->find_input("x")) inputs[*of] = x;
    sums_[i] = write(node, inputs, attributes);
    const std::int64_t rows = p_[x].type.shape.rows();
    if (first + rows < sequences_ * positions_) return;
    Node& last = edit_.inserted();
    last.outputs[0] = node.outputs[0];
    p_[node.outputs[0]].previous = last.inputs[sum];
  }

  Program& p_;
  Rewrite& edit_;
  const Head head_;
  std::int64_t sequences_, positions_, step_, together_;
  std::vector<TensorId> sums_;  // so far
  TensorId kept_;
  std::map<std::int32_t, TensorId> pieces_;  // of this chunk, by what they are pieces of
};

bool worth_it(const Program& p, const Node& product, const ChunkOptions& options) {
  const TensorType& logits = p[product.outputs[0]].type;
  return logits.shape.rank() == 3 && logits.bytes() > options.above_bytes &&
         p.contiguous(product.inputs[Product::x]);
}

}  // namespace

void chunk_loss(Program& p, const ChunkOptions& options) {
  Rewrite edit(p);
  for (std::size_t n = 0; n < edit.size(); ++n) {
    if (!edit[n].op->of_logits) continue;
    const auto head = head_of(edit, n);
    if (head && worth_it(p, edit[head->product], options)) Chunker(p, edit, *head, options.rows).run();
  }
  edit.finish();
}

}  // namespace hone
