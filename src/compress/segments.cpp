#include "compress/segments.hpp"

#include <algorithm>
#include <set>

namespace hone {
namespace {

bool is_number(const std::string& text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// Who makes the storage of each tensor: a segment's number, or none.
constexpr std::size_t nobody = std::size_t(-1);

class Cutting {
 public:
  explicit Cutting(const Program& whole) : whole_(whole), made_in_(whole.tensors.size(), nobody) {
    for (std::size_t n = 0; n < whole.nodes.size(); ++n) {
      const Node& node = whole.nodes[n];
      if (node.phase == Phase::prepare) continue;
      const std::string layer = layer_of(node.scope);
      if (names_.empty() || names_.back() != layer) names_.push_back(layer), nodes_.emplace_back();
      nodes_.back().push_back(n);
      for (const TensorId id : node.outputs) made_in(id) = names_.size() - 1;
    }
  }

  std::vector<Segment> segments() {
    find_what_goes_on();
    std::vector<Segment> all;
    for (std::size_t s = 0; s < nodes_.size(); ++s) all.push_back({names_[s], program(s)});
    return all;
  }

 private:
  std::size_t& made_in(TensorId id) { return made_in_[static_cast<std::size_t>(whole_.root(id).value)]; }
  bool is_activation(TensorId id) const { return whole_[whole_.root(id)].role == Role::activation; }

  void find_what_goes_on() {
    for (std::size_t s = 0; s < nodes_.size(); ++s)
      for (const std::size_t n : nodes_[s])
        for (const TensorId id : whole_.nodes[n].inputs)
          if (id && is_activation(id) && made_in(id) < s) goes_on_.insert(whole_.root(id).value);
  }

  // Nodes of phase prepare that make something that this segment reads.
  std::vector<Node> prepared_for(std::size_t s) const {
    std::set<std::int32_t> read;
    for (const std::size_t n : nodes_[s])
      for (const TensorId id : whole_.nodes[n].inputs)
        if (id) read.insert(whole_.root(id).value);
    std::vector<Node> nodes;
    for (const Node& node : whole_.nodes)
      if (node.phase == Phase::prepare && std::ranges::any_of(node.outputs, [&](TensorId id) {
            return read.contains(whole_.root(id).value);
          }))
        nodes.push_back(node);
    return nodes;
  }

  Program program(std::size_t s) {
    Program part = whole_;
    part.nodes = prepared_for(s);
    part.outputs.clear();
    for (const std::size_t n : nodes_[s]) part.nodes.push_back(whole_.nodes[n]);
    for (const std::int32_t value : goes_on_) {
      const TensorId id{value};
      TensorDef& t = part[id];
      t.name = "between." + std::to_string(value);
      if (made_in(id) == s) part.outputs.emplace_back(id, t.name);
      if (made_in(id) >= s) continue;
      t.role = Role::input;
      t.name = "$" + t.name;
      t.input = {.meaning = Meaning::values};
    }
    return part;
  }

  const Program& whole_;
  std::vector<std::size_t> made_in_;
  std::vector<std::string> names_;
  std::vector<std::vector<std::size_t>> nodes_;
  std::set<std::int32_t> goes_on_;  // roots that a later segment reads
};

}  // namespace

std::string layer_of(const std::string& scope) {
  for (std::size_t at = 0; at < scope.size();) {
    const std::size_t end = std::min(scope.find('.', at), scope.size());
    if (is_number(scope.substr(at, end - at))) return scope.substr(0, end);
    at = end + 1;
  }
  return {};
}

std::vector<Segment> segments_of(const Program& program) { return Cutting(program).segments(); }

}  // namespace hone
