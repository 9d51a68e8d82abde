#include "ir/rewrite.hpp"

#include <algorithm>
#include <utility>

namespace hone {

Rewrite::Rewrite(Program& p)
    : p_(p),
      maker_(p.tensors.size(), -1),
      readers_(p.tensors.size()),
      viewed_(p.tensors.size(), false),
      removed_(p.nodes.size(), false) {
  for (std::size_t n = 0; n < p.nodes.size(); ++n) {
    for (const TensorId id : p.nodes[n].outputs) maker_[index(id)] = static_cast<std::int32_t>(n);
    for (const TensorId id : p.nodes[n].inputs)
      if (id) readers_[index(id)].push_back(n);
  }
  for (const Output& output : p.outputs) readers_[index(output.id)].push_back(p.nodes.size());
  for (const TensorDef& t : p.tensors)
    if (t.alias == Alias::view) viewed_[index(t.base)] = true;
}

std::optional<std::size_t> Rewrite::maker(TensorId id) const {
  if (maker_[index(id)] < 0) return {};
  return static_cast<std::size_t>(maker_[index(id)]);
}

std::optional<std::size_t> Rewrite::only_reader(TensorId id, const OpRecord& op) const {
  const auto& readers = readers_[index(id)];
  if (readers.size() != 1 || viewed_[index(id)] || p_[id].alias != Alias::none) return {};
  if (readers[0] >= size() || p_.nodes[readers[0]].op != &op) return {};
  return readers[0];
}

bool Rewrite::there_before(TensorId id, std::size_t n) const {
  const TensorDef& t = p_[id];
  if (t.alias == Alias::view) return there_before(t.base, n);
  const auto made = maker(id);
  return t.role != Role::activation || (made && *made < n);
}

void Rewrite::take_output(std::size_t n, std::size_t from, std::size_t at) {
  Node& node = p_.nodes[n];
  node.outputs.resize(std::max(node.outputs.size(), at + 1));
  node.outputs[at] = p_.nodes[from].outputs[0];
  maker_[index(node.outputs[at])] = static_cast<std::int32_t>(n);
  remove(from);
}

void Rewrite::take_input(std::size_t n, std::size_t at, TensorId id, std::size_t from) {
  p_.nodes[n].inputs[at] = id;
  for (std::size_t& reader : readers_[index(id)])
    if (reader == from) reader = n;
}

std::vector<TensorId> Rewrite::insert(std::size_t n, const OpRecord& op, std::vector<TensorId> inputs,
                                      const Attributes& attributes, const std::string& name) {
  auto outputs = emit(p_, op, std::move(inputs), attributes, name);
  inserted_.push_back({n, std::move(p_.nodes.back())});
  p_.nodes.pop_back();
  return outputs;
}

std::vector<TensorId> Rewrite::insert_like(std::size_t n, const Node& like, std::vector<TensorId> inputs,
                                           const Attributes& attributes) {
  const std::string scope = like.scope;
  const bool backward = like.backward;
  auto outputs = insert(n, *like.op, std::move(inputs), attributes, like.name);
  inserted().scope = scope;
  inserted().backward = backward;
  return outputs;
}

void Rewrite::finish() {
  std::stable_sort(inserted_.begin(), inserted_.end(),
                   [](const Inserted& a, const Inserted& b) { return a.before < b.before; });
  std::vector<Node> nodes;
  auto next = inserted_.begin();
  for (std::size_t n = 0; n <= size(); ++n) {
    for (; next != inserted_.end() && next->before == n; ++next) nodes.push_back(std::move(next->node));
    if (n < size() && !removed_[n]) nodes.push_back(std::move(p_.nodes[n]));
  }
  p_.nodes = std::move(nodes);
}

TensorId Copy::mapped(TensorId id) {
  if (!id) return id;
  TensorId& there = map_[static_cast<std::size_t>(id.value)];
  if (there) return there;
  const TensorDef& t = source_[id];
  if (t.alias == Alias::view) {
    const TensorId base = mapped(t.base);
    there = add_view(made_, base, t.type.shape, t.strides, t.offset - made_[base].offset, t.name);
  } else {
    there = made_.add(t);
  }
  return there;
}

void Copy::write(const Node& node, const std::vector<TensorId>& inputs, const Attributes& attributes) {
  const auto outputs = emit(made_, *node.op, inputs, attributes, node.name, node.phase);
  made_.nodes.back().scope = node.scope;
  made_.nodes.back().backward = node.backward;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    map_[static_cast<std::size_t>(node.outputs[i].value)] = outputs[i];
    const TensorDef& was = source_[node.outputs[i]];
    TensorDef& is = made_[outputs[i]];
    is.name = was.name, is.role = was.role, is.lifetime = was.lifetime;
    is.purpose = was.purpose, is.of = was.of;
  }
}

Program Copy::finish() {
  for (const Output& output : source_.outputs) made_.outputs.emplace_back(mapped(output.id), output.name);
  return std::move(made_);
}

}  // namespace hone
