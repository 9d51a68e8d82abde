// How passes change a program. `Rewrite` knows who makes and who reads each tensor, and changes nodes where
// they stand; `Copy` writes a program anew, node by node, where types or tensors change on the way.
#pragma once
#include <cstddef>
#include <optional>
#include <vector>

#include "ir/op_record.hpp"

namespace hone {

// Nodes keep their numbers, those of the program as it was given, until finish(), which drops what was
// removed and puts what was inserted in its place. Finding out anew who reads what after each change would be
// too slow for deep models.
class Rewrite {
 public:
  explicit Rewrite(Program& program);

  std::size_t size() const { return removed_.size(); }
  Node& operator[](std::size_t n) { return p_.nodes[n]; }
  const Node& operator[](std::size_t n) const { return p_.nodes[n]; }
  bool removed(std::size_t n) const { return removed_[n]; }

  // The nodes that read this very tensor, in order; size() stands for the program's end, where it is an
  // output.
  const std::vector<std::size_t>& readers(TensorId id) const { return readers_[index(id)]; }
  std::optional<std::size_t> maker(TensorId id) const;
  // The node of that op that alone reads this tensor, which owns its storage and has no views.
  std::optional<std::size_t> only_reader(TensorId id, const OpRecord& op) const;
  bool viewed(TensorId id) const { return viewed_[index(id)]; }  // has it views?
  bool there_before(TensorId id, std::size_t n) const;

  void remove(std::size_t n) { removed_[n] = true; }
  // Node n makes the first output of node `from`, as its own output `at`; `from` goes.
  void take_output(std::size_t n, std::size_t from, std::size_t at);
  // Node n reads `id` as its input `at`, where node `from` did.
  void take_input(std::size_t n, std::size_t at, TensorId id, std::size_t from);
  // A new node in front of node n, behind others that were inserted there. Returns its outputs.
  std::vector<TensorId> insert(std::size_t n, const OpRecord& op, std::vector<TensorId> inputs,
                               const Attributes& attributes, const std::string& name);
  // The same of a node's kind, under its name.
  std::vector<TensorId> insert_like(std::size_t n, const Node& like, std::vector<TensorId> inputs,
                                    const Attributes& attributes);
  // Puts a node that is ready in front of node n.
  void insert(std::size_t n, Node node) { inserted_.push_back({n, std::move(node)}); }
  // The last node that was inserted.
  Node& inserted() { return inserted_.back().node; }
  void finish();

 private:
  struct Inserted {
    std::size_t before;
    Node node;
  };
  static std::size_t index(TensorId id) { return static_cast<std::size_t>(id.value); }

  Program& p_;
  std::vector<std::int32_t> maker_;
  std::vector<std::vector<std::size_t>> readers_;
  std::vector<bool> viewed_, removed_;
  std::vector<Inserted> inserted_;
};

class Copy {
 public:
  explicit Copy(const Program& source) : source_(source), map_(source.tensors.size()) {}

  Program& made() { return made_; }
  // The tensor in the new program; added there at the first question, where no node has made it.
  TensorId mapped(TensorId id);
  // The node with other inputs (of the new program) and attributes; its outputs are mapped to what it makes.
  void write(const Node& node, const std::vector<TensorId>& inputs, const Attributes& attributes);
  // The program; outputs are those of the source.
  Program finish();

 private:
  const Program& source_;
  Program made_;
  std::vector<TensorId> map_;
};

}  // namespace hone
